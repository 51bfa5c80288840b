"""Work leaves room at the API server while traffic asks, and is never stopped by it."""

import asyncio
from contextlib import AsyncExitStack

from interlock.cluster.turns import AT_ONCE, BESIDE_TRAFFIC, Turns


class Work:
    """Requests of work, each of which lasts until it is ended."""

    def __init__(self, turns: Turns, count: int) -> None:
        self.turns, self.asking, self.end = turns, list[int](), asyncio.Event()
        self.tasks = [asyncio.create_task(self._ask(number)) for number in range(count)]

    async def _ask(self, number: int) -> None:
        async with self.turns.work():
            self.asking.append(number)
            await self.end.wait()


async def settled() -> None:
    """Let everything run that can."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_work_has_few_requests_under_way_and_all_come_to_their_turn() -> None:
    work = Work(Turns(), AT_ONCE + 3)
    await settled()
    assert work.asking == list(range(AT_ONCE))
    work.end.set()
    await asyncio.gather(*work.tasks)
    assert work.asking == list(range(AT_ONCE + 3))


async def test_work_leaves_room_while_traffic_asks_and_goes_on_all_the_same() -> None:
    turns = Turns()
    async with turns.traffic():
        work = Work(turns, AT_ONCE)
        await settled()
        assert len(work.asking) == BESIDE_TRAFFIC
        async with turns.traffic():
            pass
        await settled()
        assert len(work.asking) == BESIDE_TRAFFIC
    await settled()
    assert len(work.asking) == AT_ONCE
    work.end.set()
    await asyncio.gather(*work.tasks)


async def test_traffic_waits_for_nobody() -> None:
    turns = Turns()
    work = Work(turns, AT_ONCE)
    await settled()
    async with AsyncExitStack() as stack, asyncio.timeout(1):
        for _ in range(100):
            await stack.enter_async_context(turns.traffic())
    work.end.set()
    await asyncio.gather(*work.tasks)


async def test_who_is_cancelled_leaves_no_place_taken() -> None:
    turns = Turns()
    asking = Work(turns, AT_ONCE)
    waiting = Work(turns, 2)
    await settled()
    waiting.tasks[0].cancel()
    asking.tasks[0].cancel()
    await asyncio.sleep(0)  # now its place was given to the other one that waits
    waiting.tasks[1].cancel()
    asking.end.set()
    await asyncio.gather(*asking.tasks, *waiting.tasks, return_exceptions=True)
    assert waiting.asking == []
    later = Work(turns, AT_ONCE)
    await settled()
    assert len(later.asking) == AT_ONCE
    later.end.set()
    await asyncio.gather(*later.tasks)
