import asyncio
from typing import Any

from interlock.cluster.client import ClusterError
from interlock.sync.loop import MAX_AT_ONE_HOST, Schedule


def repository(name: str, host: str = "git.example", **changes: Any) -> dict[str, Any]:
    return {
        "metadata": {"uid": name, "name": name, "namespace": "n", "generation": 1} | changes,
        "spec": {"url": f"https://{host}/{name}.git", "interval": "60s"},
    }


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_repository_is_synced_once_an_interval_and_at_once_when_it_changes() -> None:
    synced: list[str] = []

    async def sync(one: dict[str, Any]) -> None:
        synced.append(one["metadata"]["name"])

    schedule = Schedule(sync)
    for one in (repository("a"), repository("a"), repository("a", generation=2)):
        schedule.look([one])
        await settle()
    assert synced == ["a", "a"]


async def test_a_host_that_hangs_holds_up_its_own_repositories_alone() -> None:
    synced: list[str] = []
    started: list[str] = []
    forever = asyncio.Event()

    async def sync(one: dict[str, Any]) -> None:
        started.append(one["metadata"]["name"])
        if one["metadata"]["name"].startswith("slow"):
            await forever.wait()
        synced.append(one["metadata"]["name"])

    schedule = Schedule(sync)
    slow = [repository(f"slow-{n}", "hangs.example") for n in range(MAX_AT_ONE_HOST + 3)]
    schedule.look([*slow, repository("good")])
    await settle()
    assert synced == ["good"]
    assert len(started) == MAX_AT_ONE_HOST + 1
    await schedule.close()


async def test_one_failure_ends_nothing() -> None:
    synced: list[str] = []

    async def sync(one: dict[str, Any]) -> None:
        if one["metadata"]["name"] == "bad":
            raise ClusterError(0, "no answer")
        if one["metadata"]["name"] == "worse":
            raise KeyError("surprise")
        synced.append(one["metadata"]["name"])

    schedule = Schedule(sync)
    schedule.look([repository("bad"), repository("worse"), repository("good")])
    await settle()
    assert synced == ["good"]
    assert schedule.alive


async def test_evidence_only_is_left_alone() -> None:
    async def sync(_: dict[str, Any]) -> None:
        raise AssertionError("never")

    one = repository("a")
    one["spec"]["mode"] = "EvidenceOnly"
    schedule = Schedule(sync)
    schedule.look([one])
    assert not schedule._running
