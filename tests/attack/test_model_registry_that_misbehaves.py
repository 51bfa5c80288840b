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
from interlock.evidence import http
from interlock.evidence.http import SourceError, SourceRefused, SourceUnavailable
from interlock.evidence.mlflow import Mlflow

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
