"""The process: looks at each forge when its interval is over, or earlier when the forge wakes it.

Each forge has a task of its own, so that one that hangs holds up itself alone. A delivery says when
to look and nothing else: polling is the contract, and a forge that delivers nothing loses seconds.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import web

from interlock.api import config as settings
from interlock.api import digests
from interlock.api.config import Config, ForgeBridge, longest_prefix
from interlock.api.kinds.base import seconds
from interlock.bridge.gitea import Gitea
from interlock.bridge.github import GitHub
from interlock.bridge.gitlab import GitLab
from interlock.bridge.governed import Governance
from interlock.bridge.ledger import Ledger
from interlock.bridge.look import Bridge, Watch
from interlock.bridge.opinion import Judge
from interlock.bridge.port import Forge, RateLimited
from interlock.bridge.records import Records
from interlock.bridge.rest import Rest, token
from interlock.bridge.signing import Key
from interlock.cluster.client import Client
from interlock.evidence.http import SourceError
from interlock.evidence.verifierclient import VerifierClient
from interlock.sync import webhook

LEAST_PAUSE = 1.0
"""Seconds between two looks, however often a forge wakes us."""
LOOK_SECONDS = 900.0
"""For one look at one forge."""
log = logging.getLogger(__name__)


class Watcher:
    """Looks at one forge for ever."""

    def __init__(self, url: str, interval: float, watch: Watch, governance: Governance) -> None:
        self.url, self._interval = url, interval
        self._watch, self._governance = watch, governance
        self._woken = asyncio.Event()
        self._ended: float | None = None

    @property
    def alive(self) -> bool:
        """Whether a look ended not long ago, well or badly."""
        silent = asyncio.get_running_loop().time() - (self._ended or float("-inf"))
        return silent < 3 * self._interval + LOOK_SECONDS

    def wake(self) -> None:
        """Look soon."""
        self._woken.set()

    async def run(self) -> None:
        """Look until cancelled. What goes wrong is logged, and the next look comes."""
        while True:
            self._woken.clear()
            wait = await self._look()
            self._ended = asyncio.get_running_loop().time()
            await asyncio.sleep(max(LEAST_PAUSE, wait))
            await self._pause(self._interval - wait)

    async def _look(self) -> float:
        """Look once; return for how many seconds the forge wants no more of us."""
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                await self._watch.look(await self._governance.now())
        except RateLimited as limit:
            log.warning("%s", limit)
            return limit.seconds
        except (SourceError, TimeoutError) as error:
            log.warning("%s was not looked at: %s", self.url, error or "it took too long")
        except Exception:  # one forge's surprise must not end the others
            log.exception("%s could not be looked at", self.url)
        return 0.0

    async def _pause(self, limit: float) -> None:
        try:
            async with asyncio.timeout(max(0.0, limit)):
                await self._woken.wait()
        except TimeoutError:
            return


async def run(
    config: Config,
    kubeconfig: Path | None,
    stop: asyncio.Event,
    *,
    in_cluster: bool,
    listen: tuple[str, int] | None = None,
) -> None:
    """Bridge all forges of the configuration until `stop`.

    Raises SourceError, ClusterError, ValueError for what keeps it from starting.
    """
    if config.forge_bridge is None or config.verifier is None:
        raise ValueError("forgeBridge and verifier.socket are needed")
    verifier = VerifierClient(config.verifier.socket)
    asked = kubeconfig is not None or in_cluster
    records = Records(await Client.connect(kubeconfig)) if asked else None
    forges = {one.url: forge(one) for one in config.forge_bridge.forges}
    watchers = _watchers(config, config.forge_bridge, forges, verifier, records)
    secret = webhook.read_secret(config.webhook.secret_file) if config.webhook else b""
    app = application(watchers, secret)
    served = await webhook.serve(app, *listen) if listen else None
    tasks = [asyncio.create_task(one.run()) for one in watchers]
    try:
        await stop.wait()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for each in forges.values():
            await each.close()
        await verifier.close()
        if records:
            await records.close()
        if served:
            await served.cleanup()


def _watchers(
    config: Config,
    bridge: ForgeBridge,
    forges: dict[str, Forge],
    verifier: VerifierClient,
    records: Records | None,
) -> list[Watcher]:
    key = Key.read(bridge.key_file)
    judge, ledger = Judge(verifier, config.cluster), ledgers(config)
    return [
        Watcher(
            one.url,
            float(seconds(one.interval)),
            Watch(
                Bridge(one.url, config.cluster, key, ledger, records, judge, _now),
                forges[one.url],
            ),
            Governance(verifier),
        )
        for one in bridge.forges
    ]


def ledgers(config: Config, *, allow_file: bool = False) -> Callable[[str], Ledger]:
    """Return what gives the mirror of an approvals repository by URL, one for each."""
    made: dict[str, Ledger] = {}

    def ledger(url: str) -> Ledger:
        if url not in made:
            folder = config.state_dir / "bridge" / f"{digests.sha256(url.encode())[:32]}.git"
            made[url] = Ledger(folder, longest_prefix(config.git, url), allow_file=allow_file)
        return made[url]

    return ledger


def forge(one: settings.Forge) -> Forge:
    """Return the adapter of a forge. Raises SourceError where its token cannot be read."""
    secret = token(one.token_file)
    host = urlsplit(one.url).netloc
    if one.kind == "gitea":
        headers = {"Authorization": f"token {secret}"}
        api = one.api or f"{one.url}/api/v1"
        return Gitea(Rest(host, api, headers, one.ca_file, linked=False))
    if one.kind == "github":
        headers = {
            "Authorization": f"Bearer {secret}",
            "Accept": "application/vnd.github+json",
            "X-GitHub-Api-Version": "2022-11-28",
            "User-Agent": "interlock-forge-bridge",
        }
        public = "https://api.github.com" if host == "github.com" else f"{one.url}/api/v3"
        return GitHub(Rest(host, one.api or public, headers, one.ca_file))
    headers = {"PRIVATE-TOKEN": secret}
    return GitLab(Rest(host, one.api or f"{one.url}/api/v4", headers, one.ca_file))


def application(watchers: list[Watcher], secret: bytes) -> web.Application:
    """Return what answers: /healthz and /readyz, and /wake/HOST where there is a secret."""
    by_host = {urlsplit(one.url).netloc: one for one in watchers}

    def unready() -> str:
        silent = [one.url for one in watchers if not one.alive]
        return f"no look at {', '.join(silent)} ended lately" if silent else ""

    def wake(host: str) -> str:
        found = by_host.get(host)
        if found is None:
            return "the configuration names no such forge"
        found.wake()
        return ""

    return webhook.listener(secret, "{host:[a-z0-9.:-]{1,255}}", wake, unready)


def _now() -> datetime:
    return datetime.now(UTC)
