"""Acts against policy, as the gateway counts them: many leave the revision, one of safety isolates.

The gateway counts, not the agent: an agent that breaks rules is the last one to say so.
"""

from datetime import datetime

from interlock.api.observed import Action
from interlock.policy.model import SignalPolicy
from interlock.signals import gateway
from interlock.signals.contract import Sample, Target
from interlock.signals.prometheus import Unmeasured, measured


class Violations(gateway.Counted):
    """More than a share of the decisions, or a burst."""

    name = "violations"
    action: Action = "rollback"
    lasting = True

    async def sample(self, target: Target, policy: SignalPolicy, now: datetime) -> Sample:
        """Compare what was counted with the limits of policy."""
        return await measured(now, self._sample(target, policy, now))

    async def _sample(self, target: Target, policy: SignalPolicy, now: datetime) -> Sample:
        limits, window = policy.violations, policy.baseline.window
        queries = {
            "burst": gateway.rise(gateway.VIOLATIONS, limits.burst_within, target),
            "violations": gateway.rise(gateway.VIOLATIONS, window, target),
            "decisions": gateway.rise(gateway.DECISIONS, window, target),
        }
        found = await self._numbers.values(queries, policy.timeout)
        if missing := sorted(queries.keys() - found.keys()):
            raise Unmeasured(f"nobody counted this revision's {missing[-1]} lately")
        burst, count, decisions = round(found["burst"]), found["violations"], found["decisions"]
        if burst >= limits.burst:
            message = (
                f"{burst} violations within {limits.burst_within}, {limits.burst} are too many"
            )
            return Sample(now, "bad", message)
        message = f"{count:.0f} violations in {decisions:.0f} decisions within {window}"
        if decisions >= limits.minimum_decisions and count > limits.ratio * decisions:
            return Sample(now, "bad", f"{message}, at most {limits.ratio:.2%} are allowed")
        return Sample(now, "good", message)


class SafetyViolations(gateway.Counted):
    """A single act against safety isolates the agent at once, whenever it comes."""

    name = "safety-violations"
    action: Action = "quarantine"
    lasting = True

    async def sample(self, target: Target, policy: SignalPolicy, now: datetime) -> Sample:
        """Look whether there was one since the revision's pods began."""
        return await measured(now, self._sample(target, policy, now))

    async def _sample(self, target: Target, policy: SignalPolicy, now: datetime) -> Sample:
        within, safety = policy.violations.burst_within, 'severity="safety"'
        query = gateway.highest(gateway.VIOLATIONS, within, target, safety)
        count = await self._numbers.value(query, policy.timeout)
        if count > 0:
            return Sample(now, "bad", f"{count:.0f} violations of safety", urgent=True)
        return Sample(now, "good", "no violation of safety")
