"""Rollback is for what is worse than before: a revision against the one that it replaced.

Both are measured by the same counters. What was replaced has had no traffic since the switch, so
its window reaches back over the bake; compared are shares and means, which do not grow with it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from interlock.api.kinds.base import seconds
from interlock.api.observed import Action
from interlock.policy.model import Baseline as Limits
from interlock.policy.model import SignalPolicy
from interlock.signals import gateway
from interlock.signals.contract import Sample, Target
from interlock.signals.prometheus import Unmeasured, measured

LONGEST = 6 * 3600
"""Seconds that a query looks back at most: longer ones cost Prometheus too much."""
CANDIDATE, BEFORE = "candidate", "before"


@dataclass(frozen=True, slots=True)
class _Measure:
    """One figure of a revision: so much of something in so much of something else."""

    name: str
    part: str
    whole: str
    labels: str = ""


MEASURES = (
    _Measure("violations per decision", gateway.VIOLATIONS, gateway.DECISIONS),
    _Measure("errors per request", gateway.REQUESTS, gateway.REQUESTS, 'code=~"5.."'),
    _Measure("seconds per request", f"{gateway.SECONDS}_sum", f"{gateway.SECONDS}_count"),
)


class Baseline(gateway.Counted):
    """Violations, errors and latency, each against what was there before."""

    name = "baseline"
    action: Action = "rollback"
    lasting = False

    def applies(self, target: Target) -> bool:
        """Whether the revision has traffic and replaced something."""
        return target.stand == "baking" and bool(target.baseline) and super().applies(target)

    async def sample(self, target: Target, policy: SignalPolicy, now: datetime) -> Sample:
        """Compare both, over the same measures."""
        return await measured(now, self._sample(target, policy, now))

    async def _sample(self, target: Target, policy: SignalPolicy, now: datetime) -> Sample:
        limits = policy.baseline
        found = await self._numbers.values(_queries(target, limits.window), policy.timeout)
        compared = 0
        for index, measure in enumerate(MEASURES):
            mine = _share(found, CANDIDATE, index, limits)
            theirs = _share(found, BEFORE, index, limits)
            if mine is None or theirs is None:
                continue
            compared += 1
            if mine > limits.ratio * theirs and mine - theirs > limits.floor:
                return Sample(
                    now,
                    "bad",
                    f"{mine:.3g} {measure.name}, {theirs:.3g} before; at most "
                    f"{limits.ratio:g} times as much is allowed",
                )
        if compared:
            return Sample(now, "good", f"{compared} figures are no worse than before")
        if not any(name.startswith(f"{CANDIDATE}_") for name in found):
            raise Unmeasured("nobody counted this revision's requests lately")
        few = f"fewer than {limits.minimum_samples} requests or decisions of one of both"
        return Sample(now, "good", f"{few}: too few to compare")


def _queries(target: Target, window: str) -> dict[str, str]:
    back = min(seconds(window) + seconds(target.spec.rollout.bake), LONGEST)
    before = replace(target, revision=target.baseline)
    return {
        **dict(_asked(CANDIDATE, target, window)),
        **dict(_asked(BEFORE, before, f"{back}s")),
    }


def _asked(who: str, target: Target, within: str) -> Iterator[tuple[str, str]]:
    for index, measure in enumerate(MEASURES):
        yield f"{who}_part_{index}", gateway.rise(measure.part, within, target, measure.labels)
        yield f"{who}_whole_{index}", gateway.rise(measure.whole, within, target)


def _share(found: dict[str, float], who: str, index: int, limits: Limits) -> float | None:
    whole = found.get(f"{who}_whole_{index}", 0.0)
    if whole < limits.minimum_samples:
        return None
    # Without a series of its own the part never happened: its whole is counted by the same pods.
    return found.get(f"{who}_part_{index}", 0.0) / whole
