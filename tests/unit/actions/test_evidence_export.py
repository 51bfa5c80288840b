"""What is kept of pods before they are deleted: within bounds, and never in the way of a cut."""

import asyncio
import base64
import json
from collections.abc import Mapping
from typing import Any, cast

import pytest

from interlock.actions import evidence_export as evidence
from interlock.actions.ports import TrafficPorts
from interlock.api import names
from interlock.cluster.cache import Cache, Key
from interlock.cluster.client import Client, ClusterError, Conflict

Object = dict[str, Any]
KEY = Key("line-4", "press")
ESCAPE = b"\x1b[2J\x00\xff bad bytes\n"


class FakeClient:
    """An API server that keeps ConfigMaps, and gives the same log for every container."""

    def __init__(self, log: bytes = ESCAPE) -> None:
        self.log = log
        self.created: dict[str, Object] = {}
        self.asked: list[Mapping[str, str]] = []
        self.hang: set[str] = set()

    async def get(self, kind: str, namespace: str, name: str) -> Object | None:
        await self._wait("get")
        return self.created.get(name)

    async def page(self, kind: str, namespace: str, *, most: int, fields: str) -> list[Object]:
        return [{"reason": "BackOff", "message": "back-off", "involvedObject": {"name": "p"}}]

    async def tail(self, namespace: str, pod: str, query: Mapping[str, str], most: int) -> bytes:
        self.asked.append(query)
        await self._wait(pod)
        if "previous" in query:
            raise ClusterError(400, "previous terminated container not found")
        return self.log[-most:]

    async def create(self, obj: Object) -> Object:
        await self._wait("create")
        if obj["metadata"]["name"] in self.created:
            raise Conflict(409, "exists")
        self.created[obj["metadata"]["name"]] = obj
        return obj

    async def _wait(self, what: str) -> None:
        if what in self.hang:
            await asyncio.Event().wait()


def ports(client: FakeClient, *pods: Object) -> TrafficPorts:
    cache = Cache()
    for pod in pods:
        cache.merge(pod)
    return TrafficPorts(cast(Client, client), cache, *cast(Any, (None, None, None)))


def pod(number: int = 1, restarts: int = 0, **spec: Any) -> Object:
    meta = {
        "name": f"press-{number:02}",
        "namespace": KEY.home,
        "uid": f"u-{number}",
        "resourceVersion": str(number),
        "labels": {names.LABEL_REVISION: "press-a"},
    }
    body: Object = {"containers": [{"name": "agent"}]} | spec
    status = {"containerStatuses": [{"restartCount": restarts}]}
    return {"kind": "Pod", "metadata": meta, "spec": body, "status": status}


def parts(client: FakeClient) -> dict[str, bytes]:
    maps = client.created.values()
    return {k: base64.b64decode(v) for one in maps for k, v in one["binaryData"].items()}


async def export(client: FakeClient, *pods: Object, revision: str = "press-a") -> int:
    return await evidence.export(KEY, ports(client, *pods), [revision], "press-17")


async def test_description_log_and_events_are_kept_byte_for_byte() -> None:
    client = FakeClient()
    assert await export(client, pod()) == 1
    (kept,) = client.created.values()
    assert kept["metadata"]["name"] == "evidence-press-17-1"
    assert kept["immutable"] is True
    assert kept["metadata"]["labels"][names.LABEL_MANAGED] == "true"
    found = parts(client)
    assert found["press-01.agent.log"] == ESCAPE
    assert json.loads(found["press-01.pod.json"])["metadata"]["name"] == "press-01"
    assert json.loads(found["events.jsonl"])["reason"] == "BackOff"
    assert "press-01.agent.previous.log" not in found


async def test_other_revisions_are_left_out() -> None:
    client = FakeClient()
    assert await export(client, pod(), revision="press-b") == 0
    assert not client.created


async def test_a_repetition_keeps_what_is_there() -> None:
    client = FakeClient()
    assert await export(client, pod()) == 1
    client.asked.clear()
    assert await export(client, pod()) == 0
    assert not client.asked


async def test_pods_containers_and_bytes_are_capped() -> None:
    client = FakeClient(b"x" * 200_000)
    many = {"containers": [{"name": f"c{n}"} for n in range(9)]}
    pods = [pod(number, restarts=number, **many) for number in range(1, 21)]
    made = await export(client, *pods)
    logs = {name: data for name, data in parts(client).items() if name.endswith(".log")}
    assert {name.split(".")[0] for name in logs} == {f"press-{n:02}" for n in range(13, 21)}
    assert len(logs) == evidence.MOST_PODS * evidence.MOST_CONTAINERS
    assert {len(data) for data in logs.values()} == {evidence.LOG_BYTES}
    assert made == len(client.created) == 3
    for one in client.created.values():
        size = sum(len(base64.b64decode(data)) for data in one["binaryData"].values())
        assert size <= evidence.MAP_BYTES


async def test_a_log_that_does_not_come_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence, "READ_WITHIN", 0.005)
    client = FakeClient()
    client.hang = {"press-01"}
    assert await export(client, pod(1), pod(2)) == 1
    found = parts(client)
    assert {"press-01.pod.json", "press-02.pod.json", "press-02.agent.log"} <= found.keys()
    assert "press-01.agent.log" not in found


@pytest.mark.parametrize("what", ["get", "create"])
async def test_an_api_server_that_hangs_costs_the_bound(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, what: str
) -> None:
    monkeypatch.setattr(evidence, "WITHIN", 0.005)
    client = FakeClient()
    client.hang = {what}
    assert await export(client, pod()) == 0
    assert "no evidence was kept of press-17: it took more than" in caplog.text


async def test_errors_are_logged_and_never_raised(caplog: pytest.LogCaptureFixture) -> None:
    client = FakeClient()
    broken = pod()
    broken["spec"]["containers"] = 7
    assert await export(client, broken) == 0
    assert "no evidence was kept of press-17: TypeError" in caplog.text


async def test_without_a_free_place_nothing_waits(caplog: pytest.LogCaptureFixture) -> None:
    hanging, late = FakeClient(), FakeClient()
    hanging.hang = {"get"}
    busy = [asyncio.create_task(export(hanging, pod())) for _ in range(evidence.PLACES)]
    await asyncio.sleep(0)
    assert await export(late, pod()) == 0
    assert not late.created
    assert "this one is left out" in caplog.text
    for task in busy:
        task.cancel()
    await asyncio.gather(*busy, return_exceptions=True)
    assert await export(late, pod()) == 1
