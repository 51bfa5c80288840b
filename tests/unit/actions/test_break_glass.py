"""What the controller reads and writes of broken glass: facts, records, and noise."""

from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import ValidationError

from interlock.actions import observe, parse
from interlock.actions.announce import LATE, announce
from interlock.actions.facts import context_of, since_commit
from interlock.actions.ports import Memory
from interlock.actions.records import open_record, stamp
from interlock.api.facts import Subject
from interlock.api.observed import BreakGlass, Observed
from interlock.api.steps import Commit, Record
from interlock.cluster.cache import Cache, Key
from interlock.cluster.client import Conflict, Forbidden
from interlock.decide import view
from interlock.handlers import metrics
from interlock.policy.model import TierPolicy
from interlock.policy.parse import PolicyError
from support.facts import NOW, at, good_facts, quality
from support.facts import context as facts_context
from support.policies import documents, good_policy
from support.world import NAME, TEAM, World, spec_of

KEY = Key(TEAM, NAME)


def known(**users: str) -> Any:
    """The good policy, where these persons have a user each."""
    people = documents()["people"]
    for person in people["people"]:
        person["users"] = [user for who, user in users.items() if person["id"] == who]
    return good_policy(people=people)


def glass(*users: str, mark: str = "b") -> World:
    """A world in which `a` serves, and these users broke the glass for another content."""
    world = World().promote("a")
    world.unapproved.add(mark)
    world.want(spec_of(mark))
    world.see(fresh=False)
    for user in users:
        world.break_glass(user)
    world.settle()
    return world


def let_in() -> World:
    world = glass("ann")
    world.see(fresh=True)
    world.settle()
    return world


def context(world: World, policy: Any) -> Any:
    wanted = world.seen.wanted
    assert wanted
    subject = Subject(
        namespace=TEAM,
        name=NAME,
        spec=wanted.spec.dump(),
        digest=wanted.digest,
        behaviour=wanted.behaviour,
    )
    return context_of(world.seen, policy, "factory", subject)


def test_facts_name_the_persons_and_leave_out_who_is_none() -> None:
    world = glass("ann@line-4.example", "stranger")
    found = context(world, known(**{"sre-1": "ann@line-4.example"})).break_glass
    assert [(one.record, one.person, one.ticket) for one in found] == [("one-2", "sre-1", "INC-1")]
    asked = world.seen.transitions[1].expires
    assert asked
    assert found[0].expires == stamp(asked)


def test_two_users_of_one_person_are_one_person() -> None:
    people = documents()["people"]
    people["people"][3]["users"] = ["ann", "ann-admin"]
    found = context(glass("ann", "ann-admin"), good_policy(people=people)).break_glass
    assert [one.person for one in found] == ["sre-1", "sre-1"]


def test_what_serves_is_judged_without_its_broken_glass() -> None:
    world = let_in()
    policy = known(**{"sre-1": "ann"})
    assert view.serving(world.seen)
    spare = replace(world.seen.transitions[1], name="one-9", number=9)
    world.see(transitions=(*world.seen.transitions, spare))
    found = context(world, policy)
    assert (found.break_glass, found.unratified) == ([], "")
    world.want(spec_of("c"))
    assert context(world, policy).unratified == "one-3"


def test_a_program_is_no_person() -> None:
    people = documents()["people"]
    people["people"][3]["users"] = ["system:serviceaccount:ci:robot"]
    with pytest.raises(
        PolicyError, match="sre-1: the user system:serviceaccount:ci:robot is a pro"
    ):
        good_policy(people=people)


def test_one_user_belongs_to_one_person() -> None:
    people = documents()["people"]
    for person in people["people"][:2]:
        person["users"] = ["ann"]
    with pytest.raises(PolicyError, match="user ann of quality-2 is already in the entry of"):
        good_policy(people=people)


