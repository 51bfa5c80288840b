"""A registry that is down, slow, endless, or is not the registry: one sentence, nothing more.

A real server on loopback answers the real HTTP client.
"""

import asyncio
import gzip
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web

from interlock.api.config import Registry
from interlock.evidence import http, modeltree
from interlock.evidence.http import SourceError, SourceRefused, SourceUnavailable
from interlock.evidence.mlflow import Mlflow, ModelVersion

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def registry(handler: Handler) -> AsyncIterator[tuple[Mlflow, str]]:
    """A registry whose every answer is `handler`'s, and its address."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    url = f"http://{host}:{port}"
    client = Mlflow("default", Registry(mlflow=url))
    try:
        yield client, url
    finally:
        await client.close()
        await runner.cleanup()


async def error(handler: Handler) -> SourceError:
    async with registry(handler) as (client, url):
        with pytest.raises(SourceError) as caught:
            await client.version("press", "12", None)
        assert "MLflow registry 'default'" in str(caught.value)
        assert url in str(caught.value)
        assert "model-versions/get" in str(caught.value)
    return caught.value


async def test_html_is_not_mlflow() -> None:
    async def login_page(_: web.Request) -> web.Response:
        return web.Response(text="<html>Please log in</html>", content_type="text/html")

    said = await error(login_page)
    assert isinstance(said, SourceUnavailable)
    assert "answered text/html" in str(said)
    assert "where JSON was expected" in str(said)


@pytest.mark.parametrize("status", [301, 307, 500, 503])
async def test_anything_but_200_is_not_an_answer(status: int) -> None:
    async def refuses(request: web.Request) -> web.Response:
        elsewhere = {"Location": f"{request.scheme}://{request.host}/elsewhere"}
        return web.Response(status=status, headers=elsewhere, text="{}")

    assert f"answered {status}" in str(await error(refuses))


async def test_a_redirect_is_not_followed_with_our_login() -> None:
    asked: list[str] = []

    async def redirects(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(status=302, headers={"Location": "/elsewhere"})

    await error(redirects)
    assert asked == ["/api/2.0/mlflow/model-versions/get"]


async def test_silence_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "TIMEOUT", aiohttp.ClientTimeout(total=None, sock_read=0.1))

    async def silent(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await request.content.read()
        await asyncio.Event().wait()
        return response

    said = await error(silent)
    assert isinstance(said, SourceUnavailable)
    assert "did not answer in time" in str(said)


async def test_an_answer_without_end_is_cut_off() -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        for _ in range(1 << 20):
            await response.write(bytes(1 << 16))
        return response

    said = await error(endless)
    assert isinstance(said, SourceRefused)
    assert "sent more than" in str(said)


async def test_a_packed_answer_is_not_unpacked() -> None:
    """A few kilobytes that would become gigabytes."""

    async def bomb(_: web.Request) -> web.Response:
        body = gzip.compress(bytes(1 << 23))
        return web.Response(body=body, headers={"Content-Encoding": "gzip"})

    assert isinstance(await error(bomb), SourceUnavailable)


@pytest.mark.parametrize("body", [b"[]", b'{"a": 1, "a": 2}', b'{"model_version": []}', b"{}"])
async def test_json_of_another_shape_is_no_version(body: bytes) -> None:
    async def odd(_: web.Request) -> web.Response:
        return web.Response(body=body, content_type="application/json")

    async with registry(odd) as (client, _):
        with pytest.raises(SourceError):
            await client.version("press", "12", None)


async def test_nobody_listens() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        client = Mlflow("default", Registry(mlflow=url))
        with pytest.raises(SourceUnavailable, match=r"cannot be read.*Check the address"):
            await client.version("press", "12", None)
        await client.close()


VERSION = ModelVersion("press", "12", "root", "")


def serving(file: Handler) -> Handler:
    """One file `weights`, which `file` answers."""

    async def answers(request: web.Request) -> web.StreamResponse:
        if request.path.endswith("/weights"):
            return await file(request)
        return web.json_response({"files": [{"path": "weights", "is_dir": False, "file_size": 3}]})

    return answers


async def test_a_file_that_ends_too_early_is_none() -> None:
    """A proxy that dies half way must not make another model of it."""

    async def torn(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "10"})
        await response.prepare(request)
        await response.write(b"abc")
        assert request.transport
        request.transport.close()
        return response

    async with registry(serving(torn)) as (client, _):
        with pytest.raises(SourceUnavailable):
            await client.tree(VERSION)


async def test_an_unchanged_file_is_hung_up_on() -> None:
    """A server that knows no conditions sends all of it again, here without end."""
    calls = 0

    async def endless(request: web.Request) -> web.StreamResponse:
        nonlocal calls
        calls += 1
        response = web.StreamResponse(headers={"ETag": '"1"'})
        await response.prepare(request)
        await response.write(b"abc")
        while calls > 1:
            await response.write(bytes(1 << 16))
        return response

    async with registry(serving(endless)) as (client, _):
        first = await client.tree(VERSION)
        assert [file.size for file in first.files] == [3]
        assert await client.tree(VERSION) == first
    assert calls == 2


async def test_a_file_without_end_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(modeltree, "MAX_BYTES", 1 << 22)

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(bytes(1 << 16))

    async with registry(serving(endless)) as (client, _):
        with pytest.raises(SourceRefused, match="Split the model"):
            await client.tree(VERSION)


async def test_one_file_that_fails_ends_the_reading_of_all() -> None:
    """Nobody waits for the others, and no connection is left behind."""
    listed = [{"path": str(number), "is_dir": False} for number in range(20)]

    async def some(request: web.Request) -> web.StreamResponse:
        name = request.path.rpartition("/")[2]
        if name == "artifacts":
            return web.json_response({"files": listed})
        if name == "3":
            return web.Response(status=500)
        await asyncio.Event().wait()
        return web.Response()

    async with registry(some) as (client, _):
        with pytest.raises(SourceUnavailable, match="answered 500"):
            await client.tree(VERSION)
