"""One agent a case: its controller dies at a write, or its watch misbehaves; another goes on.

A scenario is first played without any fault: how the agent stands then, and how many writes it
took, is what every case is held to. Cases run side by side, each agent with a controller of its
own; nothing but the API server is shared.
"""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from queue import SimpleQueue
from typing import Any, TypeVar

from interlock.api import names
from interlock.audit.records import load_keys
from support.apiproxy import ApiProxy, Fault
from support.controller import CASES, configuration
from support.crash import Crasher, Forge, Kill
from support.ending import ending, homeless, mark, orphans
from support.engine import Agent, Engine, until
from support.witness import RECORDS, Witness

Object = dict[str, Any]
T = TypeVar("T")
SETTLES = 60.0
"""Seconds in which a case is done by any measure, on a machine that does other things too."""
NEVER = Kill()
SPARE = 2
"""Writes that one run may take more than another."""
STILL = 1.0
"""Seconds without any change after which an agent rests."""
NOW_AND_THEN = 0.5
KILLS = 3
"""Deaths that the reduced set tries of a scenario."""
SIDE_BY_SIDE = 2 * (os.cpu_count() or 2)
FAULTS: tuple[Fault, ...] = ("cut", "delayed", "duplicated", "reordered", "lost")


@dataclass(frozen=True)
class Wish:
    """What a team asks for: an image by its mark and repository, and how it is to be rolled out."""

    mark: str
    repository: str = "agent"
    spec: Object = field(default_factory=dict)

    def of(self, agent: Agent) -> None:
        """Ask for it."""
        agent.want(mark(agent, self.mark), self.repository, **self.spec)


@dataclass(frozen=True)
class Scenario:
    """What is asked of an agent, and how one sees that it is over."""

    name: str
    begin: Callable[[Agent], object]
    done: Callable[[Agent], bool]
    fault: Fault
    """What the reduced set does to its watches; in full it is everything."""
    history: tuple[Wish, ...] = (Wish("old"), Wish("new"))
    """What served healthy before, one after the other."""
    marks: tuple[str, ...] = ("old", "new")
    """All images that the agent ever asks for."""
    before: Callable[[Agent], object] | None = None
    """What was done to it after its history."""
    ready: Callable[[Agent], bool] = lambda _: True
    middle: Callable[[Agent], object] | None = None
    """What happens while the operator is dead."""
    until_middle: Callable[[Agent], bool] | None = None
    """How one sees that all was over before the operator died."""
    writes: str = ""
    """Which writes are counted: those whose `METHOD path` this expression fits."""
    kept: tuple[str, ...] = ()
    """Which parts of the ending are compared; all where none is named."""
    alone: bool = False
    """Whether two revisions may never have pods at once."""


@dataclass(frozen=True)
class Case:
    """One agent, and what befell its controller."""

    agent: Agent
    kill: Kill = NEVER
    fault: Fault | None = None

    def __str__(self) -> str:
        befell = (
            f"killed {self.kill.when} write {self.kill.write}" if self.kill.write else "no kill"
        )
        return f"{self.agent.team}: {self.fault or befell}"


@dataclass
class Played:
    """What became of a scenario."""

    reference: Future[tuple[Object, int]]
    cases: list[Future[int]] = field(default_factory=list)

    def count(self) -> int:
        """How many cases there were; raises what the first of them that failed said."""
        self.reference.result()
        return sum(case.result() for case in self.cases)


