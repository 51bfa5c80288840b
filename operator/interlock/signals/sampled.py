"""All signals that ask the outside, in the order in which people read them."""

from interlock.signals.addresses import Refuses
from interlock.signals.baseline import Baseline
from interlock.signals.contract import SampledSignal
from interlock.signals.heartbeat import DecisionLog, SilentDecisionLog
from interlock.signals.metrics import Metrics
from interlock.signals.probe_grpc import GrpcProbe
from interlock.signals.probe_http import HttpProbe
from interlock.signals.prometheus import Numbers
from interlock.signals.violations import SafetyViolations, Violations


def sampled(refuses: Refuses, numbers: Numbers | None) -> tuple[SampledSignal, ...]:
    """Return the signals; those that measure only where there is something to measure with."""
    probes: tuple[SampledSignal, ...] = (HttpProbe(refuses), GrpcProbe(refuses))
    if numbers is None:
        return probes
    return (
        *probes,
        Metrics(numbers),
        SafetyViolations(numbers),
        Violations(numbers),
        Baseline(numbers),
        DecisionLog(numbers),
        SilentDecisionLog(numbers),
    )
