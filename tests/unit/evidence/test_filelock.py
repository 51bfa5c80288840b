"""One process at a time works in a mirror, and a dead one holds nobody up."""

import asyncio
import fcntl
from pathlib import Path

from interlock.evidence.filelock import locked


async def test_one_holds_it_and_the_other_waits(tmp_path: Path) -> None:
    path = tmp_path / "git" / "lock"
    order = []

    async def second() -> None:
        async with locked(path):
            order.append("second")

    async with locked(path):
        waiting = asyncio.create_task(second())
        await asyncio.sleep(0)
        order.append("first")
    await waiting
    assert order == ["first", "second"]


async def test_waiting_can_be_cancelled_and_leaves_no_lock(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with path.open("wb") as other:
        fcntl.flock(other.fileno(), fcntl.LOCK_EX)
        try:
            async with asyncio.timeout(0), locked(path):
                raise AssertionError("it was held by another")
        except TimeoutError:
            pass
    async with locked(path):
        pass
