"""How long callers meet a bad revision, on a real node with constant load through the ClusterIP.

last bad answer: from just before an AgentRollback is sent until the last answer of the revision
that was left, over new connections, has come. Requests without any answer are counted beside it.

connections left: keep-alive connections and streams that were open. After an ordinary rollback
they are given `drain` (here 2 s) and then ended; a cut ends them at once. The clock is the same.

Everything is real but the verifier: containerd, runc, kubelet, kube-proxy, etcd, API server, and
the sample agent, which ends at once when it is asked to. Needs Linux, root and a few packages.
"""

import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import time

from benchlib.report import Row, parser, report, stage
from interlock_sandbox.node import needs
from interlock_sandbox.node.netns import own_network
from interlock_sandbox.sandbox import Sandbox
from support.container import SLOW, Live, acting
from support.engine import until
from support.load import RATE, Load, load

BUDGET = (
    "budget: last bad answer <= 100 ms and none failed on new connections; open connections left "
    "<= 2 s after a cut, <= drain otherwise"
)
POLICY = "policy: the tests' quick one (bake 1 s, drain 2 s); verifier: a double; one pod"
LOAD = f"load: {RATE:.0f} new connections a second, 4 kept connections, 4 streams"
DRAIN = "2s"
AFTER = 100
"""Answers of the revision that was gone back to, after which the other one's would be seen."""


@dataclass(slots=True)
class Figures:
    """Milliseconds from the trigger of each run of one kind."""

    answers: list[float] = field(default_factory=list)
    kept: list[float] = field(default_factory=list)
    streams: list[float] = field(default_factory=list)
    requests: int = 0
    lost: int = 0

    def rows(self, how: str) -> list[Row]:
        """The table's rows; `how` says what was asked for."""
        timed = (
            ("last bad answer", self.answers),
            ("keep-alive connections left", self.kept),
            ("streams left", self.streams),
        )
        found = [Row(f"data plane, {how}: {what}", len(t), "ms", t) for what, t in timed if t]
        lost = Row(f"data plane, {how}: failed requests", self.requests, "requests", (), self.lost)
        return [*found, lost]


@dataclass(frozen=True, slots=True)
class Pair:
    """One agent with two healthy revisions; `new` serves, and is left and let back in turn."""

    live: Live
    old: str
    new: str

    @classmethod
    def made(cls, live: Live) -> "Pair":
        """Bring it up."""
        rude = {"defaults": {"LINGER": "0s"}, "rollout": {"drain": DRAIN}}
        return cls(live, live.serves("1.0.0", **rude), live.serves("1.1.0", **rude))

    def leave(self, run: str, met: Load, figures: Figures, *, cut: bool) -> None:
        """Roll back once, and note what callers met."""
        self.live.drained(self.old)
        until(lambda: met.open_to(self.new), lambda n: n == 8, "all have opened", SLOW)
        before, trigger = len(met.answers), time()
        self.live.agent.ask("AgentRollback", f"back-{run}", expect=_digest(self.new), cut=cut)
        until(lambda: met.answered_by(self.old, trigger), lambda n: n > AFTER, "it moved", SLOW)
        until(lambda: met.open_to(self.new), lambda n: n == 0, "all have left", SLOW)
        figures.requests += len(met.answers) - before
        figures.lost += sum(one.lost for one in met.answers[before:])
        figures.answers.append((max(met.last_from(self.new), trigger) - trigger) * 1000)
        figures.kept += _since(trigger, (one.closed for one in met.kept))
        figures.streams += _since(trigger, (one.closed for one in met.streams))

    def let_back(self, run: str) -> None:
        """Have `new` serve again."""
        self.live.agent.ask("AgentRelease", f"free-{run}", digest=_digest(self.new))
        until(self.live.agent.pointer, lambda name: name == self.new, "it serves again", SLOW)
        self.live.agent.healthy(_digest(self.old), SLOW)


def measure(rollbacks: int, cuts: int) -> list[Row]:
    """All rows."""
    with Sandbox(("node", "registry")) as sandbox, acting(sandbox) as engine:
        with stage("an agent with two healthy revisions"):
            pair = Pair.made(Live.of(engine, "team-000"))
        rows = []
        for how, kinds in (("rollback", [False] * rollbacks), ("cut", [True] * cuts)):
            with stage(f"{len(kinds)} times: {how}"):
                rows += _measured(pair, how, kinds)
        return rows


def _measured(pair: Pair, how: str, kinds: Sequence[bool]) -> list[Row]:
    figures = Figures()
    with load(*pair.live.address()) as met:
        for run, cut in enumerate(kinds):
            pair.leave(f"{how}-{run}", met, figures, cut=cut)
            pair.let_back(f"{how}-{run}")
    return figures.rows(how) if kinds else []


def _since(trigger: float, moments: Iterable[float | None]) -> list[float]:
    return [(at - trigger) * 1000 for at in moments if at is not None and at > trigger]


def _digest(revision: str) -> str:
    return revision.rpartition("-")[2]


def main() -> None:
    """Measure and print."""
    options = parser(__doc__)
    options.add_argument("--rollbacks", type=int, default=50, help="default 50")
    options.add_argument("--cuts", type=int, default=20, help="default 20")
    given = options.parse_args()
    needs.check(Path(tempfile.gettempdir()))
    own_network()
    rows = measure(given.rollbacks, given.cuts)
    report("dataplane", rows, (POLICY, LOAD, BUDGET), given)


if __name__ == "__main__":
    main()
