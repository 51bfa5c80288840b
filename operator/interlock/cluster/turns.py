"""Who may ask the API server now: traffic and the Lease at once, work when there is room.

The lanes keep a rollback from waiting behind work in this process. But all our requests share the
API server's cores, and there one that is sent beside a hundred others waits all the same. So work
has few requests under way, and hardly any while traffic has one.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

AT_ONCE = 8
"""Requests of work under way at once: more of them queue in the API server, and are not faster."""
BESIDE_TRAFFIC = 2
"""So many while traffic asks something. Never none: much traffic must not end all work."""


class Turns:
    """The places of one process at the API server."""

    def __init__(self) -> None:
        self._urgent = self._working = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @asynccontextmanager
    async def traffic(self) -> AsyncIterator[None]:
        """Ask at once; work leaves room meanwhile."""
        self._urgent += 1
        try:
            yield
        finally:
            self._urgent -= 1
            self._admit()

    @asynccontextmanager
    async def work(self) -> AsyncIterator[None]:
        """Ask when there is room, in the order of asking."""
        await self._place()
        try:
            yield
        finally:
            self._working -= 1
            self._admit()

    async def _place(self) -> None:
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(mine)
        self._admit()
        try:
            await mine
        except asyncio.CancelledError:
            if not mine.cancelled():  # the place was given already, and nobody will use it
                self._working -= 1
                self._admit()
            raise

    def _admit(self) -> None:
        room = BESIDE_TRAFFIC if self._urgent else AT_ONCE
        while self._waiting and self._working < room:
            first = self._waiting.popleft()
            if not first.done():  # who gave up waiting is passed over
                self._working += 1
                first.set_result(None)
