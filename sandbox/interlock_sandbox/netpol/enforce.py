"""Keeps the node's rules what the cluster's objects say, and closed where that is not known yet.

Closed first: before the first complete ruleset no pod is forwarded, and an address that belongs to
no known pod never is, so a fresh pod has no moment without its policies. When nft or the API
server fails, the last good rules stay.
"""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from interlock_sandbox.netpol import nft
from interlock_sandbox.netpol.compile import TABLES, next_table, removal, ruleset
from interlock_sandbox.netpol.model import Model, Pod, resolve
from interlock_sandbox.netpol.policy import Network
from interlock_sandbox.netpol.watch import Mirror, connect

RETRY = 5.0  # seconds until a refused ruleset is tried again without a change
_log = logging.getLogger(__name__)


async def enforce(kubeconfig: Path, pod_networks: Sequence[Network]) -> None:
    """Runs until it is cancelled, then takes its rules away; whatever else ends it, they stay.

    Raises NftError if it cannot start.
    """
    try:
        if not await nft.tables():  # a predecessor's rules are closed for fresh pods as well
            await replace(Model(), pod_networks)
        api = await connect(kubeconfig)
        try:
            await _Enforcer(pod_networks).run(api)
        finally:
            await api.close()
    except asyncio.CancelledError:
        await nft.apply("".join(map(removal, TABLES)))
        raise


async def replace(model: Model, pod_networks: Sequence[Network]) -> None:
    """Puts the rules of `model` in the place of those in force, without a moment between."""
    there = await nft.tables()
    new = next_table(there)
    await nft.apply(ruleset(model, pod_networks, new))
    await nft.apply("".join(removal(table) for table in TABLES if table != new))


class _Enforcer:
    def __init__(self, pod_networks: Sequence[Network]) -> None:
        self._networks = pod_networks
        self._changed = asyncio.Event()
        self._in_force: tuple[Pod, ...] | None = None
        self._said: tuple[str, ...] = ()

    async def run(self, api: object) -> None:
        kinds = ("Namespace", "Pod", "NetworkPolicy")
        mirrors = [Mirror(api, kind, self._changed.set) for kind in kinds]
        async with asyncio.TaskGroup() as tasks:
            for mirror in mirrors:
                tasks.create_task(mirror.run())
            while True:
                await self._changed.wait()
                self._changed.clear()
                if all(mirror.synced for mirror in mirrors):
                    await self._apply(resolve(*(mirror.objects for mirror in mirrors)))

    async def _apply(self, model: Model) -> None:
        self._say(model.problems)
        if model.pods == self._in_force:
            return
        try:
            await replace(model, self._networks)
        except nft.NftError as error:
            _log.error("%s", error)
            with suppress(TimeoutError):
                async with asyncio.timeout(RETRY):
                    await self._changed.wait()
            self._changed.set()
            return
        if self._in_force is None:
            print(f"ready: {len(model.pods)} pods", flush=True)
        self._in_force = model.pods

    def _say(self, problems: tuple[str, ...]) -> None:
        for problem in problems:
            if problem not in self._said:
                _log.warning("%s", problem)
        self._said = problems
