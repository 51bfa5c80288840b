"""Starts syncs when they are due, so that no git server delays another's repositories.

Every repository has a task of its own; at most a few at one host run at a time, and fewer of one
namespace, so that a host that hangs holds up its own repositories alone, and a team its own.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit
from weakref import WeakValueDictionary

from prometheus_client import Gauge

from interlock.api.config import Config
from interlock.api.kinds.base import seconds
from interlock.cluster.client import Client, ClusterError, Object
from interlock.sync import webhook
from interlock.sync.reconcile import Syncer

LOOK_EVERY = 2.0
"""Seconds between two looks at what is due; a changed AgentRepository is due at once."""
MAX_AT_ONE_HOST = 4
MAX_OF_ONE_TEAM = 2
"""Of those at one host."""
MAX_WOKEN = 10_000
MAX_SILENCE = 60.0
"""Seconds without an answer of the API server after which the syncer is not ready."""
MAX_SECONDS = 300.0
"""Seconds that one sync may take in all."""
REPOSITORIES = Gauge(
    "interlock_agent_repositories", "AgentRepositories by what their status says", ["reason"]
)
_log = logging.getLogger(__name__)

Sync = Callable[[Object], Awaitable[None]]


async def run(
    config: Config,
    kubeconfig: Path | None,
    stop: asyncio.Event,
    listen: tuple[str, int] | None = None,
) -> None:
    """Sync all AgentRepositories until `stop`; serve health and webhooks on `listen`.

    Errors of one repository are logged and tried again. Raises SecretRefused.
    """
    secret = webhook.read_secret(config.webhook.secret_file) if config.webhook else b""
    client = await Client.connect(kubeconfig)
    syncer = Syncer(client, config)
    schedule = Schedule(syncer.sync)
    app = webhook.application(schedule, secret)
    served = await webhook.serve(app, *listen) if listen else None
    try:
        while not stop.is_set():
            try:
                there = await client.list("AgentRepository")
                schedule.look(there)
                measure(there)
                await syncer.forget(there)
            except ClusterError as error:
                _log.warning("AgentRepositories could not be listed: %s", error)
            await _pause(stop, LOOK_EVERY)
    finally:
        await schedule.close()
        await client.close()
        if served:
            await served.cleanup()


def measure(repositories: Iterable[Object]) -> None:
    """Set how many AgentRepositories say which reason; a new one says none yet."""
    REPOSITORIES.clear()
    said = (one for each in repositories for one in each.get("status", {}).get("conditions", []))
    reasons = Counter(str(one["reason"]) for one in said if one["type"] == "Ready")
    for reason, count in reasons.items():
        REPOSITORIES.labels(reason).set(count)


class Schedule:
    """Knows when each repository is due and runs it then, once at a time."""

    def __init__(self, sync: Sync) -> None:
        self._sync = sync
        self._due: dict[str, tuple[int, float]] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._places: WeakValueDictionary[tuple[str, ...], asyncio.Semaphore]
        self._places = WeakValueDictionary()
        self._woken: set[tuple[str, str]] = set()
        self._looked: float | None = None

    def wake(self, namespace: str, name: str) -> None:
        """Have a repository synced at the next look, whatever its interval says."""
        if len(self._woken) < MAX_WOKEN:
            self._woken.add((namespace, name))

    @property
    def alive(self) -> bool:
        """Whether the last look is not long ago."""
        now = asyncio.get_running_loop().time()
        return self._looked is not None and now - self._looked < MAX_SILENCE

    def look(self, repositories: list[Object]) -> None:
        """Start what is due among these, and forget what is gone."""
        now = self._looked = asyncio.get_running_loop().time()
        there = {one["metadata"]["uid"] for one in repositories}
        self._due = {uid: due for uid, due in self._due.items() if uid in there}
        woken, self._woken = self._woken, set()
        for one in repositories:
            uid, generation = one["metadata"]["uid"], one["metadata"].get("generation", 0)
            seen, due = self._due.get(uid, (-1, 0.0))
            place = (one["metadata"]["namespace"], one["metadata"]["name"])
            if uid in self._running:
                self._woken |= woken & {place}
                continue
            if seen == generation and now < due and place not in woken:
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

    def _few(self, count: int, *place: str) -> asyncio.Semaphore:
        """Return what lets so many in at a time; it is forgotten when nobody is there."""
        return self._places.setdefault(place, asyncio.Semaphore(count))

    async def _one(self, repository: Object) -> None:
        meta = repository["metadata"]
        host = urlsplit(str(repository["spec"].get("url", ""))).netloc
        of_team = self._few(MAX_OF_ONE_TEAM, host, meta["namespace"])
        at_host = self._few(MAX_AT_ONE_HOST, host)
        try:
            async with of_team, at_host, asyncio.timeout(MAX_SECONDS):
                await self._sync(repository)
        except (ClusterError, TimeoutError) as error:
            _log.warning("%s/%s was not synced: %r", meta["namespace"], meta["name"], error)
        except Exception:  # one repository's surprise must not end the others
            _log.exception("%s/%s could not be synced", meta["namespace"], meta["name"])


async def _pause(stop: asyncio.Event, limit: float) -> None:
    try:
        async with asyncio.timeout(limit):
            await stop.wait()
    except TimeoutError:
        return
