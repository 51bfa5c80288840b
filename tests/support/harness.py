"""One agent a case: its controller dies at a write, or its watch misbehaves; another goes on.

A scenario is first played without any fault: how the agent stands then, and how many writes it
took, is what every case is held to. Cases run side by side, each agent with a controller of its
own; nothing but the API server is shared.
"""

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any

from interlock.api import names
from interlock.audit.records import load_keys
from support.apiproxy import ApiProxy, Fault
from support.controller import CASES, configuration
from support.crash import Crasher, Forge, Kill
from support.ending import ending, homeless, mark, orphans
from support.engine import Agent, Engine, until
from support.witness import RECORDS, Witness

Object = dict[str, Any]
SETTLES = 60.0
"""Seconds in which a case is done by any measure, on a machine that does other things too."""
STILL = 10
"""Looks that must show the same before an agent rests."""
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
    history: tuple[Wish, ...] = (Wish("old"), Wish("new"))
    """What served healthy before, one after the other."""
    marks: tuple[str, ...] = ("old", "new")
    """All images that the agent ever asks for."""
    before: Callable[[Agent], object] | None = None
    """What was done to it after its history."""
    ready: Callable[[Agent], bool] = lambda _: True
    middle: Callable[[Agent], object] | None = None
    """What happens while the operator is dead."""
    methods: tuple[str, ...] = ()
    """Which writes are counted; all where none is named."""
    kept: tuple[str, ...] = ()
    """Which parts of the ending are compared; all where none is named."""
    alone: bool = False
    """Whether two revisions may never have pods at once."""


@dataclass(frozen=True)
class Case:
    """One agent, and what befell its controller."""

    agent: Agent
    kill: Kill = Kill()
    fault: Fault | None = None

    def __str__(self) -> str:
        befell = f"killed {self.kill.when} write {self.kill.write}" if self.kill.write else "no kill"
        return f"{self.agent.team}: {self.fault or befell}"


class Harness:
    """Plays scenarios in one cluster, with a witness who sees all of them."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.counts: dict[str, int] = {}
        self._teams = iter(CASES)
        self._fresh: dict[str, list[Agent]] = {}
        records = configuration(engine.home).records
        assert records
        self.witness = Witness(engine.api, engine.home / "log", load_keys(records)[1])
        self._slots: SimpleQueue[Crasher] = SimpleQueue()
        self._forge = Forge(engine)
        for _ in range(SIDE_BY_SIDE):
            self._slots.put(self._forge.crasher())
        self.turn = threading.Lock()
        """For what only one case at a time may change."""

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

    def play(self, scenario: Scenario, step: int, faults: tuple[Fault, ...]) -> int:
        """Play it undisturbed, then with a death at every `step`-th side of a write, then faults."""
        self._stock(scenario, 1)
        expected, writes = self._reference(scenario)
        kills = [*_plan(writes)][step // 2 :: step]
        plan = [Kill(write, when, scenario.methods) for write, when in kills]
        self._stock(scenario, len(plan) + len(faults))
        agents = self._fresh[scenario.name]
        cases = [Case(agents.pop(), kill) for kill in plan]
        cases += [Case(agents.pop(), fault=fault) for fault in faults]
        with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
            done = [pool.submit(self._case, scenario, case, expected) for case in cases]
        counted = sum(one.result() for one in done)
        problems = self.witness.log_problems()
        assert not problems, problems
        self.counts[scenario.name] = counted
        print(f"\n{scenario.name}: {counted} cases ({writes} writes)")
        return counted

    def _stock(self, scenario: Scenario, number: int) -> None:
        missing = number - len(self._fresh.get(scenario.name, ()))
        self.prepare([(scenario, max(missing, 0))])

    def _reference(self, scenario: Scenario) -> tuple[Object, int]:
        """How the agent stands when nothing goes wrong, and how many writes that took."""
        agent = self._fresh[scenario.name].pop()
        with self._crasher() as crasher:
            scenario.begin(agent)
            if scenario.middle:
                scenario.middle(agent)
            crasher.start(agent, Kill(methods=scenario.methods))
            until(lambda: scenario.done(agent), bool, f"{scenario.name} ends", SETTLES)
            found, same = _ending(scenario, agent), 0
            while same < STILL:
                crasher.died(0.1)
                now = _ending(scenario, agent)
                found, same = now, same + 1 if now == found else 0
            writes = len(crasher.count(agent).read_bytes())
            self._check(scenario, Case(agent), crasher)
        return found, writes

    def _case(self, scenario: Scenario, case: Case, expected: Object) -> int:
        """Play one case; return 1, or 0 where it was over before its write came."""
        agent = case.agent
        with self._crasher() as crasher:
            if case.fault:
                return self._faulty(scenario, case, expected, crasher)
            scenario.begin(agent)
            crasher.start(agent, case.kill)
            killed = _killed(crasher, case, scenario)
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
        what = f"{scenario.name}, {case} converges to {expected}"
        until(lambda: scenario.done(case.agent), bool, what, SETTLES)
        until(lambda: _ending(scenario, case.agent), expected.__eq__, what, SETTLES)

    def _check(self, scenario: Scenario, case: Case, crasher: Crasher) -> None:
        """One owner, no orphan, no unexplained move, nothing held ever served, all in the log."""
        agent, witness = case.agent, self.witness
        where = f"{scenario.name}, {case}"
        assert not homeless(agent), where
        assert not orphans(agent), f"{where}: {orphans(agent)}"
        holder = agent.api.get(
            "/apis/coordination.k8s.io/v1/namespaces/"
            f"{names.SYSTEM_NAMESPACE}/leases/interlock-{agent.team}"
        ).body["spec"]["holderIdentity"]
        assert holder.endswith(f"-{crasher.pid}"), f"{where}: {holder}, not {crasher.pid}"
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


def _plan(writes: int) -> Iterator[tuple[int, str]]:
    """Before and after every write; two more, as a run may take one more than another."""
    for write in range(1, writes + 3):
        yield write, "before"
        yield write, "after"


def _killed(crasher: Crasher, case: Case, scenario: Scenario) -> bool:
    """Whether the controller died at its write, and not the scenario first."""
    waited = 0.0
    while waited < SETTLES:
        if crasher.died(0.2):
            return True
        waited += 0.2
        if scenario.done(case.agent):
            return crasher.died(1.0)
    raise AssertionError(f"{scenario.name}, {case}: neither killed nor done in {SETTLES:.0f} s")


def _ending(scenario: Scenario, agent: Agent) -> Object:
    found = ending(agent, scenario.marks)
    return {name: found[name] for name in scenario.kept} if scenario.kept else found


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
    marks = [(one["revision"], one["purpose"], one["inputs"]) for one in decisions.values()]
    assert len(marks) == len(set(marks)), f"{where}: a decision was written twice"

