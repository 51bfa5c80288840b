"""An agent that answers its health check slowly, without end, or with rubbish."""

import asyncio
import resource
from collections.abc import Callable

import pytest

from interlock.signals.contract import SampledSignal
from interlock.signals.probe_grpc import GrpcProbe
from interlock.signals.probe_http import HttpProbe
from support.targets import NOW, POLICY, Talk, answering, anywhere, talking, target

SLOW = POLICY.model_copy(update={"timeout": "1s"})
MEGABYTE = 1 << 20
PROBES = (HttpProbe, GrpcProbe)


async def asked(make: Callable[..., SampledSignal], talk: Talk) -> tuple[str, str]:
    async with talking(talk) as port:
        agent = target(address="127.0.0.1", port=port, health={"http": "/healthz", "grpc": ""})
        sample = await make(anywhere).sample(agent, SLOW, NOW)
    return sample.verdict, sample.message


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(3600)


async def drips(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nX-A: ")
    while True:
        writer.write(b"a")
        await writer.drain()
        await asyncio.sleep(0.01)


def endless(start: bytes, chunk: bytes) -> Talk:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(start)
        while True:
            writer.write(chunk)
            await writer.drain()

    return talk


@pytest.mark.parametrize("make", PROBES)
@pytest.mark.parametrize("talk", [silent, drips])
async def test_a_slow_answer_is_a_bad_one(make: type[SampledSignal], talk: Talk) -> None:
    assert (await asked(make, talk))[0] == "bad"


@pytest.mark.parametrize(
    ("start", "chunk", "verdict"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 65536, "good"),  # the status is all that is read
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n", b"\x1f\x8b" * 9999, "good"),
        (b"HTTP/1.1 200 OK\r\n", b"X-A: " + b"a" * 4000 + b"\r\n", "bad"),
        (b"HTTP/1.1 200 OK\r\nX-A: ", b"a" * 65536, "bad"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 99, "bad"),
        (b"", b"a" * 65536, "bad"),
    ],
    ids=["body", "packed body", "headers", "one header", "continue", "no line"],
)
async def test_an_answer_without_end_costs_nothing(
    start: bytes, chunk: bytes, verdict: str
) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert (await asked(HttpProbe, endless(start, chunk)))[0] == verdict
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown * 1024 < 32 * MEGABYTE


SETTINGS = b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"
HEADERS = b"\x00\x00\x01\x01\x04\x00\x00\x00\x01\x88"  # :status 200
DATA = b"\x00\x40\x00\x00\x00\x00\x00\x00\x01" + b"\xff" * 16384
PING = b"\x00\x00\x08\x06\x00\x00\x00\x00\x00" + b"a" * 8
PUSH = b"\x00\x00\x05\x05\x04\x00\x00\x00\x01\x00\x00\x00\x02\x88"


@pytest.mark.parametrize(
    ("start", "chunk", "cut"),
    [
        (SETTINGS + HEADERS, DATA, True),
        (SETTINGS, SETTINGS * 999, True),
        (SETTINGS, PING * 999, True),
        (SETTINGS, PUSH * 99, True),
        (b"", b"HTTP/1.1 200 OK\r\n", False),
        (SETTINGS, b"\xff" * 9999, False),
    ],
    ids=["data", "settings", "pings", "pushes", "no HTTP/2", "rubbish"],
)
async def test_a_grpc_answer_without_end_costs_nothing(
    start: bytes, chunk: bytes, cut: bool
) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    verdict, message = await asked(GrpcProbe, endless(start, chunk))
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert (verdict, message.isprintable()) == ("bad", True)
    assert not cut or "did not answer within" not in message  # it was not read to the end
    assert grown * 1024 < 32 * MEGABYTE


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x00",
        b"HTTP/1.1 999999 Huge\r\n\r\n",
        b"HTTP/1.1 -200 OK\r\n\r\n",
        b"HTTP/1.1 200\x1b[2J OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\n\r\n",
        b"HTTP/1.1 199 No\r\n\r\n",
        b"HTTP/1.1 400 No\r\n\r\n",
        b"HTTP/1.1 503 No\r\n\r\n",
    ],
)
async def test_rubbish_is_a_bad_answer(raw: bytes) -> None:
    verdict, message = await asked(HttpProbe, answering(raw))
    assert (verdict, message.isprintable()) == ("bad", True)
