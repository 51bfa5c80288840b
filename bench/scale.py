"""How fast a fleet comes up, and what the controllers hold then, beside Argo Rollouts.

cold start: from the first AgentDeployment sent until the last agent's Service names its revision,
over 10 model versions, dry runs included. The peer's: from the first Rollout and Service sent until
the last active Service names its version.

objects applied: the same clock, until the last object of the last revision is applied. The floor is
a bare script that dry-runs and writes the same objects, and waits for nothing.

rollout: the same for another image of all agents at once. memory, CPU: of both controllers, when
all is settled; CPU over cold start and rollout.
"""

from dataclasses import dataclass

from benchlib import agents, floor
from benchlib.agents import Agents, controller
from benchlib.floor import Copy
from benchlib.preload import NOTE, held, preload
from benchlib.report import RATE, Row, parser, report, say, sizes, stage
from benchlib.rollouts import Rollouts
from benchlib.usage import Usage
from interlock_sandbox.argo import LIMITS, ArgoRollouts
from interlock_sandbox.sandbox import Sandbox
from support.engine import Engine

BUDGET = (
    "budget: objects applied >= 5 agents/s and within 1.4 x of the bare script's time; "
    "memory <= 250 MiB at 1,000 agents"
)
PRELOAD_BUDGET = "budget: memory <= 1 GiB at 10,000 agents"
ROLLBACKS = 100
LIMITS_NOTE = f"client limits raised: Argo Rollouts {' '.join(LIMITS)}, controller manager 300/600"


@dataclass(frozen=True, slots=True)
class Took:
    """Seconds of each phase, and what the controller used."""

    cold: float
    rollout: float
    mebibytes: float
    cpu: float
    applied: float = 0.0


def measure(count: int, *, peer: bool) -> list[Row]:
    """All rows for so many agents, on one cluster."""
    with Sandbox(("argo-rollouts" if peer else "kubernetes",)) as sandbox:
        with controller(sandbox) as engine:
            fleet = Agents(engine, count)
            ours, copy = _ours(engine, fleet)
        theirs = _theirs(sandbox, engine, count) if peer else None
        with stage(f"a bare script for {count}"):
            engine.agent(floor.TEAM)
            bare = copy.write(sandbox, count)
    beside = theirs or Took(0.0, 0.0, 0.0, 0.0)
    return [
        _rate("cold start", count, ours.cold, beside.cold),
        _rate("objects applied", count, ours.applied, 0.0, bare),
        _rate("rollout", count, ours.rollout, beside.rollout),
        Row("memory", count, "MiB", (), ours.mebibytes, beside.mebibytes or None),
        Row("CPU", count, "s", (), ours.cpu, beside.cpu or None),
    ]


def preloaded(count: int) -> list[Row]:
    """What a controller holds that starts beside so many settled agents, and how fast it is."""
    with Sandbox(("kubernetes",)) as sandbox, controller(sandbox) as engine:
        model = Agents(engine, 1, models=1)
        model.two_revisions()
        engine.stop()
        fleet = Agents(engine, count, models=1)
        with held(sandbox), stage(f"{count} agents preloaded"):
            preload(sandbox, fleet)
            return _started(engine, fleet)


def _started(engine: Engine, fleet: Agents) -> list[Row]:
    count = len(fleet.all)
    engine.start()
    with stage("the controller started, and rolled the first agent back"):
        fleet.roll_back(0)
    used = Usage.at_rest(engine.running["one"].pid)
    with stage("rollbacks among them"):
        times = [fleet.roll_back(number) for number in range(1, min(count, 1 + ROLLBACKS))]
    return [
        Row("trigger to pointer", count, "ms", times),
        Row("memory", count, "MiB", (), used.mebibytes),
        Row("CPU", count, "s", (), used.cpu_seconds),
    ]


def _ours(engine: Engine, fleet: Agents) -> tuple[Took, Copy]:
    pid = engine.running["one"].pid
    before = Usage.of(pid)
    with stage(f"cold start of {len(fleet.all)} agents"):
        sent = fleet.want("old")
        applied, cold = fleet.staged("old") - sent, fleet.serving("old") - sent
    fleet.settled(warm=False)
    copy = Copy.of(fleet.all[0])
    with stage(f"rollout to {len(fleet.all)} agents"):
        sent = fleet.want("new")
        rollout = fleet.serving("new") - sent
    fleet.settled(warm=True)
    after = Usage.of(pid)
    spent = after.cpu_seconds - before.cpu_seconds
    return Took(cold, rollout, after.mebibytes, spent, applied), copy


def _theirs(sandbox: Sandbox, engine: Engine, count: int) -> Took:
    pid = sandbox.state.pids[ArgoRollouts.name]
    before = Usage.of(pid)
    fleet = Rollouts(engine.api, count)
    with stage(f"the peer's cold start of {count}"):
        sent = fleet.create()
        cold = fleet.serving({}) - sent
    fleet.settled("old")
    first = fleet.pointers()
    with stage(f"the peer's rollout to {count}"):
        sent = fleet.patch("new")
        rollout = fleet.serving(first) - sent
    fleet.settled("new")
    after = Usage.of(pid)
    return Took(cold, rollout, after.mebibytes, after.cpu_seconds - before.cpu_seconds)


def _rate(measure: str, count: int, ours: float, theirs: float, bare: float = 0.0) -> Row:
    peer = count / theirs if theirs else None
    return Row(measure, count, RATE, (), count / ours, peer, count / bare if bare else None)


def main() -> None:
    """Measure and print."""
    options = parser(__doc__)
    options.add_argument("--agents", default="100,500,1000", help="default 100,500,1000")
    options.add_argument(
        "--preload", type=int, default=0, help="only this: start beside so many settled agents"
    )
    given = options.parse_args()
    if given.preload:
        settled = (agents.POLICY, NOTE, PRELOAD_BUDGET)
        return report("preload", preloaded(given.preload), settled, given)
    rows: list[Row] = []
    for count in sizes(given.agents):
        say(f"{count} agents")
        rows += measure(count, peer=not given.no_peer)
    notes = (agents.POLICY, LIMITS_NOTE, floor.SAME_OBJECTS, BUDGET)
    return report("scale", sorted(rows, key=lambda row: row.measure), notes, given)


if __name__ == "__main__":
    main()
