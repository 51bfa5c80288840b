"""A queue of agents that need a look: level-based, coalescing, bounded, with back-off.

An agent is looked at by one worker of a lane at a time; whatever happens meanwhile leads to one
more look. An error delays that agent alone. Teams take turns, and none has more workers than its
share: a team whose sources hang waits for them by itself. Agents that a person asked something of
come before the others, in turns and within shares as these.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from interlock.cluster.cache import Key

Teams = dict[str, dict[Key, None]]
"""What waits, by team; whose turn it is comes first."""
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Backoff:
    """Seconds before a failed look is repeated: doubling from first to last."""

    first: float
    last: float


class Lane:
    """One lane with its workers."""

    def __init__(
        self,
        name: str,
        workers: int,
        backoff: Backoff,
        look: Callable[[Key], Awaitable[None]],
        share: int | None = None,
    ) -> None:
        """`share` is how many workers one team's agents may have at a time; None for all."""
        self.name, self._workers, self._backoff, self._look = name, workers, backoff, look
        self._share = share or workers
        self._first: Teams = {}
        self._due: Teams = {}
        self._busy: set[Key] = set()
        self._working: Counter[str] = Counter()
        self._again: dict[Key, bool] = {}
        """What is to be looked at once more, and whether before the others."""
        self._failures: dict[Key, int] = {}
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._wake = asyncio.Event()

    @property
    def depth(self) -> int:
        """How many agents wait for a look."""
        return sum(len(due) for teams in (self._first, self._due) for due in teams.values())

    def add(self, key: Key, *, first: bool = False) -> None:
        """Ask for a look at an agent, where asked before others; asking twice is one look."""
        if key in self._busy:
            self._again[key] = first or self._again.get(key, False)
            return
        if first:
            _drop(self._due, key)
        if key not in self._first.get(key.namespace, ()):
            (self._first if first else self._due).setdefault(key.namespace, {})[key] = None
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
            while (key := self._take()) is None:
                self._wake.clear()
                await self._wake.wait()
            self._busy.add(key)
            self._working[key.namespace] += 1
            try:
                await self._once(key)
            finally:
                self._done(key)
            await asyncio.sleep(0)  # a look may await nothing; thousands must not hold the loop

    def _take(self) -> Key | None:
        """Take out the next agent of the next team that has not its whole share of workers."""
        for teams in (self._first, self._due):
            team = next((one for one in teams if self._working[one] < self._share), None)
            if team is not None:
                due = teams.pop(team)
                key = next(iter(due))
                del due[key]
                if due:
                    teams[team] = due
                return key
        return None

    def _done(self, key: Key) -> None:
        self._busy.discard(key)
        self._working[key.namespace] -= 1
        if not self._working[key.namespace]:
            del self._working[key.namespace]
        if key in self._again:
            self.add(key, first=self._again.pop(key))
        if self._first or self._due:
            self._wake.set()

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
                self.name,
                key.namespace,
                key.name,
                type(error).__name__,
                error,
                delay,
                exc_info=level == logging.ERROR,
            )
            self.add_later(key, delay)


def _drop(teams: Teams, key: Key) -> None:
    """Take an agent out of its team's turn."""
    due = teams.get(key.namespace, {})
    due.pop(key, None)
    if not due:
        teams.pop(key.namespace, None)
