"""The API server as the benchmarks speak to it: one open connection, many at once, and a watch.

A clock starts just before bytes are sent and stops when a watch delivers the effect, so that it
holds all that somebody outside would wait for.
"""

import asyncio
import http.client
import json
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import aiohttp

from support.kube import Api

Object = dict[str, Any]
LONGEST = 60.0
"""Seconds after which something that takes milliseconds is called lost."""
WIDTH = 32
"""Requests that a bulk sender has under way: as many as the controller has traffic workers."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request."""

    method: str
    path: str
    body: object = None
    media: str = "application/json"


class Watch:
    """The newest value of each object of a collection, and when it was told."""

    def __init__(
        self, api: Api, path: str, value: Callable[[Object], object], labels: str = ""
    ) -> None:
        self._api, self._value = api, value
        self._path = f"{path}?{urlencode({'watch': 'true', 'labelSelector': labels})}"
        self._seen: dict[str, tuple[Any, float]] = {}
        self._news = threading.Condition()
        threading.Thread(target=self._run, daemon=True).start()

    def get(self, key: str) -> Any:
        """The value of `namespace/name` now; None before it was seen."""
        return self._seen.get(key, (None, 0.0))[0]

    def when(
        self, key: str, fits: Callable[[Any], object], seconds: float = LONGEST
    ) -> tuple[Any, float]:
        """Wait until the value of `namespace/name` fits; return it and when it was told."""
        deadline = time.monotonic() + seconds
        with self._news:
            while not ((seen := self._seen.get(key)) and fits(seen[0])):
                if not self._news.wait(deadline - time.monotonic()):
                    raise TimeoutError(f"{key} within {seconds:.0f} s: {seen}")
            return seen

    def _run(self) -> None:
        while True:  # an API server ends each watch after half an hour or an hour
            connection = http.client.HTTPSConnection(self._api.host, context=self._api.context)
            try:
                connection.request("GET", self._path, headers=dict(self._api.headers))
                self._read(connection.getresponse())
            except (OSError, http.client.HTTPException):
                time.sleep(0.1)
            finally:
                connection.close()

    def _read(self, response: http.client.HTTPResponse) -> None:
        while line := response.readline():
            now = time.perf_counter()
            obj = json.loads(line)["object"]
            meta = obj["metadata"]
            key, value = f"{meta.get('namespace', '')}/{meta.get('name', '')}", self._value(obj)
            with self._news:
                if key not in self._seen or self._seen[key][0] != value:
                    self._seen[key] = (value, now)
                    self._news.notify_all()


class Caller:
    """Requests one after the other over one open connection."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._connection = http.client.HTTPSConnection(api.host, context=api.context)

    def send(self, call: Call) -> float:
        """Send a request that must be granted; return when it was sent."""
        headers = {"Content-Type": call.media} | dict(self._api.headers)
        data = json.dumps(call.body)
        sent = time.perf_counter()
        self._connection.request(call.method, call.path, data, headers)
        response = self._connection.getresponse()
        answer = response.read()
        if response.status >= http.client.MULTIPLE_CHOICES:
            raise RuntimeError(
                f"{call.method} {call.path}: {answer[:300].decode(errors='replace')}"
            )
        return sent


def storm(api: Api, batches: Iterable[Iterable[Call]], width: int = WIDTH) -> tuple[float, float]:
    """Send batches side by side, the calls of each in order; return first start and last end."""
    return asyncio.run(_storm(api, iter(batches), width))


async def _storm(api: Api, batches: Any, width: int) -> tuple[float, float]:
    connector = aiohttp.TCPConnector(ssl=api.context, limit=width)
    async with aiohttp.ClientSession(f"https://{api.host}", connector=connector) as session:
        started = time.perf_counter()

        async def work() -> None:
            for batch in batches:
                for call in batch:
                    await _send(session, api.headers, call)

        async with asyncio.TaskGroup() as group:
            for _ in range(width):
                group.create_task(work())
        return started, time.perf_counter()


async def _send(session: aiohttp.ClientSession, headers: Mapping[str, str], call: Call) -> None:
    about = {"Content-Type": call.media} | dict(headers)
    body = json.dumps(call.body)
    async with session.request(call.method, call.path, data=body, headers=about) as answer:
        text = await answer.text()
        if not answer.ok:
            raise RuntimeError(f"{call.method} {call.path}: {text[:300]}")
