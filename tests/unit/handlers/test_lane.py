"""A lane is fair: teams take turns, and one whose sources hang waits for them by itself (I13)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from interlock.cluster.cache import Key
from interlock.handlers.lane import Backoff, Lane


@dataclass
class Looks:
    """What a lane looked at. Agents of the team `hangs` wait until they are let go."""

    seen: list[Key] = field(default_factory=list)
    failing: int = 0
    go: asyncio.Event = field(default_factory=asyncio.Event)

    async def look(self, key: Key) -> None:
        self.seen.append(key)
        if key.namespace == "hangs":
            await self.go.wait()
        if self.failing:
            self.failing -= 1
            raise RuntimeError("no")


@asynccontextmanager
async def running(
    looks: Looks, *keys: Key, workers: int = 4, share: int = 2
) -> AsyncIterator[Lane]:
    lane = Lane("test", workers, Backoff(0.0, 0.0), looks.look, share)
    for key in keys:
        lane.add(key)
    task = asyncio.create_task(lane.run())
    yield lane
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def settled() -> None:
    """Let everything run that can."""
    for _ in range(50):
        await asyncio.sleep(0)


HANGING = [Key("hangs", str(number)) for number in range(9)]
OTHER = [Key("other", str(number)) for number in range(3)]


async def test_a_team_that_hangs_has_its_share_of_workers_and_the_others_go_on() -> None:
    looks = Looks()
    async with running(looks, *HANGING, *OTHER) as lane:
        await settled()
        assert [key for key in looks.seen if key.namespace == "hangs"] == HANGING[:2]
        assert [key for key in looks.seen if key.namespace == "other"] == OTHER
        assert lane.depth == len(HANGING) - 2
        looks.go.set()
        await settled()
        assert sorted(looks.seen) == sorted(HANGING + OTHER)
        assert lane.depth == 0


async def test_teams_take_turns() -> None:
    looks, keys = Looks(), [Key(team, name) for team in "ab" for name in "123"]
    async with running(looks, *keys, workers=1):
        await settled()
    assert "".join(key.namespace for key in looks.seen) == "ababab"


async def test_what_a_person_asked_for_comes_before_all_turns_and_once() -> None:
    looks, last = Looks(), OTHER[-1]
    async with running(looks, workers=1) as lane:
        for key in OTHER:
            lane.add(key)
        lane.add(last, first=True)
        lane.add(last)
        await settled()
        assert lane.depth == 0
    assert looks.seen == [last, *OTHER[:-1]]


async def test_what_a_person_asks_for_meanwhile_comes_first_too() -> None:
    looks, busy = Looks(), HANGING[0]
    async with running(looks, busy, workers=1) as lane:
        await settled()
        for key in OTHER:
            lane.add(key)
        lane.add(busy, first=True)
        lane.add(busy)
        looks.go.set()
        await settled()
    assert looks.seen == [busy, busy, *OTHER]


async def test_what_a_person_asked_for_has_its_teams_share_and_no_more() -> None:
    looks = Looks()
    async with running(looks, *OTHER) as lane:
        for key in HANGING:
            lane.add(key, first=True)
        await settled()
        assert [key for key in looks.seen if key.namespace == "hangs"] == HANGING[:2]
        assert sorted(key for key in looks.seen if key.namespace == "other") == OTHER
        looks.go.set()
        await settled()
        assert lane.depth == 0


async def test_asking_twice_is_one_look_and_asking_meanwhile_is_one_more() -> None:
    looks, key = Looks(), HANGING[0]
    async with running(looks, key, key) as lane:
        await settled()
        lane.add(key)
        lane.add(key)
        looks.go.set()
        await settled()
    assert looks.seen == [key, key]


async def test_a_look_that_fails_is_repeated_and_frees_its_worker() -> None:
    looks = Looks(failing=3)
    async with running(looks, *OTHER, workers=1, share=1) as lane:
        while len(looks.seen) < 6:
            await asyncio.sleep(0)
        assert lane.depth == 0
    assert sorted(looks.seen) == sorted(OTHER * 2)
