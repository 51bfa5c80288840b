"""A queue of agents that need a look: level-based, coalescing, bounded, with back-off.

An agent is looked at by one worker of a lane at a time; whatever happens meanwhile leads to one
more look. An error delays that agent alone.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from interlock.cluster.cache import Key

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Backoff:
    """Seconds before a failed look is repeated: doubling from first to last."""

    first: float
    last: float


class Lane:
    """One lane with its workers."""

    def __init__(
        self, name: str, workers: int, backoff: Backoff, look: Callable[[Key], Awaitable[None]]
    ) -> None:
        self._name, self._workers, self._backoff, self._look = name, workers, backoff, look
        self._due: dict[Key, None] = {}
        self._busy: set[Key] = set()
        self._again: set[Key] = set()
        self._failures: dict[Key, int] = {}
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._wake = asyncio.Event()

    @property
    def depth(self) -> int:
        """How many agents wait for a look."""
        return len(self._due)

    def add(self, key: Key) -> None:
        """Ask for a look at an agent; asking twice is one look."""
        if key in self._busy:
            self._again.add(key)
            return
        self._due[key] = None
        self._wake.set()

    def add_later(self, key: Key, delay: float) -> None:
        """Ask for a look after `delay` seconds; a sooner wish replaces a later one."""
        loop = asyncio.get_running_loop()
        timer = self._timers.get(key)
        if timer is not None:
            if not timer.cancelled() and timer.when() <= loop.time() + delay:
                return
            timer.cancel()
        self._timers[key] = loop.call_later(max(delay, 0.0), self._fire, key)

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self._workers):
                group.create_task(self._work())

    def _fire(self, key: Key) -> None:
        self._timers.pop(key, None)
        self.add(key)

    async def _work(self) -> None:
        while True:
            while not self._due:
                self._wake.clear()
                await self._wake.wait()
            key = next(iter(self._due))
            del self._due[key]
            self._busy.add(key)
            try:
                await self._once(key)
            finally:
                self._busy.discard(key)
                if key in self._again:
                    self._again.discard(key)
                    self.add(key)

    async def _once(self, key: Key) -> None:
        try:
            await self._look(key)
            self._failures.pop(key, None)
        except Exception as error:  # one agent's trouble must not stop the lane
            count = self._failures.get(key, 0)
            self._failures[key] = count + 1
            delay = min(self._backoff.first * 2**count, self._backoff.last)
            level = logging.WARNING if count < 3 else logging.ERROR
            log.log(
                level,
                "%s lane: %s/%s failed (%s: %s); again in %.2f s",
                self._name,
                key.namespace,
                key.name,
                type(error).__name__,
                error,
                delay,
                exc_info=level == logging.ERROR,
            )
            self.add_later(key, delay)