def test_whoever_made_the_change_is_looked_for_since_what_people_approved() -> None:
    """Not only to ratify it: who made it approves no content that is built upon it, either."""
    world = let_in()
    serving = view.serving(world.seen)
    assert serving
    cache = Cache()
    for record, decision, commit in (("one-1", "gd-1", "c1"), ("one-3", "gd-3", "c3")):
        for kind, name, spec in (
            ("AgentTransition", record, {"decision": decision}),
            ("GateDecision", decision, {"facts": f'{{"change":{{"commit":"{commit}"}}}}'}),
        ):
            meta = {"namespace": KEY.home, "name": name, "uid": name, "resourceVersion": "1"}
            cache.merge({"kind": kind, "metadata": meta, "spec": spec})
    assert since_commit(cache, KEY, world.seen) == "c1"
    world.unapproved.clear()
    world.pass_time(31)
    world.settle()
    assert world.seen.transitions[-1].type == "Ratification"
    assert since_commit(cache, KEY, world.seen) == "c3"


def decision(answer: str, *approvals: str) -> Any:
    """A decision whose change-approval gate answered so."""
    outcomes = [
        SimpleNamespace(gate="change-approval", outcome=answer, evidence=list(approvals)),
        SimpleNamespace(gate="freeze-window", outcome="PASS", evidence=[]),
    ]
    broken = [
        {"record": "press-1", "person": "sre-1", "ticket": "T", "expires": at(NOW, hours=1)},
        {"record": "press-2", "person": "sre-2", "ticket": "T", "expires": NOW},
    ]
    facts = good_facts(context=facts_context(break_glass=broken))
    return SimpleNamespace(outcomes=outcomes, facts=facts.canonical().decode(), at=NOW)


def test_a_decision_says_whose_glass_it_rests_on_and_whether_people_approved() -> None:
    bypassed, passed = decision("BYPASSED"), decision("PASS", quality().envelope)
    assert parse._broken(bypassed) == (("press-1", "sre-1"),)
    assert not parse._approved(bypassed)
    assert ("person", "sre-1") in {use[:2] for use in parse._uses(bypassed)}
    assert parse._broken(passed) == ()
    assert parse._approved(passed)
    assert parse._approved(decision("NOT_APPLICABLE"))
    assert not any(parse._approved(decision(word)) for word in ("WAIT", "FAIL", "ERROR"))


def test_the_terms_are_those_of_the_tier() -> None:
    tier = documents()["tiers"]["tiers"]["high"]
    said = {"allowed": True, "persons": 3, "ratifyWithin": "30m"}
    assert terms(tier | {"breakGlass": said}) == BreakGlass(3, timedelta(minutes=30))
    assert terms(tier | {"breakGlass": said | {"ratifyWithin": None}}) == BreakGlass(3, None)
    assert terms(tier) is None
    with pytest.raises(ValidationError):
        terms(tier | {"breakGlass": said | {"persons": 1}})


def terms(tier: Any) -> BreakGlass | None:
    return observe._break_glass(TierPolicy.model_validate(tier).break_glass)


class Client:
    """Keeps what is created."""

    def __init__(self, error: Exception | None = None) -> None:
        self.made: list[Any] = []
        self._error = error

    async def create(self, obj: Any) -> Any:
        if self._error:
            raise self._error
        self.made.append(obj)
        return obj | {"metadata": obj["metadata"] | {"uid": "u", "resourceVersion": "1"}}


def ports(client: Client, world: World, **late: float) -> Any:
    memory = Memory()
    traffic = SimpleNamespace(client=client, clock=lambda: world.now + timedelta(**late))
    return SimpleNamespace(traffic=traffic, memory=lambda _: memory)


async def test_an_event_tells_each_step_once() -> None:
    world, client = let_in(), Client()
    told = ports(client, world)
    for _ in range(2):
        await announce(KEY, told, world.seen)
    world.pass_time(301)
    world.settle()
    await announce(KEY, told, world.seen)
    reasons = [one["reason"] for one in client.made]
    assert reasons == ["BreakGlass", "LetInByBreakGlass", "Unratified"]
    assert {one["type"] for one in client.made} == {"Warning"}
    assert len({one["metadata"]["name"] for one in client.made}) == 3
    assert client.made[0]["involvedObject"]["name"] == NAME
    assert "by ann (INC-1) until" in client.made[0]["message"]
    assert "unless the quorum approves" in client.made[1]["message"]


