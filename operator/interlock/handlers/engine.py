"""Observe, decide, act: the loop around the pure core, in two lanes.

The traffic lane reads caches only and is never behind anybody's work. The work lane asks the
world, writes status, and hands over whatever turns out to be traffic.
"""

import asyncio
import logging
from datetime import datetime
from typing import get_args

from interlock.actions.announce import announce
from interlock.actions.dispatch import run_traffic, run_work
from interlock.actions.observe import Observer
from interlock.actions.ports import TrafficPorts, WorkPorts
from interlock.api.observed import Observed
from interlock.api.steps import Commit, MoveBack, Record, Rest, Step, TrafficStep
from interlock.cluster import status
from interlock.cluster.cache import Key
from interlock.decide import decide
from interlock.decide.status import status as status_of
from interlock.handlers import metrics
from interlock.handlers.lane import Backoff, Lane

log = logging.getLogger(__name__)
_TRAFFIC: tuple[type, ...] = get_args(TrafficStep)
TRAFFIC_WORKERS = 32
WORK_WORKERS = 16
WORK_SHARE = 6
"""Workers of the work lane that one team's agents may have: they wait for the team's sources."""

PAPERWORK = frozenset({"BreakGlass", "Ratification"})
"""Records that say nothing of a revision's health."""
GIVE_WAY, GIVE_WAY_SECONDS = 40, 0.025
"""How often, and for how long, work waits while traffic waits for a worker."""
LOOK_AGAIN = 1.0
"""Seconds after which a step that waits is repeated, if nothing changed before."""


class Engine:
    """Both lanes over one set of ports."""

    def __init__(self, ports: WorkPorts, traffic: TrafficPorts, observer: Observer) -> None:
        """`traffic` differs from the ports of work in whose requests come first."""
        self._ports, self._traffic, self._observer = ports, traffic, observer
        self.traffic = Lane("traffic", TRAFFIC_WORKERS, Backoff(0.02, 2.0), self._move)
        self.work = Lane("work", WORK_WORKERS, Backoff(0.2, 30.0), self._work, WORK_SHARE)

        self._waiting: dict[Key, Step] = {}
        """Traffic steps that did what they can, and wait for the cluster to follow."""
        self._asked: set[Key] = set()
        """Agents that a person asked something of, until nothing is left to do."""

    def enqueue(self, key: Key, *, asked: bool = False) -> None:
        """Something about an agent changed; where a person asked for it, it comes before others."""
        if asked:
            self._asked.add(key)
        self.traffic.add(key, first=asked)

    def enqueue_all(self, spread: float = 0.0) -> None:
        """Look at every agent, because something that concerns all changed.

        A routine look is spread over so many seconds, so that no event queues behind all agents.
        """
        found = list(self._ports.traffic.cache.all("AgentDeployment"))
        for index, obj in enumerate(found):
            key = Key(obj["metadata"]["namespace"], obj["metadata"]["name"])
            if spread:
                self.traffic.add_later(key, spread * index / len(found))
            else:
                self.enqueue(key)

    async def _move(self, key: Key) -> None:
        seen, step = self._decide(key)
        if not isinstance(step, _TRAFFIC):
            self._hand_over(key)
            return
        if isinstance(step, Commit):
            self._observer.fleet.begin(key)
        with metrics.step(step):
            applied = await run_traffic(step, key, self._traffic)  # type: ignore[arg-type]
        self._tell(key, step, applied.message)
        self._after(key, seen, step)
        self._hand_over(key)
        if applied.again:
            self._waiting.pop(key, None)
            self._look_again(key)
        else:
            self._waiting[key] = step
            self.traffic.add_later(key, LOOK_AGAIN)

    def _hand_over(self, key: Key) -> None:
        self.work.add(key, first=key in self._asked)

    def _look_again(self, key: Key) -> None:
        self.traffic.add(key, first=key in self._asked)

    def _after(self, key: Key, seen: Observed, step: Step) -> None:
        """What was said of a revision that traffic left counts no more; its group looks too."""
        metrics.moved(step)
        if isinstance(step, Record) and step.type not in PAPERWORK:
            # a person looked: what was measured before counts no more
            self._ports.memory(key).samples.clear()
        if isinstance(step, MoveBack):
            self._ports.memory(key).samples.pop(step.origin, None)
        for peer in seen.peers:
            if peer.exists:
                self.traffic.add(Key(key.namespace, peer.name))

    async def _work(self, key: Key) -> None:
        await self._give_way()
        seen, step = self._decide(key)
        if isinstance(step, _TRAFFIC):
            if self._waiting.get(key) != step:  # or the lanes would play ping-pong
                self._look_again(key)
        elif isinstance(step, Rest):
            self._asked.discard(key)
            self._sleep(key, step)
        else:
            with metrics.step(step):
                applied = await run_work(step, key, self._ports, seen)  # type: ignore[arg-type]
            self._tell(key, step, applied.message)
            if applied.again:
                self._look_again(key)
        await self._report(key)

    async def _give_way(self) -> None:
        """Let traffic of all agents go first, for a while: one process has one core."""
        for _ in range(GIVE_WAY):
            if not self.traffic.depth:
                return
            await asyncio.sleep(GIVE_WAY_SECONDS)

    def _decide(self, key: Key) -> tuple[Observed, Step]:
        now = self._now()
        seen = self._observer.look(key, now)
        return seen, decide(seen, now)

    def _sleep(self, key: Key, step: Rest) -> None:
        if step.until is not None:
            self.traffic.add_later(key, (step.until - self._now()).total_seconds() + 0.01)

    async def _report(self, key: Key) -> None:
        """Write the agent's status as it is after what was just done."""
        cache = self._ports.traffic.cache
        obj = cache.get("AgentDeployment", key.namespace, key.name)
        if obj is None:
            self._ports.memories.pop(key, None)
            self._waiting.pop(key, None)
            self._asked.discard(key)
            self._observer.fleet.forget(key)
            return
        now = self._now()
        seen = self._observer.look(key, now)
        wanted = status_of(seen, now, obj.get("status") or {})
        if wanted and (written := await status.write(self._ports.traffic.client, obj, wanted)):
            cache.merge(written)
        await announce(key, self._ports, seen)

    def _tell(self, key: Key, step: Step, message: str) -> None:
        extra = {"agent": f"{key.namespace}/{key.name}", "step": type(step).__name__}
        log.info(message, extra=extra)

    def _now(self) -> datetime:
        return self._ports.traffic.clock()
