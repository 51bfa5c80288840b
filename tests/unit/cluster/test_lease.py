"""The holder of the Lease outlives a refusal, and never its own time."""

import asyncio
from typing import Any, cast

import pytest

from interlock.cluster.client import Client, ClusterError, Conflict
from interlock.cluster.lease import Lease, LeaseTimes

Object = dict[str, Any]
TIMES = LeaseTimes(duration=0.05, renew=0.004, deadline=0.04)


class Cluster:
    """One Lease, and what the API server does when it is asked."""

    def __init__(self) -> None:
        self.lease: Object | None = None
        self.errors: list[ClusterError] = []
        self.hangs = False
        self.renewed = 0

    async def get(self, kind: str, namespace: str, name: str) -> Object | None:
        """Read it."""
        if self.hangs:
            await asyncio.Event().wait()
        if self.errors:
            raise self.errors.pop()
        return self.lease and self.lease | {"metadata": dict(self.lease["metadata"])}

    async def create(self, obj: Object) -> Object:
        """Make it."""
        return await self.replace(obj)

    async def replace(self, obj: Object) -> Object:
        """Write it."""
        self.renewed += 1
        self.lease = obj | {"metadata": {"resourceVersion": str(self.renewed)}}
        return self.lease


@pytest.fixture
def cluster() -> Cluster:
    """A cluster without the Lease."""
    return Cluster()


@pytest.fixture
async def lease(cluster: Cluster) -> Lease:
    """A Lease that its holder has just taken."""
    held = Lease(cast(Client, cluster), "interlock-system", "one", "me", TIMES)
    await held.acquire()
    return held


@pytest.mark.parametrize("error", [ClusterError(500, "down"), Conflict(409, "changed meanwhile")])
async def test_one_refused_renewal_is_repeated_and_loses_nothing(
    error: ClusterError, cluster: Cluster, lease: Lease
) -> None:
    cluster.errors = [error]
    watched, before = asyncio.create_task(lease.lost()), cluster.renewed
    while cluster.renewed < before + 3:
        assert not watched.done()
        await asyncio.sleep(0)
    watched.cancel()


@pytest.mark.parametrize("hangs", [True, False])
async def test_a_lease_that_cannot_be_renewed_in_time_is_lost(
    hangs: bool, cluster: Cluster, lease: Lease
) -> None:
    cluster.hangs, cluster.errors = hangs, [ClusterError(500, "down")] * 100
    await lease.lost()
    assert cluster.renewed == 1


async def test_a_lease_that_somebody_else_took_is_lost(cluster: Cluster, lease: Lease) -> None:
    assert cluster.lease
    cluster.lease["spec"]["holderIdentity"] = "other"
    await lease.lost()
    assert cluster.renewed == 1
