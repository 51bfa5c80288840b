import asyncio
from typing import Any

from prometheus_client import generate_latest

from interlock.cluster.client import ClusterError
from interlock.sync.loop import MAX_AT_ONE_HOST, MAX_WOKEN, Schedule, measure


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
    slow = [
        repository(f"slow-{n}", "hangs.example", namespace=f"team-{n}")
        for n in range(MAX_AT_ONE_HOST + 3)
    ]
    schedule.look([*slow, repository("good")])
    await settle()
    assert synced == ["good"]
    assert len(started) == MAX_AT_ONE_HOST + 1
    await schedule.close()


async def test_a_team_with_many_slow_repositories_leaves_room_at_the_host() -> None:
    synced: list[str] = []
    forever = asyncio.Event()

    async def sync(one: dict[str, Any]) -> None:
        if one["metadata"]["namespace"] == "greedy":
            await forever.wait()
        synced.append(one["metadata"]["name"])

    schedule = Schedule(sync)
    slow = [repository(f"slow-{n}", namespace="greedy") for n in range(50)]
    schedule.look([*slow, repository("good")])
    await settle()
    assert synced == ["good"]
    await schedule.close()


async def test_how_repositories_stand_is_counted() -> None:
    def said(reason: str) -> dict[str, Any]:
        return {"status": {"conditions": [{"type": "Ready", "reason": reason}]}}

    moved = [repository(name) | said("NotFastForward") for name in "ab"]
    measure([*moved, repository("c") | said("Synced"), repository("new")])
    numbers = generate_latest().decode()
    assert 'interlock_agent_repositories{reason="NotFastForward"} 2.0' in numbers
    assert 'interlock_agent_repositories{reason="Synced"} 1.0' in numbers
    measure([])
    assert "interlock_agent_repositories{" not in generate_latest().decode()


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


async def test_a_repository_that_was_pushed_to_is_due_at_once() -> None:
    synced: list[str] = []

    async def sync(one: dict[str, Any]) -> None:
        synced.append(one["metadata"]["name"])

    schedule = Schedule(sync)
    both = [repository("a"), repository("b")]
    schedule.look(both)
    await settle()
    schedule.wake("n", "b")
    schedule.wake("n", "none")
    for _ in range(2):
        schedule.look(both)
        await settle()
    assert synced == ["a", "b", "b"]


async def test_a_push_while_a_sync_runs_is_not_forgotten() -> None:
    synced: list[str] = []
    held = asyncio.Event()

    async def sync(one: dict[str, Any]) -> None:
        synced.append(one["metadata"]["name"])
        await held.wait()

    schedule = Schedule(sync)
    schedule.look([repository("a")])
    await settle()
    schedule.wake("n", "a")
    schedule.look([repository("a")])
    held.set()
    await settle()
    schedule.look([repository("a")])
    await settle()
    assert synced == ["a", "a"]


async def test_what_is_woken_is_bounded() -> None:
    async def sync(_: dict[str, Any]) -> None: ...

    schedule = Schedule(sync)
    for n in range(MAX_WOKEN + 10):
        schedule.wake("n", str(n))
    assert len(schedule._woken) == MAX_WOKEN
