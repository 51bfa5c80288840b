"""Numbers for Prometheus: how long steps take, how deep the lanes are, what fails.

Labels are bounded: step types and lanes, never an agent's name.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import Counter, Gauge, Histogram

from interlock.api.steps import Step

STEPS = Histogram(
    "interlock_step_seconds",
    "Duration of one executed step",
    ["step"],
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1, 5, 30, 120),
)
FAILURES = Counter("interlock_step_failures_total", "Steps that raised", ["step"])
LANE_DEPTH = Gauge("interlock_lane_depth", "Agents that wait for a look", ["lane"])
POLICY_FRESH = Gauge("interlock_policy_fresh", "1 while the policy in force may promote")
HOLDS_LEASE = Gauge("interlock_holds_lease", "1 while this replica acts")


@contextmanager
def step(value: Step) -> Iterator[None]:
    """Time one step and count it if it raises."""
    name, started = type(value).__name__, time.perf_counter()
    try:
        yield
    except BaseException:
        FAILURES.labels(name).inc()
        raise
    finally:
        STEPS.labels(name).observe(time.perf_counter() - started)
