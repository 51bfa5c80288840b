"""Starts syncs when they are due, so that no git server delays another's repositories.

Every repository has a task of its own; at most a few at one host run at a time, so that a host
that hangs holds up its own repositories alone.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import web

from interlock.api.config import Config
from interlock.api.kinds.base import seconds
from interlock.cluster.client import Client, ClusterError, Object
from interlock.sync.reconcile import Syncer

LOOK_EVERY = 2.0
"""Seconds between two looks at what is due; a changed AgentRepository is due at once."""
MAX_AT_ONE_HOST = 4
MAX_SILENCE = 60.0
"""Seconds without an answer of the API server after which the syncer is not ready."""
MAX_SECONDS = 300.0
"""Seconds that one sync may take in all."""
_log = logging.getLogger(__name__)

Sync = Callable[[Object], Awaitable[None]]


async def run(
    config: Config,
    kubeconfig: Path | None,
    stop: asyncio.Event,
    listen: tuple[str, int] | None = None,
) -> None:
    """Sync all AgentRepositories until `stop`; serve /healthz and /readyz on `listen`.

    Errors of one repository are logged and tried again.
    """
    client = await Client.connect(kubeconfig)
    schedule = Schedule(Syncer(client, config).sync)
    health = await _serve(schedule, *listen) if listen else None
    try:
        while not stop.is_set():
            try:
                schedule.look(await client.list("AgentRepository"))
            except ClusterError as error:
                _log.warning("AgentRepositories could not be listed: %s", error)
            await _pause(stop, LOOK_EVERY)
    finally:
        await schedule.close()
        await client.close()
        if health:
            await health.cleanup()


class Schedule:
    """Knows when each repository is due and runs it then, once at a time."""

    def __init__(self, sync: Sync) -> None:
        self._sync = sync
        self._due: dict[str, tuple[int, float]] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._hosts: dict[str, asyncio.Semaphore] = defaultdict(_few)
        self._looked: float | None = None

    @property
    def alive(self) -> bool:
        """Whether the last look is not long ago."""
        now = asyncio.get_running_loop().time()
        return self._looked is not None and now - self._looked < MAX_SILENCE

    def look(self, repositories: list[Object]) -> None:
        """Start what is due among these, and forget what is gone."""
        now = self._looked = asyncio.get_running_loop().time()
        synced = [one for one in repositories if one["spec"].get("mode", "Sync") == "Sync"]
        there = {one["metadata"]["uid"] for one in synced}
        self._due = {uid: due for uid, due in self._due.items() if uid in there}
        for one in synced:
            uid, generation = one["metadata"]["uid"], one["metadata"].get("generation", 0)
            seen, due = self._due.get(uid, (-1, 0.0))
            if uid in self._running or (seen == generation and now < due):
                continue
            self._due[uid] = (generation, now + seconds(one["spec"].get("interval", "60s")))
            task = asyncio.create_task(self._one(one))
            self._running[uid] = task
            task.add_done_callback(partial(self._ended, uid))

    async def close(self) -> None:
        """End everything under way; git dies with its task."""
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _ended(self, uid: str, _: asyncio.Task[None]) -> None:
        self._running.pop(uid, None)

    async def _one(self, repository: Object) -> None:
        meta = repository["metadata"]
        host = urlsplit(str(repository["spec"].get("url", ""))).netloc
        try:
            async with self._hosts[host], asyncio.timeout(MAX_SECONDS):
                await self._sync(repository)
        except (ClusterError, TimeoutError) as error:
            _log.warning("%s/%s was not synced: %r", meta["namespace"], meta["name"], error)
        except Exception:  # one repository's surprise must not end the others
            _log.exception("%s/%s could not be synced", meta["namespace"], meta["name"])


def _few() -> asyncio.Semaphore:
    return asyncio.Semaphore(MAX_AT_ONE_HOST)


async def _serve(schedule: Schedule, host: str, port: int) -> web.AppRunner:
    async def health(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def ready(_: web.Request) -> web.Response:
        if schedule.alive:
            return web.Response(text="ok\n")
        return web.Response(status=503, text="the API server does not answer\n")

    app = web.Application()
    app.router.add_get("/healthz", health)
    app.router.add_get("/readyz", ready)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    return runner


async def _pause(stop: asyncio.Event, limit: float) -> None:
    try:
        async with asyncio.timeout(limit):
            await stop.wait()
    except TimeoutError:
        return
