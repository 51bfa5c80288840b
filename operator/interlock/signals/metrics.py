"""The team's own figures: each query of `spec.health.metrics` stays at or below its maximum.

The team wrote the query, so it is narrowed to the revision that is asked about, and counts with
what others see of the agent, never alone.
"""

import asyncio
from datetime import datetime

from interlock.api.kinds.deployment import Metric
from interlock.api.observed import Action
from interlock.policy.model import SignalPolicy
from interlock.signals.contract import Sample, Target
from interlock.signals.prometheus import Numbers, Unmeasured
from interlock.signals.promql import Unscoped, scoped


class Metrics:
    """All metrics of one agent, as one signal: bad if one is, good if all are."""

    name = "metrics"
    action: Action = "rollback"
    lasting = False

    def __init__(self, numbers: Numbers) -> None:
        self._numbers = numbers

    def applies(self, target: Target) -> bool:
        """Whether the agent declared any."""
        return bool(target.spec.health.metrics)

    async def sample(self, target: Target, policy: SignalPolicy, now: datetime) -> Sample:
        """Ask for all at once."""
        metrics = target.spec.health.metrics
        asked = (self._one(metric, target, policy.timeout, now) for metric in metrics)
        samples = await asyncio.gather(*asked)
        for verdict in ("bad", "none"):
            for sample in samples:
                if sample.verdict == verdict:
                    return sample
        return Sample(now, "good", "; ".join(sample.message for sample in samples))

    async def _one(self, metric: Metric, target: Target, timeout: str, now: datetime) -> Sample:
        await asyncio.sleep(0)  # sixteen new queries are parsed one by one, others move between
        try:
            query = scoped(metric.query, target.home, target.revision)
            value = await self._numbers.value(query, timeout)
        except (Unmeasured, Unscoped) as error:
            return Sample(now, "none", f"{metric.name}: {error}")
        message = f"{metric.name} is {value:g}, at most {metric.max:g} is allowed"
        return Sample(now, "bad" if value > metric.max else "good", message)