class Harness:
    """Plays scenarios in one cluster, with a witness who sees all of them."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._teams = iter(CASES)
        self._fresh: dict[str, list[Agent]] = {}
        records = configuration(engine.home).records
        assert records
        self.witness = Witness(engine.api, engine.home / "log", load_keys(records)[1])
        self._slots: SimpleQueue[Crasher] = SimpleQueue()
        self._forge = Forge(engine)
        for _ in range(SIDE_BY_SIDE):
            self._slots.put(self._forge.crasher())

    def close(self) -> None:
        """End everything."""
        self._forge.close()
        self.witness.close()

    def prepare(self, wanted: Iterable[tuple[Scenario, int]]) -> None:
        """Make so many agents for each scenario, all at once by one controller."""
        made = [(s, self.engine.agent(next(self._teams))) for s, n in wanted for _ in range(n)]
        if not made:
            return
        seconds = SETTLES + len(made)
        self.engine.start("preparing")
        rounds = max(len(scenario.history) for scenario, _ in made)
        for number in range(rounds):
            now = [(a, s.history[number]) for s, a in made if len(s.history) > number]
            before = [agent.status().get("serving", "-") for agent, _ in now]
            for agent, wish in now:
                wish.of(agent)
            for (agent, _), served in zip(now, before, strict=True):
                agent.healthy(served, seconds)
        for scenario, agent in made:
            if scenario.before:
                scenario.before(agent)
        for scenario, agent in made:
            until(lambda s=scenario, a=agent: s.ready(a), bool, f"{agent.team} ready", seconds)
            self._fresh.setdefault(scenario.name, []).append(agent)
        self.engine.kill("preparing")

    def play(self, scenarios: Sequence[Scenario], *, full: bool) -> dict[str, Played]:
        """Play each undisturbed, then with a death at sides of writes, then with bad watches.

        In full that is every side and every fault, else a few. All cases run beside one another.
        """
        some = 0 if full else KILLS + 1
        self.prepare([(scenario, 1 + some) for scenario in scenarios])
        with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
            references = {one.name: pool.submit(self._reference, one) for one in scenarios}
            wait(references.values())
            good = [one for one in scenarios if not references[one.name].exception()]
            plans = {one.name: _plan(references[one.name].result()[1], full) for one in good}
            if full:
                self.prepare([(one, len(plans[one.name]) + len(FAULTS)) for one in good])
            played = {one.name: Played(references[one.name]) for one in scenarios}
            for one in good:
                faults = FAULTS if full else (one.fault,)
                expected, agents = references[one.name].result()[0], self._fresh[one.name]
                kills = [Kill(write, when, one.writes) for write, when in plans[one.name]]
                cases = [Case(agents.pop(), kill) for kill in kills]
                cases += [Case(agents.pop(), fault=fault) for fault in faults]
                played[one.name].cases += [
                    pool.submit(self._case, one, case, expected) for case in cases
                ]
        return played

    def _reference(self, scenario: Scenario) -> tuple[Object, int]:
        """How the agent stands when nothing goes wrong, and how many writes that took."""
        agent = self._fresh[scenario.name].pop()
        with self._crasher() as crasher:
            scenario.begin(agent)
            if scenario.middle:
                scenario.middle(agent)
            crasher.start(agent, Kill(fits=scenario.writes))
            self._until(agent, lambda: scenario.done(agent), bool, f"{scenario.name} ends")
            known = 0
            while (seen := self.witness.news(agent.home, known, STILL)) > known:
                known = seen
            writes = len(crasher.count(agent).read_bytes())
            self._check(scenario, Case(agent), crasher)
            return _ending(scenario, agent), writes

    def _case(self, scenario: Scenario, case: Case, expected: Object) -> int:
        """Play one case; return 1, or 0 where it was over before its write came."""
        agent = case.agent
        with self._crasher() as crasher:
            if case.fault:
                return self._faulty(scenario, case, expected, crasher)
            scenario.begin(agent)
            crasher.start(agent, case.kill)
            killed = self._killed(crasher, case, scenario)
            crasher.kill()
            if scenario.middle:
                scenario.middle(agent)
            crasher.start(agent)
            self._converges(scenario, case, expected)
            self._check(scenario, case, crasher)
        return int(killed)

    def _faulty(self, scenario: Scenario, case: Case, expected: Object, crasher: Crasher) -> int:
        """A controller that sees the cluster through a watch that misbehaves, and never dies."""
        with ApiProxy(self.engine.kubeconfig, self.engine.home) as proxy:
            proxy.fault = case.fault
            scenario.begin(case.agent)
            if scenario.middle:
                scenario.middle(case.agent)
            crasher.start(case.agent, kubeconfig=proxy.kubeconfig)
            self._converges(scenario, case, expected)
            self._check(scenario, case, crasher)
            crasher.kill()
        return 1

    def _converges(self, scenario: Scenario, case: Case, expected: Object) -> None:
        agent, what = case.agent, f"{scenario.name}, {case} converges to {expected}"
        self._until(agent, lambda: scenario.done(agent), bool, what)
        self._until(agent, lambda: _ending(scenario, agent), expected.__eq__, what)

    def _until(
        self, agent: Agent, look: Callable[[], T], fits: Callable[[T], object], what: str
    ) -> None:
        """Look again when something of the agent changed; what no watch shows, now and then."""
        deadline, known = time.monotonic() + SETTLES, 0
        while not fits(seen := look()):
            assert time.monotonic() < deadline, f"not within {SETTLES:.0f} s: {what}; last: {seen}"
            known = self.witness.news(agent.home, known, NOW_AND_THEN)

    def _killed(self, crasher: Crasher, case: Case, scenario: Scenario) -> bool:
        """Whether the controller died at its write, and not the scenario first."""
        deadline, known = time.monotonic() + SETTLES, 0
        while time.monotonic() < deadline:
            if crasher.died(0.05):
                return True
            if (seen := self.witness.news(case.agent.home, known, 0.2)) == known:
                continue
            known = seen
            if (scenario.until_middle or scenario.done)(case.agent):
                return crasher.died(1.0)
        raise AssertionError(f"{scenario.name}, {case}: neither killed nor done")

    def _check(self, scenario: Scenario, case: Case, crasher: Crasher) -> None:
        """One owner, no orphan, no unexplained move, nothing held ever served, all in the log."""
        agent, witness = case.agent, self.witness
        where = f"{scenario.name}, {case}"
        assert not homeless(agent), where
        assert not orphans(agent), f"{where}: {orphans(agent)}"
        until(lambda: _holder(agent), str(crasher.pid).__eq__, f"{where}: it has the Lease")
        records = [(kind, one) for kind in RECORDS for one in agent.objects(kind)]
        until(lambda: witness.lacks(records), lambda found: not found, f"{where}: all is logged")
        pointer = agent.pointer()
        until(
            lambda: (witness.pointers(agent.home) or [pointer])[-1],
            lambda last: not pointer or last == pointer,
            f"{where}: the witness saw the pointer",
        )
        assert not witness.pointer_problems(agent.home), where
        _check_records(where, agent)
        if scenario.alone:
            assert not witness.side_by_side(agent.home), where

    @contextmanager
    def _crasher(self) -> Iterator[Crasher]:
        crasher = self._slots.get()
        try:
            yield crasher
        finally:
            crasher.kill()
            self._slots.put(crasher)


def _plan(writes: int, full: bool) -> list[tuple[int, str]]:
    """Before and after every write and `SPARE` more; reduced, some of them from first to last."""
    last = writes + (SPARE if full else 0)
    sides = [(write, when) for write in range(1, last + 1) for when in ("before", "after")]
    if full or len(sides) <= KILLS:
        return sides
    return [sides[place * (len(sides) - 1) // (KILLS - 1)] for place in range(KILLS)]


def _ending(scenario: Scenario, agent: Agent) -> Object:
    found = ending(agent, scenario.marks)
    return {name: found[name] for name in scenario.kept} if scenario.kept else found


def _holder(agent: Agent) -> str:
    """The process that has the Lease under which this agent is acted for."""
    path = f"/apis/coordination.k8s.io/v1/namespaces/{names.SYSTEM_NAMESPACE}/leases"
    lease = agent.api.get(f"{path}/interlock-{agent.team}").body
    return str((lease.get("spec") or {}).get("holderIdentity", "")).rpartition("-")[2]


def _check_records(where: str, agent: Agent) -> None:
    """Every promotion rests on a decision that allowed that content, and none is written twice."""
    decisions = {one["metadata"]["name"]: one["spec"] for one in agent.objects("GateDecision")}
    transitions = agent.transitions()
    numbers = [one["spec"]["number"] for one in transitions]
    assert numbers == list(range(1, len(numbers) + 1)), f"{where}: {numbers}"
    for one in transitions:
        assert (one.get("status") or {}).get("end"), f"{where}: {one['metadata']['name']} is open"
        if one["spec"]["type"] == "Promotion":
            decision = decisions[one["spec"]["decision"]]
            assert decision["verdict"] == "Allowed", where
            assert decision["digest"] == one["spec"]["digest"], where
    judged = sorted(decisions.values(), key=lambda one: int(one["number"]))
    for place in {(one["revision"], one["purpose"]) for one in judged}:
        inputs = [one["inputs"] for one in judged if (one["revision"], one["purpose"]) == place]
        twice = any(one == next_ for one, next_ in pairwise(inputs))
        assert not twice, f"{where}: a decision was written twice"
