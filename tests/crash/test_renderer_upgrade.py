"""An upgrade of Interlock restarts nothing: what was rendered is kept and never rendered again."""

from typing import Any

import pytest

from interlock.api import names
from interlock.render import RENDERER
from support.controller import CASES
from support.engine import Agent, Engine, Pair, pairs, until

Object = dict[str, Any]
BEFORE = "v0"


@pytest.fixture(scope="module")
def pair(engine: Engine) -> Pair:
    """An agent that a controller with another renderer rolled out twice, and left alone."""
    engine.start("before", "--renderer", BEFORE)
    found = pairs(engine, CASES[-9:-8])[0]
    until(lambda: _settled(found.agent), bool, "the drain is over")
    engine.kill("before")
    return found


def test_an_upgrade_of_the_renderer_restarts_nothing_and_can_go_back(
    pair: Pair, engine: Engine
) -> None:
    agent = pair.agent
    pods, revisions, deployments = _pods(agent), _revisions(agent), _templates(agent)
    assert {one["renderer"] for one in revisions.values()} == {BEFORE}

    engine.start("after")
    until(engine.holder, "after".__eq__, "today's controller leads")
    refused = agent.answer(agent.ask("AgentRollback", "no", expect="0123456789"))
    assert refused["phase"] == "Refused"  # so it has looked at this very agent
    agent.until("rests", lambda s: s["candidate"] == "-" == s["reason"] and s["rollback"] == "warm")
    assert (_pods(agent), _revisions(agent)) == (pods, revisions)
    assert _templates(agent) == deployments
    assert agent.status()["serving"] == pair.new

    answer = agent.answer(agent.ask("AgentRollback", "back", expect=pair.new))
    assert answer["phase"] == "Committed"
    assert agent.pointer() == agent.revision(pair.old)
    assert _revisions(agent) == revisions
    old = {name: uid for name, uid in pods.items() if name.startswith(agent.revision(pair.old))}
    assert old
    assert old.items() <= _pods(agent).items()

    newest = agent.serves("next")
    rendered = _revisions(agent)
    assert rendered.pop(agent.revision(newest))["renderer"] == RENDERER
    assert rendered.items() <= revisions.items()
    engine.kill("after")


def _settled(agent: Agent) -> bool:
    """Whether the rolling restart of what was left is over."""
    found = agent.objects("Deployment")
    counts = [(one.get("status") or {}).get("replicas", 0) for one in found]
    marks = [one["spec"]["template"]["metadata"].get("annotations") or {} for one in found]
    drained = [one for one in marks if names.ANNOTATION_DRAINED in one]
    return len(drained) == 1 and counts == [1, 1] and len(agent.objects("Pod")) == len(counts)


def _pods(agent: Agent) -> dict[str, str]:
    return {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in agent.objects("Pod")}


def _revisions(agent: Agent) -> dict[str, Object]:
    return {one["metadata"]["name"]: one["spec"] for one in agent.objects("AgentRevision")}


def _templates(agent: Agent) -> dict[str, Object]:
    """What decides whether pods are restarted."""
    found = agent.objects("Deployment")
    return {one["metadata"]["name"]: one["spec"]["template"] for one in found}
