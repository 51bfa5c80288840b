"""Somebody else moved first: 409 and 422 are answered by looking again, never by overwriting.

Races are not waited for: the controller is stopped, and one action runs here with the
controller's rights and a cache that is older than the cluster.
"""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from interlock.actions.commit import commit
from interlock.actions.finish import finish
from interlock.actions.parse import Parser
from interlock.actions.ports import TrafficPorts
from interlock.api import names
from interlock.api.steps import Commit, FinishTransition
from interlock.audit.records import load_keys
from interlock.cluster.cache import Cache, Key
from interlock.cluster.client import Client, Conflict
from support.controller import configuration
from support.engine import Engine, Pair, until
from support.kube import JSON_PATCH, Api


def test_a_selector_that_no_record_explains_is_left_alone_and_shown(
    pair: Pair, controller: Api
) -> None:
    agent = pair.agent
    place = agent.place("Service", names.POINTER_SERVICE)
    selector = {names.LABEL_REVISION: agent.revision(pair.old)}
    assert controller.patch(place, {"spec": {"selector": selector}}).ok

    until(agent.reason, lambda reason: reason == "UnknownPointer", "UnknownPointer is shown")
    agent.want("c")
    agent.until("has seen the wish", lambda s: s["observedGeneration"] > 2)
    assert agent.pointer() == agent.revision(pair.old)
    assert agent.types() == ["Promotion Committed"] * 2


@pytest.fixture
def alone(engine: Engine) -> Iterator[None]:
    """No controller acts meanwhile."""
    engine.stop()
    yield
    engine.start()


@pytest.fixture
async def ports(engine: Engine, pair: Pair, alone: None) -> AsyncIterator[TrafficPorts]:
    """What a traffic action gets, with a cache filled now."""
    client, records = await Client.connect(engine.kubeconfig), configuration(engine.home).records
    assert records
    cache = Cache()
    for kind in ("Service", "AgentTransition", "Deployment", "AgentDeployment", "AgentAdmission"):
        for obj in await client.list(kind):
            cache.merge(obj)
    yield TrafficPorts(client, cache, *load_keys(records), lambda: datetime.now(UTC))
    await client.close()


def _back_and_forth(pair: Pair) -> Commit:
    """A promotion from what serves to what is warm."""
    agent = pair.agent
    return Commit(
        origin=agent.revision(pair.new),
        to=agent.revision(pair.old),
        digest="",
        behaviour="",
        decision="",
        nonces=(),
    )


async def test_a_promotion_is_abandoned_when_the_service_changed_meanwhile(
    pair: Pair, controller: Api, ports: TrafficPorts
) -> None:
    agent = pair.agent
    touch = {"metadata": {"annotations": {"test.example/touch": "1"}}}
    assert controller.patch(agent.place("Service", names.POINTER_SERVICE), touch).ok

    applied = await commit(_back_and_forth(pair), Key(agent.team, agent.name), ports)
    assert "abandoned" in applied.message
    assert agent.types()[-1] == "Promotion Abandoned"
    assert agent.pointer() == agent.revision(pair.new)


async def test_a_promotion_to_what_is_not_admitted_is_refused_and_abandoned(
    pair: Pair, ports: TrafficPorts
) -> None:
    agent = pair.agent
    step = replace(_back_and_forth(pair), to=agent.revision("0" * 10))
    await commit(step, Key(agent.team, agent.name), ports)
    assert agent.types()[-1] == "Promotion Abandoned"
    assert agent.pointer() == agent.revision(pair.new)


async def test_a_promotion_to_what_is_being_retired_is_undone(
    pair: Pair, ports: TrafficPorts
) -> None:
    agent = pair.agent
    mark = {"metadata": {"annotations": {names.ANNOTATION_RETIRING: "true"}}}
    assert agent.api.patch(agent.place("Deployment", agent.revision(pair.old)), mark).ok

    applied = await commit(_back_and_forth(pair), Key(agent.team, agent.name), ports)
    assert "undone" in applied.message
    assert agent.types()[-1] == "Promotion Abandoned"
    assert agent.pointer() == agent.revision(pair.new)


async def test_a_promotion_whose_undoing_was_interrupted_is_undone_and_not_finished(
    pair: Pair, ports: TrafficPorts, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent, key = pair.agent, Key(pair.agent.team, pair.agent.name)
    mark = {"metadata": {"annotations": {names.ANNOTATION_RETIRING: "true"}}}
    assert agent.api.patch(agent.place("Deployment", agent.revision(pair.old)), mark).ok

    async def killed(*_: object) -> bool:
        raise RuntimeError("killed")

    with monkeypatch.context() as patched:
        patched.setattr("interlock.actions.commit._still_there", killed)
        with pytest.raises(RuntimeError):
            await commit(_back_and_forth(pair), key, ports)
    assert agent.pointer() == agent.revision(pair.old)
    assert agent.types()[-1] == "Promotion open"

    record = agent.transitions()[-1]
    opened = Parser(ports.keyring).transition(record | {"kind": "AgentTransition"})
    assert opened is not None
    await finish(FinishTransition(opened, abandon=False), key, ports)
    assert agent.types()[-1] == "Promotion Abandoned"
    assert agent.pointer() == agent.revision(pair.new)


async def test_a_record_name_that_is_taken_stops_before_anything_moves(
    pair: Pair, ports: TrafficPorts
) -> None:
    agent = pair.agent
    ports.cache.remove(agent.transitions()[-1] | {"kind": "AgentTransition"})
    with pytest.raises(Conflict):
        await commit(_back_and_forth(pair), Key(agent.team, agent.name), ports)
    assert agent.types() == ["Promotion Committed"] * 2
    assert agent.pointer() == agent.revision(pair.new)


def test_two_requests_at_once_are_one_rollback(pair: Pair, controller: Api) -> None:
    agent = pair.agent
    request = agent.ask("AgentRollback", "back", expect=pair.new)
    again = agent.ask("AgentRollback", "second", expect=pair.new)
    phases = sorted(agent.answer(one)["phase"] for one in (request, again))
    assert phases == ["Committed", "Refused"]
    assert agent.types() == [*["Promotion Committed"] * 2, "Rollback Committed"]
    assert agent.pointer() == agent.revision(pair.old)


def test_a_rollback_is_not_starved_by_somebody_who_keeps_touching_the_service(
    pair: Pair, controller: Api
) -> None:
    agent = pair.agent
    place = agent.place("Service", names.POINTER_SERVICE)
    request = agent.ask("AgentRollback", "back", expect=pair.new)
    version = 0
    while agent.pointer() != agent.revision(pair.old):
        version += 1
        assert version < 500
        path = "/metadata/annotations"
        touch = [{"op": "add", "path": path, "value": {"test.example/touch": str(version)}}]
        assert controller.patch(place, touch, JSON_PATCH).ok
    assert agent.answer(request)["phase"] == "Committed"
    assert agent.types() == [*["Promotion Committed"] * 2, "Rollback Committed"]
