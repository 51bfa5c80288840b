"""How long agents are without a controller when the leader dies: from SIGKILL to a rollback.

failover: from SIGKILL of the leader until a watch on Services delivers the selector that the
standby moved; the AgentRollback is created right after the kill. Lease times are those that
Interlock ships with.

Everything is real but the nodes (kwok) and the verifier: both controllers are processes with
their own service account, the standby's caches are warm before the leader is killed.
"""

import time

from benchlib import agents
from benchlib.agents import Agents, controller
from benchlib.report import Row, parser, report, stage
from interlock.cluster.lease import LeaseTimes
from interlock_sandbox.process import free_port
from interlock_sandbox.sandbox import Sandbox
from support.engine import Engine, role, until

SHIPPED = LeaseTimes()
LEASE = (SHIPPED.duration, SHIPPED.renew, SHIPPED.deadline)
PATIENCE = 120.0
BUDGET = "budget: failover <= 8 s"
LEASE_NOTE = (
    f"lease: duration {LEASE[0]} s, renewed every {LEASE[1]} s, given up after {LEASE[2]} s"
)


def measure(count: int, runs: int) -> list[Row]:
    """Kill the leader again and again; each time the standby takes over."""
    with Sandbox(("kubernetes",)) as sandbox, controller(sandbox) as engine:
        engine.lease = LEASE
        fleet = Agents(engine, count)
        with stage(f"{count} agents with two healthy revisions"):
            fleet.two_revisions()
        with stage(f"{runs} leaders killed"):
            times = [_fail_over(engine, fleet, run, run % count) for run in range(runs)]
    return [Row("failover", count, "s", times)]


def _fail_over(engine: Engine, fleet: Agents, run: int, number: int) -> float:
    """Seconds from SIGKILL of the leader until the standby moved an agent's traffic."""
    port = free_port()
    engine.start(f"standby-{run}", "--port", str(port))
    until(lambda: role(port), "standby".__eq__, "its caches are warm", PATIENCE)
    killed = time.perf_counter()
    engine.kill(engine.holder())
    asked = time.perf_counter()
    moved = fleet.roll_back(number)  # milliseconds from its request, which it sends at once
    fleet.release(number)
    fleet.serving("new")
    fleet.settled(warm=True)
    return asked - killed + moved / 1000


def main() -> None:
    """Measure and print."""
    options = parser(__doc__)
    options.add_argument("--agents", type=int, default=10, help="default 10")
    options.add_argument("--runs", type=int, default=10, help="leaders killed, default 10")
    given = options.parse_args()
    rows = measure(given.agents, given.runs)
    report("failover", rows, (agents.POLICY, LEASE_NOTE, BUDGET), given)


if __name__ == "__main__":
    main()
