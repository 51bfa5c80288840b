"""A replica that takes over: its Lease lives while it fills its caches, and people come first."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from interlock.cluster.cache import Key
from interlock.cluster.client import Client
from interlock.cluster.lease import LeaseTimes
from interlock.handlers.controller import Controller, Options
from support.controller import configuration

Object = dict[str, Any]
AGENTS = [Key("line-4", f"press-{number}") for number in range(3)]
RENEWED_OFTEN = LeaseTimes(duration=60.0, renew=0.001, deadline=60.0)


class Cluster:
    """Lists agents until it is told to hang, and has a Lease."""

    settings = SimpleNamespace(host="https://127.0.0.1:6443")

    def __init__(self) -> None:
        self.lease: Object | None = None
        self.renewed = 0
        self.hangs = False

    def taking(self, turn: object) -> "Cluster":
        """Nobody waits for a turn here."""
        return self

    async def list(self, kind: str, namespace: str | None = None, labels: str = "") -> list[Object]:
        """All agents, or no answer."""
        if self.hangs:
            await asyncio.Event().wait()
        return [agent(key) for key in AGENTS] if kind == "AgentDeployment" else []

    async def get(self, kind: str, namespace: str | None, name: str) -> Object | None:
        """The Lease, and nothing else."""
        return self.lease if kind == "Lease" else None

    async def create(self, obj: Object) -> Object:
        """Make the Lease; from now on nothing is listed."""
        self.hangs = True
        return await self.replace(obj)

    async def replace(self, obj: Object) -> Object:
        """Renew the Lease."""
        self.renewed += 1
        self.lease = obj | {"metadata": {"resourceVersion": str(self.renewed)}}
        return self.lease


def agent(key: Key) -> Object:
    """An AgentDeployment."""
    meta = {"namespace": key.namespace, "name": key.name, "uid": key.name, "resourceVersion": "1"}
    return {"kind": "AgentDeployment", "metadata": meta, "spec": {}}


def rollback(key: Key, phase: str) -> Object:
    """What a person asked of an agent, and how it was answered."""
    meta = {"namespace": key.namespace, "name": f"back-{key.name}", "uid": f"back-{key.name}"}
    return {
        "kind": "AgentRollback",
        "metadata": meta | {"resourceVersion": "1"},
        "spec": {"agent": key.name},
        "status": {"phase": phase},
    }


@pytest.fixture
def cluster() -> Cluster:
    """A cluster without a Lease."""
    return Cluster()


@pytest.fixture
async def controller(cluster: Cluster, tmp_path: Path) -> Controller:
    """A replica that does not run yet."""
    options = Options(configuration(tmp_path), None, ("127.0.0.1", 0), RENEWED_OFTEN)
    return Controller(options, cast(Client, cluster))


async def leading(controller: Controller, until: Callable[[], object]) -> None:
    """Let it lead until something is so."""
    task = asyncio.create_task(controller._lead())
    try:
        async with asyncio.timeout(5):
            while not until():
                assert not task.done()
                await asyncio.sleep(0.001)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_the_lease_is_renewed_while_the_caches_are_filled(
    cluster: Cluster, controller: Controller
) -> None:
    await leading(controller, lambda: cluster.renewed > 3)
    assert cluster.hangs
    assert not controller.acting


async def test_a_standby_checks_what_there_is_while_it_waits(
    cluster: Cluster, controller: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Key] = []
    monkeypatch.setattr(controller._observer, "read", read.append)
    spec = {"holderIdentity": "another"}
    cluster.lease = {"spec": spec, "metadata": {"resourceVersion": "1"}}
    await leading(controller, lambda: len(read) == len(AGENTS))
    assert read == AGENTS
    assert cluster.renewed == 0


async def test_who_waits_for_an_answer_comes_first_and_who_has_one_not_at_all(
    controller: Controller,
) -> None:
    answered, pending = AGENTS[1:]
    for obj in (*map(agent, AGENTS), rollback(answered, "Committed"), rollback(pending, "Pending")):
        controller.cache.merge(obj)
    lane = controller.engine.traffic
    controller._enqueue_everything(spread=30.0)
    assert (lane.depth, lane._take()) == (1, pending)

    controller._enqueue_everything()
    assert [lane._take() for _ in range(lane.depth)] == [pending, *AGENTS[:2]]


async def test_a_request_is_looked_at_before_what_waits_already(controller: Controller) -> None:
    controller.acting = True
    for key in AGENTS:
        controller._changed(key, "Pod")
    controller._changed(AGENTS[-1], "AgentRollback")
    assert controller.engine.traffic._take() == AGENTS[-1]


async def test_what_was_asked_for_comes_first_until_nothing_is_left_to_do(
    controller: Controller,
) -> None:
    engine, (other, asked, _) = controller.engine, AGENTS
    engine.work.add(other)
    engine.enqueue(asked, asked=True)
    assert engine.traffic._take() == asked
    await engine._move(asked)
    assert engine.work._take() == asked

    await engine._work(asked)
    await engine._move(asked)
    assert engine.work._take() == other
