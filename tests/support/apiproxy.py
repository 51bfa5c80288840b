"""An API server that misbehaves: a proxy in front of the real one, for one controller.

It speaks plain HTTP on loopback, so that it can be read and changed; what the controller sends as
credentials goes through. Faults of watches are those that a cluster can have: a connection that
ends, events that come late, twice, or out of order between objects (never of one object: the API
server keeps those in order), and events that are lost for good, after which the server says 410.
"""

import asyncio
import base64
import json
import ssl
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, Self

import aiohttp
import yaml
from aiohttp import web

Object = dict[str, Any]
Fault = Literal["cut", "delayed", "duplicated", "reordered", "lost"]
Answer = web.Response | None
Judge = Callable[[str, str, bytes], Awaitable[Answer]]
LATE = 0.3
"""Seconds by which events come late."""
CUT_AFTER = 3
"""Events after which a watch is cut."""
SOCKETS_CLOSE = 0.05
"""Seconds in which an event loop closes what was told to close."""
MAX_LINE = 4 * 1024 * 1024
_HOP = {"host", "content-length", "transfer-encoding", "connection", "content-encoding"}


class ApiProxy:
    """One proxy, from a thread of its own, for the duration of a `with` block."""

    def __init__(self, kubeconfig: Path, home: Path) -> None:
        self._config = yaml.safe_load(kubeconfig.read_text())
        self._upstream = self._config["clusters"][0]["cluster"]["server"]
        self._home = home
        self.fault: Fault | None = None
        self.judge: Judge | None = None
        """Asked about each request that is no watch: an answer instead of the server's, or None.

        Raise ConnectionResetError to drop the connection, await to hold the request.
        """
        self.refused = 0
        self._watches: set[aiohttp.ClientResponse] = set()
        self.answers: list[tuple[int, str, str]] = []
        """Code, method and path of what the server answered to writes, in order."""

    def __enter__(self) -> Self:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        self._runner = asyncio.run_coroutine_threadsafe(self._start(), self.loop).result(30)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self.loop).result(30)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)
        self.loop.close()

    async def _start(self) -> web.AppRunner:
        authority = self._config["clusters"][0]["cluster"]["certificate-authority-data"]
        context = ssl.create_default_context(cadata=base64.b64decode(authority).decode())
        self._connector = aiohttp.TCPConnector(ssl=context, limit=0)
        self._session = aiohttp.ClientSession(
            connector=self._connector,
            timeout=aiohttp.ClientTimeout(total=None),
            read_bufsize=MAX_LINE,
            auto_decompress=False,
        )
        app = web.Application(client_max_size=MAX_LINE)
        app.router.add_route("*", "/{path:.*}", self._handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{port}"
        self.kubeconfig = self._home / f"proxy-{port}.kubeconfig"
        self._config["clusters"][0]["cluster"] = {"server": self.url}
        self.kubeconfig.write_text(json.dumps(self._config))
        return runner

    async def _end(self) -> None:
        for answer in list(self._watches):
            abort(answer)
        await self._runner.cleanup()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await self._connector.close(abort_ssl=True)
        await self._session.close()
        await asyncio.sleep(SOCKETS_CLOSE)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        data = await request.read()
        watch = request.query.get("watch") == "true"
        if self.judge and not watch:
            try:
                answer = await self.judge(request.method, request.path, data)
            except ConnectionResetError:
                answer = web.Response(status=500)
                if request.transport:
                    request.transport.close()
            if answer is not None:
                self.refused += 1
                return answer
        url = f"{self._upstream}{request.path_qs}"
        headers = {key: value for key, value in request.headers.items() if key.lower() not in _HOP}
        headers["Accept-Encoding"] = "identity"
        async with self._session.request(
            request.method, url, data=data or None, headers=headers
        ) as answer_:
            if watch and answer_.status == web.HTTPOk.status_code:
                return await self._stream(request, answer_)
            body = await answer_.read()
            if request.method != "GET":
                self.answers.append((answer_.status, request.method, request.path))
            kind = answer_.headers.get("Content-Type", "application/json")
            return web.Response(status=answer_.status, body=body, headers={"Content-Type": kind})

    async def _stream(
        self, request: web.Request, answer: aiohttp.ClientResponse
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        lines = answer.content.__aiter__()
        self._watches.add(answer)
        try:  # whoever watches goes as he likes, and so does the server
            with suppress(ConnectionResetError, aiohttp.ClientError):
                async for line in self._faulty(lines):
                    await response.write(line)
        finally:
            self._watches.discard(answer)
            abort(answer)
        return response

    def _faulty(self, lines: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        faults = {
            "cut": _cut,
            "delayed": _delayed,
            "duplicated": _duplicated,
            "reordered": _reordered,
            "lost": _lost,
        }
        return faults[self.fault](lines) if self.fault else lines


def abort(answer: aiohttp.ClientResponse) -> None:
    """Close a connection without TLS's goodbye, which a loop that ends would not wait for."""
    if answer.connection and answer.connection.transport:
        answer.connection.transport.abort()


def refuse_half() -> Judge:
    """Every second request gets 500, 429 with a second's wait, or a dropped connection."""
    asked = 0

    async def judge(method: str, path: str, data: bytes) -> Answer:
        nonlocal asked
        asked += 1
        if asked % 2:
            return None
        which = asked // 2 % 3
        if which == 0:
            raise ConnectionResetError
        if which == 1:
            return web.json_response(_status(429, "TooManyRequests"), status=429)
        return web.json_response(_status(500, "InternalError"), status=500)

    return judge


def _status(code: int, reason: str) -> Object:
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "reason": reason,
        "message": "a test refuses every second request",
        "code": code,
    }


async def _cut(lines: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    count = 0
    async for line in lines:
        yield line
        count += 1
        if count == CUT_AFTER:
            return


async def _delayed(lines: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    async for line in lines:
        await asyncio.sleep(LATE)
        yield line


async def _duplicated(lines: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    before = b""
    async for line in lines:
        yield line
        yield line
        if before and _object(before) == _object(line) and _type(line) != "DELETED":
            yield before  # an old state of the same object once more
        before = line


async def _reordered(lines: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Hold each event back until one of another object was told, or for a while."""
    held: bytes = b""
    pending: asyncio.Task[bytes] | None = None
    while True:
        pending = pending or asyncio.ensure_future(anext(lines, b""))
        done, _ = await asyncio.wait({pending}, timeout=LATE if held else None)
        if not done:
            yield held
            held = b""
            continue
        line, pending = pending.result(), None
        if not line:
            return
        if held and _object(held) == _object(line):
            yield held
            held = line
        elif held:
            yield line
        else:
            held = line


async def _lost(lines: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Lose what happens for a while, as a watcher does that was away until etcd was compacted."""
    count = 0
    async for line in lines:
        count += 1
        if count > CUT_AFTER:
            await asyncio.sleep(LATE)
            gone = {"type": "ERROR", "object": _status(410, "Expired")}
            yield json.dumps(gone).encode() + b"\n"
            return
        yield line


def _object(line: bytes) -> tuple[str, str]:
    meta = json.loads(line)["object"]["metadata"]
    return str(meta.get("uid")), str(meta.get("name"))


def _type(line: bytes) -> str:
    return str(json.loads(line)["type"])
