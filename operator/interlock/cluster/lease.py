"""Which of two replicas acts: a Lease, renewed against the monotonic clock.

A Lease is no fence (client-go's leaderelection package says so): every write that matters carries
its own precondition. Whoever cannot renew in time must end at once, which `lost` says.
"""

import asyncio
import logging
import time
from dataclasses import dataclass
from datetime import UTC, datetime

from interlock.cluster.client import Client, ClusterError, Object

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LeaseTimes:
    """In seconds. A standby takes over `duration` after the last renewal that it saw change."""

    duration: float = 5.0
    renew: float = 1.5
    deadline: float = 4.0
    """Without a renewal for this long the holder gives up; shorter than `duration`."""


class Lease:
    """One named Lease and one would-be holder."""

    def __init__(
        self, client: Client, namespace: str, name: str, holder: str, times: LeaseTimes
    ) -> None:
        self._client, self._times = client, times
        self._namespace, self._name, self._holder = namespace, name, holder
        self._seen: tuple[str, float] = ("", 0.0)

    async def acquire(self) -> None:
        """Wait until this holder has the Lease."""
        while not await self._try():
            await asyncio.sleep(self._times.renew / 2)
        log.info("took the lease %s/%s", self._namespace, self._name)

    async def lost(self) -> None:
        """Renew the Lease, and return when it could not be renewed in time or is another's.

        An API server that refuses or fails is asked again, soon, until the time is up.
        """
        renewed, pause = time.monotonic(), self._times.renew
        while (left := renewed + self._times.deadline - time.monotonic()) > 0:
            await asyncio.sleep(min(pause, left))
            asked, pause = time.monotonic(), self._times.renew / 4
            try:
                async with asyncio.timeout(renewed + self._times.deadline - asked):
                    ours = await self._try()
            except TimeoutError:
                return
            if ours is False:
                return
            if ours:
                renewed, pause = asked, self._times.renew

    async def release(self) -> None:
        """Give the Lease up, so that the standby need not wait."""
        lease = await self._client.get("Lease", self._namespace, self._name)
        if lease and lease["spec"].get("holderIdentity") == self._holder:
            del lease["spec"]["holderIdentity"]  # an empty one is refused with 422
            await self._client.replace(lease)

    async def _try(self) -> bool | None:
        """Whether the Lease is ours now; None where that cannot be said."""
        try:
            lease = await self._client.get("Lease", self._namespace, self._name)
            if lease is None:
                await self._client.create(self._spec(None))
                return True
            if not self._free(lease):
                return False
            await self._client.replace(self._spec(lease))
        except ClusterError as error:  # also a conflict: the next look shows whose it is
            log.warning("the lease could not be read or written: %s", error)
            return None
        return True

    def _free(self, lease: Object) -> bool:
        """Whether the Lease is ours, given up, or unchanged for its whole duration."""
        holder = lease["spec"].get("holderIdentity", "")
        if holder in ("", self._holder):
            return True
        version = lease["metadata"]["resourceVersion"]
        if self._seen[0] != version:
            self._seen = (version, time.monotonic())
        return time.monotonic() - self._seen[1] > self._times.duration

    def _spec(self, lease: Object | None) -> Object:
        now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        meta = lease["metadata"] if lease else {"namespace": self._namespace, "name": self._name}
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": meta,
            "spec": {
                "holderIdentity": self._holder,
                "leaseDurationSeconds": max(1, int(self._times.duration)),
                "renewTime": now,
            },
        }
