"""The webhook of runtime alerts: who may speak, what is believed, and what a flood can do."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from interlock.api.config import Alerts
from interlock.cluster.cache import Key
from interlock.handlers import alerts
from interlock.handlers.alerts import AGENT_BURST, ALL_BURST, PATH, Receiver, listening
from interlock.signals.contract import Sample
from interlock_sandbox.pki import Authority, Pair
from support.targets import HOME, MINE, NOW

PRESS = Key("line-4", "press")


def falco(priority: str = "Critical", namespace: str = HOME) -> dict[str, Any]:
    fields = {"k8s.ns.name": namespace, "k8s.pod.name": f"{MINE}-x"}
    return {"priority": priority, "rule": "shell", "output_fields": fields}


@dataclass
class World:
    """What alerts lead to."""

    port: int = 0
    takes: bool = True
    error: Exception | None = None
    hangs: bool = False
    delivered: list[tuple[Key, str, Sample]] = field(default_factory=list)

    def find(self, namespace: str, pod: str) -> tuple[Key, str] | None:
        return (PRESS, MINE) if namespace == HOME else None

    async def deliver(self, key: Key, revision: str, sample: Sample) -> bool:
        if self.hangs:
            await asyncio.sleep(3600)
        if self.error:
            raise self.error
        self.delivered.append((key, revision, sample))
        return self.takes


@dataclass(frozen=True)
class Hands:
    """Certificates: of the receiver, of a sensor, and of somebody else."""

    ours: Authority
    folder: Path
    server: Pair
    sensor: Pair
    stranger: Pair
    other: Authority


@pytest.fixture(scope="module")
def hands(tmp_path_factory: pytest.TempPathFactory) -> Hands:
    ours, theirs = (tmp_path_factory.mktemp(name) for name in ("ours", "theirs"))
    authority, other = Authority(ours), Authority(theirs)
    server = authority.server("server", ["127.0.0.1"])
    sensor = authority.client("sensor", "falco")
    return Hands(authority, ours, server, sensor, other.client("sensor", "falco"), other)


@asynccontextmanager
async def receiving(hands: Hands) -> AsyncIterator[World]:
    world = World()
    receiver = Receiver(world.find, world.deliver, lambda: NOW, lambda: 0.0)
    settings = Alerts(
        listen="127.0.0.1:0",
        cert_file=hands.server.cert,
        key_file=hands.server.key,
        client_ca_file=hands.ours.pair.cert,
    )
    async with listening(settings, receiver) as world.port:
        yield world


@asynccontextmanager
async def speaking(hands: Hands, world: World, who: Pair | None) -> AsyncIterator["Speaker"]:
    tls = ssl.create_default_context(cafile=hands.ours.pair.cert)
    if who:
        tls.load_cert_chain(who.cert, who.key)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=tls)) as session:
        yield Speaker(session, f"https://127.0.0.1:{world.port}{PATH}")


@dataclass
class Speaker:
    """A sender."""

    session: aiohttp.ClientSession
    url: str

    async def post(
        self, said: object, method: str = "POST", headers: Mapping[str, str] | None = None
    ) -> int:
        data = said if isinstance(said, bytes) else json.dumps(said).encode()
        async with self.session.request(method, self.url, data=data, headers=headers) as answer:
            return answer.status


async def test_a_critical_alert_of_a_sensor_arrives(hands: Hands) -> None:
    async with receiving(hands) as world, speaking(hands, world, hands.sensor) as sensor:
        assert await sensor.post(falco()) == 202
    ((key, revision, sample),) = world.delivered
    assert (key, revision) == (PRESS, MINE)
    assert (sample.verdict, sample.urgent, sample.at) == ("bad", True, NOW)


async def test_a_lesser_one_says_nothing(hands: Hands) -> None:
    async with receiving(hands) as world, speaking(hands, world, hands.sensor) as sensor:
        assert await sensor.post(falco("Warning")) == 202
    assert [(one.verdict, one.urgent) for _, _, one in world.delivered] == [("none", False)]


@pytest.mark.parametrize("who", ["nobody", "stranger", "server"])
async def test_without_a_sensors_certificate_nobody_is_heard(hands: Hands, who: str) -> None:
    """A server's certificate of the same authority is none of a client's."""
    pair = None if who == "nobody" else getattr(hands, who)
    async with receiving(hands) as world, speaking(hands, world, pair) as sender:
        with pytest.raises((aiohttp.ClientError, OSError)):
            await sender.post(falco())
    assert world.delivered == []


async def test_plain_text_is_not_heard(hands: Hands) -> None:
    async with receiving(hands) as world, aiohttp.ClientSession() as session:
        with pytest.raises((aiohttp.ClientError, OSError)):
            await session.post(f"http://127.0.0.1:{world.port}{PATH}", json=falco())
    assert world.delivered == []


@pytest.mark.parametrize(
    "namespace", ["kube-system", "line-4", "", "<NA>", f"{HOME}/", f"{HOME} ", HOME.upper(), "../a"]
)
async def test_a_namespace_that_is_no_agents_is_unknown(hands: Hands, namespace: str) -> None:
    async with receiving(hands) as world, speaking(hands, world, hands.sensor) as sensor:
        assert await sensor.post(falco(namespace=namespace)) in {400, 404}
    assert world.delivered == []


async def test_no_other_field_is_believed(hands: Hands) -> None:
    lies = falco() | {
        "revision": "other-0000000000",
        "agent": "other",
        "namespace": "agent-other",
        "time": "1970-01-01T00:00:00Z",
        "action": "freeze",
        "output": f"k8s.ns.name=agent-other pod={'x' * 999}",
        "hostname": "169.254.169.254",
    }
    async with receiving(hands) as world, speaking(hands, world, hands.sensor) as sensor:
        assert await sensor.post(lies) == 202
    ((key, revision, sample),) = world.delivered
    assert (key, revision, sample.at) == (PRESS, MINE, NOW)
    assert sample.message == "Falco Critical: shell"


async def test_a_list_delivers_what_is_ours(hands: Hands) -> None:
    async with receiving(hands) as world, speaking(hands, world, hands.sensor) as sensor:
        assert await sensor.post([falco(namespace="kube-system"), falco(), falco()]) == 202
    assert len(world.delivered) == 2


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{}", 400),
        (b"[]", 400),
        (b"\x1f\x8b\x08", 400),
        (b"[" * 60_000, 400),
        (b"x" * 65_537, 413),
        (b"x" * 900_000, 413),
    ],
)
async def test_rubbish_is_refused(hands: Hands, body: bytes, status: int) -> None:
    async with receiving(hands) as world, speaking(hands, world, hands.sensor) as sensor:
        assert await sensor.post(body) == status
        packed = {"Content-Encoding": "gzip"}
        assert await sensor.post(body, headers=packed) == status  # nothing is unpacked
        assert await sensor.post(falco(), "GET") == 405
        assert await sensor.post(falco()) == 202
    assert len(world.delivered) == 1


@pytest.mark.parametrize("how", ["refuses", "fails", "hangs"])
async def test_what_did_not_arrive_is_to_be_sent_again(
    hands: Hands, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alerts, "PATIENCE", 0.2)
    async with receiving(hands) as world, speaking(hands, world, hands.sensor) as sensor:
        world.takes, world.hangs = how != "refuses", how == "hangs"
        world.error = RuntimeError("no") if how == "fails" else None
        assert await sensor.post(falco()) == 503
        world.takes, world.hangs, world.error = True, False, None
        assert await sensor.post(falco()) == 202


async def test_a_body_that_drips_is_not_waited_for(
    hands: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def drip() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.sleep(3600)

    monkeypatch.setattr(alerts, "PATIENCE", 0.2)
    async with (
        receiving(hands) as world,
        speaking(hands, world, hands.sensor) as sensor,
        sensor.session.post(sensor.url, data=drip()) as answer,
    ):
        assert answer.status == 408


async def test_noise_of_an_agent_does_not_drown_a_critical_alert(hands: Hands) -> None:
    async with receiving(hands) as world, speaking(hands, world, hands.sensor) as sensor:
        statuses = [await sensor.post(falco("Notice")) for _ in range(int(AGENT_BURST) + 5)]
        assert statuses.count(202) == AGENT_BURST
        assert statuses[-1] == 429
        assert await sensor.post(falco()) == 202


async def test_a_flood_is_bounded(hands: Hands) -> None:
    async with receiving(hands) as world, speaking(hands, world, hands.sensor) as sensor:
        posts = [sensor.post(falco(namespace="nobody")) for _ in range(int(ALL_BURST) + 50)]
        statuses = await asyncio.gather(*posts)
    assert statuses.count(429) >= 50
    assert world.delivered == []
