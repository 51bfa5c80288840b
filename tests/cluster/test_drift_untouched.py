"""An agent that nobody touched has no drift, wherever it is on its way."""

from collections.abc import AsyncIterator

import pytest

from interlock.api import names
from support.engine import Agent, Engine, Pair, until
from support.patrol import Patrol, patrolling


@pytest.fixture
async def patrol(engine: Engine) -> AsyncIterator[Patrol]:
    async with patrolling(engine.kubeconfig) as found:
        yield found


async def test_an_untouched_agent_has_no_drift_wherever_it_is(
    engine: Engine, patrol: Patrol, pair: Pair
) -> None:
    """After a promotion, a drain, a rollback, a release, a restart and a quarantine."""
    agent, both = pair.agent, (pair.new, pair.old)
    assert await patrol.look(agent, *both) == ()
    until(lambda: drained(agent, pair.old), bool, "the left revision drained")
    assert await patrol.look(agent, *both) == ()

    assert agent.answer(agent.ask("AgentRollback", "b", expect=pair.new))["phase"] == "Committed"
    assert await patrol.look(agent, *both) == ()
    until(lambda: agent.replicas(pair.new), lambda count: count == 0, "the left one rests")
    assert await patrol.look(agent, *both) == ()

    agent.want("third", replicas=3)
    third = agent.healthy(pair.old)
    until(lambda: len(agent.pods(third)), lambda count: count == 3, "three pods")
    assert await patrol.look(agent, third, *both) == ()
    engine.kill()
    engine.start()
    assert agent.answer(agent.ask("AgentQuarantine", "q"))["phase"] == "Committed"
    assert await patrol.look(agent, third, *both) == ()
    assert not patrol.memory(agent).repairs


def drained(agent: Agent, digest: str) -> bool:
    found = agent.api.get(agent.place("Deployment", agent.revision(digest))).body
    template = found["spec"]["template"]["metadata"]
    return names.ANNOTATION_DRAINED in (template.get("annotations") or {})
