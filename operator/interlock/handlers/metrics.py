"""Numbers for Prometheus: how long steps take, how deep the lanes are, what fails.

Labels are bounded: step types and lanes, never an agent's name.
"""

import time
from collections import Counter as Counts
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from prometheus_client import Counter, Gauge, Histogram

from interlock.api.steps import Commit, MoveBack, Record, Step

STEPS = Histogram(
    "interlock_step_seconds",
    "Duration of one executed step",
    ["step"],
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1, 5, 30, 120),
)
FAILURES = Counter("interlock_step_failures_total", "Steps that raised", ["step"])
LANE_DEPTH = Gauge("interlock_lane_depth", "Agents that wait for a look", ["lane"])
POLICY_FRESH = Gauge("interlock_policy_fresh", "1 while the policy in force may promote")
AGENTS = Gauge("interlock_agents", "Agents by what their status says first", ["reason"])
DEGRADED = Gauge(
    "interlock_degraded_agents", "Agents that serve what would not be let in today", ["reason"]
)
PROMOTING = Gauge("interlock_promotions_in_bake", "Agents between commit and the end of their bake")
FLEET_HALTED = Gauge(
    "interlock_fleet_halted", "1 while promotions and rollbacks for health are stopped everywhere"
)
MOVES = Counter("interlock_moves_total", "Recorded moves and stops", ["type", "cause"])
BREAK_GLASS = Counter(
    "interlock_break_glass_total", "Glass broken, let in by it, ratified, left unratified", ["what"]
)
BROKEN = Gauge(
    "interlock_break_glass_agents", "Agents for which glass is broken, by how it stands", ["state"]
)
HOLDS_LEASE = Gauge("interlock_holds_lease", "1 while this replica acts")


def moved(value: Step) -> None:
    """Count a step that wrote a record, by its type and its cause."""
    if isinstance(value, Commit):
        MOVES.labels("Promotion", "").inc()
        if value.break_glass:
            BREAK_GLASS.labels("LetIn").inc()
    elif isinstance(value, MoveBack | Record):
        MOVES.labels(value.type, value.cause).inc()
        if value.type in ("BreakGlass", "Ratification"):
            BREAK_GLASS.labels(value.type).inc()
        elif value.cause == "unratified":
            BREAK_GLASS.labels("Unratified").inc()


def count_agents(agents: Iterable[Mapping[str, Any]]) -> None:
    """Set how many AgentDeployments say which reason first, of being degraded, of broken glass."""
    conditions = [one for agent in agents for one in _conditions(agent)]
    for gauge, kind in ((AGENTS, "Ready"), (DEGRADED, "Degraded"), (BROKEN, "BreakGlass")):
        gauge.clear()
        reasons = (str(one["reason"]) for one in conditions if one["type"] == kind)
        for reason, count in Counts(reasons).items():
            gauge.labels(reason).set(count)


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


def _conditions(agent: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return (agent.get("status") or {}).get("conditions") or []
