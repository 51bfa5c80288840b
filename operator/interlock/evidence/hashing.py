"""Hashes streams on all cores while their next bytes arrive, and remembers what it hashed.

SHA-256 is a chain: one stream is one core's work, so several are read at once, and each is hashed
(and looked into) on worker threads while the event loop reads on; `hashlib` lets go of the
interpreter's lock meanwhile.
"""

import asyncio
import hashlib
import os
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import TypeVar

Item = TypeVar("Item")
Found = TypeVar("Found")
Feed = Callable[[bytes], object]

STREAMS = 8
"""Streams that are read at once."""
WORTHWHILE = 256 * 1024
"""Bytes that are worth a worker's while."""
BATCH = 4 * 1024 * 1024
"""Bytes of a stream that may wait while as many are hashed: what a stream holds is bounded."""
MAX_REMEMBERED = 16 * 1024 * 1024
"""Characters that a cache holds."""


class Digester:
    """The SHA-256 of one stream, piece by piece in their order, on worker threads."""

    def __init__(self, *feeds: Feed) -> None:
        """`feeds` are given each piece as well, in the same order and by one thread at a time."""
        self._sha256 = hashlib.sha256()
        self._feeds = feeds
        self._waiting: list[bytes | memoryview] = []
        self._bytes = 0
        self._busy: asyncio.Future[None] | None = None
        self.size = 0

    async def update(self, piece: bytes | memoryview) -> None:
        """Take the next piece; wait where hashing is behind by more than a batch."""
        self.size += len(piece)
        self._bytes += len(piece)
        self._waiting.append(piece)
        idle = self._busy is None or self._busy.done()
        if self._bytes >= BATCH or (idle and self._bytes >= WORTHWHILE):
            await self._next()

    async def hexdigest(self) -> str:
        """Return the digest of all pieces as 64 hex digits."""
        if self._feeds or self._bytes >= WORTHWHILE:
            await self._next()
        await self._settled()
        self._work(self._taken())
        return self._sha256.hexdigest()

    async def _next(self) -> None:
        """Begin with the batch that was gathered, when the one before is done."""
        await self._settled()
        loop = asyncio.get_running_loop()
        self._busy = loop.run_in_executor(_workers(), self._work, self._taken())

    def _taken(self) -> list[bytes | memoryview]:
        batch, self._waiting, self._bytes = self._waiting, [], 0
        return batch

    async def _settled(self) -> None:
        if self._busy is not None:
            await self._busy

    def _work(self, batch: list[bytes | memoryview]) -> None:
        for piece in batch:
            self._sha256.update(piece)
            for feed in self._feeds:
                feed(bytes(piece))


@lru_cache
def _workers() -> ThreadPoolExecutor:
    """One thread a core that this process may use: more would only wait for each other."""
    return ThreadPoolExecutor(len(os.sched_getaffinity(0)), thread_name_prefix="hash")


async def together(
    items: Iterable[Item], work: Callable[[Item], Awaitable[Found]], most: int = STREAMS
) -> list[Found]:
    """Return what `work` makes of each item, in no order; the first error ends all of it."""
    queue, found = iter(items), list[Found]()

    async def some() -> None:
        """Take from the same queue as the others."""
        for item in queue:
            found.append(await work(item))

    tasks = [asyncio.create_task(some()) for _ in range(most)]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return found


class HashCache:
    """What was hashed before: name to (seconds since 1970, text); plain, so that it can be passed.

    Whoever keeps one gives it to jobs for one and the same agent only: what a job wrote into it is
    believed by the next.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._known: OrderedDict[str, tuple[float, str]] = OrderedDict()
        self._size = 0

    def get(self, key: str, seconds: float) -> str | None:
        """Return what was put under a name, not longer ago than so many seconds."""
        at, text = self._known.get(key, (0.0, None))
        return text if 0 <= self._clock() - at <= seconds else None

    def put(self, key: str, text: str) -> None:
        """Remember a text; the oldest are forgotten where there is no room."""
        self.load({key: (self._clock(), text)})

    def items(self) -> dict[str, tuple[float, str]]:
        """Return everything, oldest first."""
        return dict(self._known)

    def load(self, items: dict[str, tuple[float, str]]) -> None:
        """Take over what another cache gave as its items."""
        for key, value in items.items():
            self._drop(key)
            self._known[key] = value
            self._size += len(key) + len(value[1])
        while self._size > MAX_REMEMBERED:
            self._drop(next(iter(self._known)))

    def _drop(self, key: str) -> None:
        if key in self._known:
            self._size -= len(key) + len(self._known.pop(key)[1])
