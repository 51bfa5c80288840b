"""I7: killed before or after any write, the operator converges; nothing is lost or done twice.

One agent a case. Each case's controller dies at its write; the next one started finishes what it
finds and is itself killed at the next case's write, so later deaths also hit the recovery of
earlier cases. In the end every agent must look as if nobody had ever died.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import pytest

from interlock.audit.records import Keyring, in_place, load_keys, record_digest
from support.controller import TEAMS
from support.crash import Crasher, Kill
from support.engine import Engine, Pair, pairs, serving, until

_TEAMS = iter(TEAMS)
CHUNK = 12
SETTLES = 15.0
"""Seconds in which a case whose write never comes is done by any measure."""


@dataclass(frozen=True)
class Case:
    """One agent, and the write at which the controller died."""

    pair: Pair
    write: int
    when: str

    def __str__(self) -> str:
        return f"{self.pair.agent.team}: killed {self.when} write {self.write}"


@dataclass(frozen=True)
class Scenario:
    """What is asked of an agent, and how one sees that it is over."""

    make: Callable[[Engine, Iterable[str]], list[Pair]]
    begin: Callable[[Pair], None]
    done: Callable[[Pair], bool]


def test_a_rollout(engine: Engine, crasher: Crasher, full: bool) -> None:
    def begin(pair: Pair) -> None:
        pair.agent.want("next")

    def done(pair: Pair) -> bool:
        status = pair.agent.status()
        served = status.get("serving") != pair.new
        return served and status["candidate"] == "-" == status["reason"]

    cases = _run(engine, crasher, Scenario(serving, begin, done), _plan(full))
    for case in cases:
        agent = case.pair.agent
        served = agent.status()["serving"]
        kinds = [kind for kind in agent.types() if kind != "Promotion Abandoned"]
        assert kinds == ["Promotion Committed"] * 2, case
        last = agent.transitions()[-1]
        assert last["spec"]["to"] == agent.revision(served) == agent.pointer(), case
        _check(case, engine)
    print(f"\nrollout: {len(cases)} cases")


def test_a_rollback(engine: Engine, crasher: Crasher, full: bool) -> None:
    cases = _run(engine, crasher, Scenario(pairs, _ask_back, _went_back), _plan(full))
    for case in cases:
        _check_rollback(case, engine, cut=False)
    print(f"\nrollback: {len(cases)} cases")


def test_a_cut(engine: Engine, crasher: Crasher, full: bool) -> None:
    if not full:
        pytest.skip("its writes beyond a rollback's are tried with --full")

    def begin(pair: Pair) -> None:
        pair.agent.ask("AgentRollback", "back", expect=pair.new, cut=True)

    cases = _run(engine, crasher, Scenario(pairs, begin, _went_back), _plan(full))
    for case in cases:
        _check_rollback(case, engine, cut=True)
    print(f"\ncut: {len(cases)} cases")


def _ask_back(pair: Pair) -> None:
    pair.agent.ask("AgentRollback", "back", expect=pair.new)


def _went_back(pair: Pair) -> bool:
    status, agent = pair.agent.status(), pair.agent
    return status["gate"] == "Held" and not agent.pods(pair.new) and agent.replicas(pair.new) == 0


def _plan(full: bool) -> Iterator[tuple[int, str]]:
    """Before and after every write; reduced: after the odd ones, before the even ones."""
    for write in itertools.count(1):
        if full or write % 2 == 0:
            yield write, "before"
        if full or write % 2 == 1:
            yield write, "after"


def _run(
    engine: Engine, crasher: Crasher, scenario: Scenario, plan: Iterator[tuple[int, str]]
) -> list[Case]:
    """Kill at write after write until a scenario ends before its write comes."""
    cases: list[Case] = []
    ready: list[Pair] = []
    for write, when in plan:
        if not ready:
            crasher.start()
            ready = scenario.make(engine, itertools.islice(_TEAMS, CHUNK))
            crasher.kill()
        case = Case(ready.pop(), write, when)
        agent = case.pair.agent
        cases.append(case)
        scenario.begin(case.pair)
        crasher.start(Kill((agent.home, f"/namespaces/{agent.team}/"), write, when))
        if not _killed(crasher, case, scenario):
            break
    crasher.kill()
    crasher.start()
    for case in cases:
        until(lambda pair=case.pair: scenario.done(pair), bool, f"{case} converges")
    crasher.kill()
    return cases


def _killed(crasher: Crasher, case: Case, scenario: Scenario) -> bool:
    """Whether the controller died at its write, and not the scenario first."""
    waited = 0.0
    while waited < SETTLES:
        if crasher.died(0.5):
            return True
        waited += 0.5
        if scenario.done(case.pair):
            return crasher.died(2.0)
    raise AssertionError(f"{case}: neither killed nor done in {SETTLES:.0f} s")


def _check_rollback(case: Case, engine: Engine, *, cut: bool) -> None:
    agent, pair = case.pair.agent, case.pair
    assert agent.pointer() == agent.revision(pair.old), case
    assert agent.types() == [*["Promotion Committed"] * 2, "Rollback Committed"], case
    record = agent.transitions()[-1]
    request = f"/apis/interlock.dev/v1alpha1/namespaces/{agent.team}/agentrollbacks/back"
    answer = agent.answer(request)
    assert (answer["phase"], answer["transition"]) == ("Committed", record["metadata"]["name"])
    assert record["spec"]["request"] == agent.api.get(request).body["metadata"]["uid"]
    assert agent.pods(pair.new) == [], case
    assert agent.replicas(pair.new) == 0, case
    assert agent.replicas(pair.old) == 1, case
    if cut:
        assert agent.revision(pair.new) not in agent.admitted(), case
    _check(case, engine)


def _check(case: Case, engine: Engine) -> None:
    """What holds of every agent that rests: signed and ended records, no orphan, one truth."""
    agent = case.pair.agent
    keyring = _keyring(engine)
    transitions, decisions = agent.transitions(), agent.objects("GateDecision")
    revisions = agent.objects("AgentRevision")
    for kind, found in (
        ("AgentTransition", transitions),
        ("GateDecision", decisions),
        ("AgentRevision", revisions),
    ):
        for one in found:
            name = one["metadata"]["name"]
            assert keyring.valid(kind, one["spec"]), f"{case}: {name} is not signed"
            assert in_place(kind, agent.home, name, one["spec"]), f"{case}: {name} is misplaced"
    _check_ends(case, transitions, keyring)
    numbers = [one["spec"]["number"] for one in transitions]
    assert numbers == list(range(1, len(numbers) + 1)), case
    _check_decisions(case, transitions, decisions)
    kept = {one["metadata"]["name"] for one in revisions}
    deployed = {one["metadata"]["name"] for one in agent.objects("Deployment")}
    assert deployed <= kept, f"{case}: orphans {deployed - kept}"
    assert set(agent.admitted()) <= kept, case
    assert agent.pointer() in agent.admitted(), case


def _check_ends(case: Case, transitions: list[dict], keyring: Keyring) -> None:  # type: ignore[type-arg]
    for one in transitions:
        end = (one.get("status") or {}).get("end")
        assert end, f"{case}: {one['metadata']['name']} is open"
        assert keyring.valid_end(record_digest("AgentTransition", one["spec"]), end), case


def _check_decisions(case: Case, transitions: list[dict], decisions: list[dict]) -> None:  # type: ignore[type-arg]
    """Every promotion rests on a decision that allowed that content, and none is written twice."""
    by_name = {one["metadata"]["name"]: one["spec"] for one in decisions}
    for one in transitions:
        if one["spec"]["type"] == "Promotion":
            decision = by_name[one["spec"]["decision"]]
            assert decision["verdict"] == "Allowed", case
            assert decision["digest"] == one["spec"]["digest"], case
    marks = [(one["revision"], one["purpose"], one["inputs"]) for one in by_name.values()]
    assert len(marks) == len(set(marks)), f"{case}: a decision was written twice"


def _keyring(engine: Engine) -> Keyring:
    from support.controller import configuration

    records = configuration(engine.home).records
    assert records
    return load_keys(records)[1]
