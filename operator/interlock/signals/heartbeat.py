"""Silence is a signal: decisions that nobody wrote down, while traffic flows.

An attacker's first act is to stop the log. A short gap stops promotions, a long one waits for a
person. No traffic and no log is a quiet agent; no data at all says nothing.
"""

from datetime import datetime

from interlock.api.kinds.base import seconds
from interlock.api.observed import Action
from interlock.policy.model import SignalPolicy
from interlock.signals import gateway
from interlock.signals.contract import Sample, Target
from interlock.signals.prometheus import Unmeasured, measured

BACK = 3
"""So many times the longer limit does the query look back for the last heartbeat."""


class _Heartbeat(gateway.Counted):
    """What both signals share: the age of the newest entry, and whether there is traffic."""

    lasting = True

    def applies(self, target: Target) -> bool:
        """Whether anybody decides for the agent, and writes it down."""
        return super().applies(target) and target.stand != "candidate"

    async def _judged(
        self, target: Target, policy: SignalPolicy, now: datetime, limit: str, urgent: bool
    ) -> Sample:
        back = f"{BACK * seconds(policy.silence_freezes)}s"
        queries = {
            "age": gateway.age(gateway.HEARTBEAT, back, target),
            "traffic": gateway.rise(gateway.REQUESTS, policy.silence_holds, target),
        }
        found = await self._numbers.values(queries, policy.timeout)
        if missing := sorted(queries.keys() - found.keys()):
            raise Unmeasured(f"nothing is known of this revision's {missing[-1]}")
        quiet = max(found["age"], 0.0)
        message = f"the decision log was written {quiet:.0f} s ago"
        if quiet <= seconds(limit):
            return Sample(now, "good", message)
        if found["traffic"] <= 0:
            return Sample(now, "good", f"{message}; there is no traffic")
        message = f"{message} while traffic flows, at most {limit} is allowed"
        return Sample(now, "bad", message, urgent=urgent)


class DecisionLog(_Heartbeat):
    """A gap in the log stops promotions."""

    name = "decision-log"
    action: Action = "hold"

    async def sample(self, target: Target, policy: SignalPolicy, now: datetime) -> Sample:
        """Judge the gap by the shorter limit."""
        asked = self._judged(target, policy, now, policy.silence_holds, False)
        return await measured(now, asked)


class SilentDecisionLog(_Heartbeat):
    """A log that stays silent freezes the agent until a person looked."""

    name = "decision-log-silent"
    action: Action = "freeze"

    async def sample(self, target: Target, policy: SignalPolicy, now: datetime) -> Sample:
        """Judge the gap by the longer limit; it is long enough to need no second look."""
        asked = self._judged(target, policy, now, policy.silence_freezes, True)
        return await measured(now, asked)
