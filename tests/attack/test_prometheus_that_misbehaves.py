"""Whatever stands where Prometheus should: no answer of it is taken for a good one (I5)."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from interlock.api.config import Prometheus as Settings
from interlock.signals.prometheus import MAX_BYTES, Prometheus, Unmeasured
from support.targets import Talk, talking


def vector(*values: str, **more: object) -> bytes:
    series = [
        {"metric": {"question": f"q{index}"}, "value": [1772366400.123, value]}
        for index, value in enumerate(values)
    ]
    data = {"resultType": "vector", "result": series}
    return json.dumps({"status": "success", "data": data} | more).encode()


def answered(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*head, "", ""]).encode() + body


def saying(raw: bytes) -> Talk:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(raw)
        await writer.drain()
        await asyncio.sleep(3600)

    return talk


async def hangs(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(3600)


async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        writer.write(b" " * 65536)
        await writer.drain()


@asynccontextmanager
async def client(talk: Talk) -> AsyncIterator[Prometheus]:
    async with talking(talk) as port:
        prometheus = Prometheus(Settings(url=f"http://127.0.0.1:{port}/"))
        try:
            yield prometheus
        finally:
            await prometheus.close()


async def test_an_honest_answer_is_taken() -> None:
    async with client(saying(answered(vector("1.5")))) as prometheus:
        assert await prometheus.value("up", "1s") == 1.5
    async with client(saying(answered(vector("1.5", "NaN")))) as prometheus:
        assert await prometheus.values({"q0": "a", "q1": "b", "q2": "c"}, "1s") == {"q0": 1.5}


BODIES = {
    "empty": vector(),
    "NaN": vector("NaN"),
    "minus infinity": vector("-Inf"),
    "two series": vector("1", "2"),
    "no number": vector("one"),
    "a matrix": json.dumps(
        {"status": "success", "data": {"resultType": "matrix", "result": []}}
    ).encode(),
    "a string": json.dumps(
        {"status": "success", "data": {"resultType": "string", "result": [1, "0"]}}
    ).encode(),
    "no value": json.dumps(
        {"status": "success", "data": {"resultType": "vector", "result": [{}]}}
    ).encode(),
    "a value of another shape": json.dumps(
        {"status": "success", "data": {"resultType": "scalar", "result": {"0": 0}}}
    ).encode(),
    "no data": b'{"status": "success"}',
    "an error": b'{"status": "error", "error": "no"}',
    "a warning": vector("0", warnings=["a store did not answer"]),
    "a list": b"[]",
    "a login page": b"<html>please log in</html>",
    "half of it": vector("0")[:-5],
    "twice a key": b'{"status": "error", "status": "success", "data": {}}',
    "depth": b"[" * 60_000,
    "nothing": b"",
    "too much": vector("0") + b" " * MAX_BYTES,
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
async def test_no_such_body_is_a_number(body: bytes) -> None:
    async with client(saying(answered(body))) as prometheus:
        with pytest.raises(Unmeasured) as refused:
            await prometheus.value("up", "1s")
    assert str(refused.value).isprintable()


@pytest.mark.parametrize(
    "status",
    ["206 Partial Content", "302 Found", "400 Bad", "401 No", "422 Bad", "500 No", "503 No"],
)
async def test_no_other_status_is_an_answer(status: str) -> None:
    raw = answered(vector("0"), status, "Location: /good")
    async with client(saying(raw)) as prometheus:
        with pytest.raises(Unmeasured, match=status[:3]):
            await prometheus.value("up", "1s")


async def test_a_redirect_is_not_followed_with_the_token(tmp_path: object) -> None:
    heads: list[bytes] = []

    async def other(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answered(vector("0")))

    async with talking(other) as port:
        raw = answered(b"", "307 Temporary", f"Location: http://127.0.0.1:{port}/api/v1/query")
        async with client(saying(raw)) as prometheus:
            with pytest.raises(Unmeasured, match="307"):
                await prometheus.value("up", "1s")
    assert heads == []


@pytest.mark.parametrize(
    ("talk", "why"),
    [
        (hangs, "did not answer within 1s"),
        (saying(b"HTTP/1.1 200 OK\r\nX: "), "did not answer within 1s"),
        (endless, "longer than"),
    ],
)
async def test_it_ends_whatever_prometheus_does(talk: Talk, why: str) -> None:
    async with client(talk) as prometheus:
        with pytest.raises(Unmeasured, match=why):
            await prometheus.value("up", "1s")


async def test_nobody_listens() -> None:
    prometheus = Prometheus(Settings(url="http://127.0.0.1:1"))
    with pytest.raises(Unmeasured, match="cannot be asked"):
        await prometheus.value("up", "1s")
    await prometheus.close()


@pytest.mark.parametrize("names", [{"q1": "a"}, {"other": "a"}])
async def test_an_answer_to_another_question_is_none(names: dict[str, str]) -> None:
    async with client(saying(answered(vector("0")))) as prometheus:
        with pytest.raises(Unmeasured, match="not asked"):
            await prometheus.values(names, "1s")
