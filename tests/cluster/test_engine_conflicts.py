"""Somebody else moved first: 409 and 422 are answered by looking again, never by overwriting."""

from interlock.api import names
from support.engine import Pair, until
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


def test_a_promotion_is_abandoned_when_the_service_changed_meanwhile(
    pair: Pair, controller: Api
) -> None:
    agent = pair.agent
    place = agent.place("Service", names.POINTER_SERVICE)
    agent.want("c")
    version = 0
    # Touch the Service without moving it until one touch falls between look and patch.
    while len(agent.transitions()) < 3:
        version += 1
        note = {"metadata": {"annotations": {"test.example/touch": str(version)}}}
        assert controller.patch(place, note).ok
    agent.healthy(pair.new)
    kinds = agent.types()
    assert kinds[-1] == "Promotion Committed"
    assert set(kinds[2:-1]) <= {"Promotion Abandoned"}


def test_a_taken_record_name_is_looked_at_again(pair: Pair, controller: Api) -> None:
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