async def test_a_ratification_is_told_and_is_no_warning() -> None:
    world, client = let_in(), Client()
    world.unapproved.clear()
    world.pass_time(31)
    world.settle()
    await announce(KEY, ports(client, world), world.seen)
    assert client.made[-1]["reason"] == "Ratified"
    assert client.made[-1]["type"] == "Normal"


async def test_a_new_process_repeats_nothing_old_and_nothing_that_is_there() -> None:
    world = let_in()
    client = Client()
    await announce(KEY, ports(client, world, seconds=LATE.total_seconds() + 1), world.seen)
    assert client.made == []
    told = ports(Client(Conflict(409, "exists")), world)
    await announce(KEY, told, world.seen)
    assert told.memory(KEY).announced == {"one-2", "one-3"}


async def test_an_event_that_is_refused_stands_in_nobody_s_way() -> None:
    world = let_in()
    told = ports(Client(Forbidden(403, "no")), world)
    await announce(KEY, told, world.seen)
    assert told.memory(KEY).announced == set()


async def test_an_ordinary_agent_makes_no_noise() -> None:
    client = Client()
    world = World().promote("a", "b")
    await announce(KEY, ports(client, world), world.seen)
    assert client.made == []


class Signer:
    """Signs nothing: what is to be signed is looked at."""

    def sign(self, _: str, spec: Any) -> Any:
        return spec


async def written(step: Any, world: World) -> Any:
    client = Client()
    cache: Any = SimpleNamespace(of=lambda *_: {}, get=lambda *_: None, merge=lambda _: True)
    await open_record(
        SimpleNamespace(client=client, cache=cache, signer=Signer(), clock=lambda: world.now),  # type: ignore[arg-type]
        KEY,
        step,
    )
    return client.made[0]["spec"]


def last(world: World, kind: type) -> Any:
    return next(step for step in reversed(world.log) if isinstance(step, kind))


async def test_the_records_hold_who_until_when_and_by_what() -> None:
    world = let_in()
    asked = await written(last(world, Record), world)
    assert (asked["type"], asked["requestedBy"], asked["ticket"]) == ("BreakGlass", "ann", "INC-1")
    assert asked["message"] == "asked"
    assert asked["expires"].endswith("Z")
    commit = last(world, Commit)
    promoted = await written(commit, world)
    assert promoted["breakGlass"] == ["one-2"]
    assert promoted["ratifyBy"] == stamp(commit.ratify_by)
    world.unapproved.clear()
    world.pass_time(31)
    world.settle()
    ratified = await written(last(world, Record), world)
    assert (ratified["type"], ratified["nonces"]) == ("Ratification", ["n1"])
    assert ratified["decision"].startswith(world.pointer or "?")


async def test_an_ordinary_promotion_says_nothing_of_glass() -> None:
    world = World().promote("a")
    assert {"breakGlass", "ratifyBy"}.isdisjoint(await written(last(world, Commit), world))


def test_numbers_for_alarms_tell_how_often_it_is_used() -> None:
    def counted(what: str) -> float:
        return metrics.BREAK_GLASS.labels(what)._value.get()

    names = ("BreakGlass", "LetIn", "Ratification", "Unratified")
    before = {name: counted(name) for name in names}
    world = let_in()
    world.pass_time(301)
    world.settle()
    for step in world.log:
        metrics.moved(step)
    grown = {name: counted(name) - before[name] for name in names}
    assert grown == {"BreakGlass": 1, "LetIn": 1, "Ratification": 0, "Unratified": 1}


def test_an_agent_that_nobody_lets_in_is_unremarkable() -> None:
    assert view.debt(Observed(wanted=None)) is None
