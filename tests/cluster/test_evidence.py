"""Evidence on a real API server: descriptions are kept; a node without logs says so."""

import base64
import json
from collections.abc import AsyncIterator

import pytest

from interlock.actions.evidence_export import PREFIX, export
from interlock.api import names
from support.engine import Agent, Engine, Pair
from support.patrol import Patrol, key, patrolling


@pytest.fixture
async def patrol(engine: Engine) -> AsyncIterator[Patrol]:
    async with patrolling(engine.kubeconfig) as found:
        yield found


async def test_what_pods_were_is_kept_once_and_is_no_drift(pair: Pair, patrol: Patrol) -> None:
    agent, ports = pair.agent, await patrol.ports()
    revisions = [agent.revision(pair.new), agent.revision(pair.old)]
    pods = agent.pods(pair.new) + agent.pods(pair.old)
    assert await export(key(agent), ports.traffic, revisions, "one-9") == 1
    assert await export(key(agent), ports.traffic, revisions, "one-9") == 0

    kept = agent.api.get(agent.place("ConfigMap", f"{PREFIX}one-9-1")).body
    assert kept["immutable"] is True
    found = {name: base64.b64decode(data) for name, data in kept["binaryData"].items()}
    assert {name for name in found if name.endswith(".pod.json")} == {f"{p}.pod.json" for p in pods}
    described = json.loads(found[f"{pods[0]}.pod.json"])
    assert described["spec"]["containers"][0]["name"] == "agent"
    for pod in pods:
        assert found[f"{pod}.agent.log"].startswith(b"there is no log: ")

    assert await patrol.look(agent, pair.new, pair.old) == ()
    assert await patrol.look(agent, pair.new, pair.old) == ()


async def test_it_outlives_its_revisions(pair: Pair, patrol: Patrol) -> None:
    agent, ports = pair.agent, await patrol.ports()
    assert await export(key(agent), ports.traffic, [agent.revision(pair.old)], "one-1") == 1
    for mark in ("third", "fourth", "fifth", "sixth", "seventh", "eighth"):
        agent.serves(mark)
    agent.until("forgot the oldest", lambda _: not _revision(agent, pair.old))
    assert agent.api.get(agent.place("ConfigMap", f"{PREFIX}one-1-1")).ok


def _revision(agent: Agent, digest: str) -> bool:
    return agent.api.get(agent.place("AgentRevision", agent.revision(digest))).ok


async def test_nobody_else_rewrites_it(pair: Pair, patrol: Patrol) -> None:
    agent, ports = pair.agent, await patrol.ports()
    assert await export(key(agent), ports.traffic, [agent.revision(pair.new)], "one-2") == 1
    place = agent.place("ConfigMap", f"{PREFIX}one-2-1")
    assert agent.api.delete(place).code in (403, 422)
    assert agent.api.patch(place, {"metadata": {"labels": {names.LABEL_MANAGED: None}}}).code in (
        403,
        422,
    )
