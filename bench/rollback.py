"""How long a rollback takes, beside Argo Rollouts on the same cluster with the same image.

trigger to pointer: from just before an AgentRollback is sent until a watch on Services delivers
the changed selector. The peer's trigger is the patch of the Rollout's template back to the old one
within scaleDownDelaySeconds (its fast undo), its end the changed selector of the active Service.

mass rollback: one revocation of the image that all agents serve, from the moment that the verifier
hands the new list to the controller until the last Service has moved. The peer has no revocation:
its templates are all patched back at once. The floor is a bare script that makes two writes each.

Everything is real but the nodes and the verifier: etcd, API server with Interlock's policies in
force, controller manager, scheduler, both controllers as processes with accounts of their own.
"""

from benchlib import agents, floor
from benchlib.agents import Agents, controller
from benchlib.report import RATE, Row, median, parser, report, say, sizes, stage
from benchlib.rollouts import Rollouts
from interlock_sandbox.argo import LIMITS
from interlock_sandbox.sandbox import Sandbox
from support.engine import Engine

BUDGET = (
    "budget: trigger to pointer p50 <= 20 ms, p99 <= 75 ms, ratio <= 0.35; mass rollback >= 150/s"
)
LIMITS_NOTE = f"client limits raised: Argo Rollouts {' '.join(LIMITS)}, controller manager 300/600"


def measure(count: int, runs: int, *, mass: bool, peer: bool) -> list[Row]:
    """All rows for so many agents, on one cluster."""
    parts = ("argo-rollouts" if peer else "kubernetes",)
    with Sandbox(parts) as sandbox, controller(sandbox) as engine:
        ours = _ours(engine, count, runs, mass=mass)
        theirs = _theirs(engine, count, runs, mass=mass) if peer else ([], 0.0)
        bare = floor.two_writes(engine.api, count) if mass else 0.0
    rows = []
    if runs:
        beside = median(theirs[0]) if theirs[0] else None
        rows.append(Row("trigger to pointer", count, "ms", ours[0], peer=beside))
        if theirs[0]:
            rows.append(Row("trigger to pointer, peer alone", count, "ms", theirs[0]))
    if mass:
        beside = count / theirs[1] if theirs[1] else None
        rate = count / ours[1]
        rows.append(Row("mass rollback", count, RATE, (), rate, beside, count / bare))
    return rows


def _ours(engine: Engine, count: int, runs: int, *, mass: bool) -> tuple[list[float], float]:
    fleet = Agents(engine, count)
    with stage(f"{count} agents with two healthy revisions"):
        fleet.two_revisions()
    times = []
    with stage(f"{runs} rollbacks among {count} agents"):
        for run in range(runs):
            if run >= count:  # its turn comes again
                fleet.release(run % count)
            times.append(fleet.roll_back(run % count))
    if not mass:
        return times, 0.0
    with stage("what was rolled back serves again"):
        for number in range(min(runs, count)):
            fleet.release(number)
        fleet.serving("new")
        fleet.settled(warm=True)
    with stage(f"{count} agents rolled back by one revocation"):
        return times, fleet.revoke_all()


def _theirs(engine: Engine, count: int, runs: int, *, mass: bool) -> tuple[list[float], float]:
    fleet = Rollouts(engine.api, count)
    with stage(f"{count} rollouts with two versions"):
        fleet.create()
        fleet.serving({})
        fleet.settled("old")
        first = fleet.pointers()
        fleet.patch("new")
        fleet.serving(first)
        fleet.settled("new")
    with stage(f"{runs} undos among {count} rollouts"):
        numbers = [run % count for run in range(runs)]
        times = [fleet.undo(number, first[fleet.names[number]]) for number in numbers]
    fleet.settled("new")
    with stage(f"{count} rollouts undone at once"):
        return times, fleet.undo_all() if mass else 0.0


def main() -> None:
    """Measure and print."""
    options = parser(__doc__)
    options.add_argument("--agents", default="1,200,1000", help="default 1,200,1000")
    options.add_argument("--runs", type=int, default=200, help="rollbacks at each, default 200")
    options.add_argument("--mass", default="200,1000", help="default 200,1000")
    given = options.parse_args()
    single, mass = sizes(given.agents), sizes(given.mass)
    rows: list[Row] = []
    for count in sorted({*single, *mass}):
        say(f"{count} agents")
        runs = given.runs if count in single else 0
        rows += measure(count, runs, mass=count in mass, peer=not given.no_peer)
    notes = (agents.POLICY, LIMITS_NOTE, floor.TWO_WRITES, BUDGET)
    report("rollback", sorted(rows, key=lambda row: row.measure), notes, given)


if __name__ == "__main__":
    main()
