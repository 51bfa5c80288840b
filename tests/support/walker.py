"""A seeded walk of agents through random events, steps, deaths and delays.

A walk is a list of moves, each a word, an agent and a number from which its choices follow. So one
that breaks a law is told by its seed, replayed by its moves, and shortened by leaving some out.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import NamedTuple, get_args

from interlock.api import names, steps
from interlock.api.observed import Limits, Observed
from interlock.decide import view
from interlock.decide.status import summarize
from support import laws
from support.events import MOVES, WEIGHTS, variant
from support.world import Refused, Town, World
from support.world.executors import Writes
from support.world.town import Member

LIMITS = Limits(cool_down=timedelta(minutes=2), window=timedelta(hours=1))
TRAFFIC: tuple[type, ...] = get_args(steps.TrafficStep)
TOWNS = (("one",), ("one",), ("one",), ("one",), ("one", "two"), ("one", "two", "three"))
MOST_TRIES = 150
"""Shorter walks that are tried to tell why one broke a law."""


class Move(NamedTuple):
    """One thing that happens."""

    word: str
    agent: int
    choice: int


@dataclass
class Walk:
    """One town on its way; moves are made one by one."""

    town: Town
    running: dict[tuple[str, str], Writes] = field(default_factory=dict)
    """(agent, lane) to a step that is not done yet."""
    paused: list[tuple[str, steps.Step, Observed, int]] = field(default_factory=list)
    """What a process had decided before it was paused and another took over."""
    counts: Counter[str] = field(default_factory=Counter)
    moves: int = 0
    on_edge: Callable[[str, str, str], None] | None = None

    @property
    def transitions(self) -> int:
        """Moves and steps, rests left out."""
        return self.moves + sum(self.counts.values())

    def make(self, move: Move) -> None:
        """Make one move, and look whether all laws hold."""
        agents = list(self.town.agents.values())
        world, rng = agents[move.agent % len(agents)], random.Random(move.choice)  # noqa: S311
        if move.word == "step":
            self.step(world)
            return
        self.moves += 1
        MOVES[move.word](self, world, rng)
        for one in agents:
            laws.check_state(one)

    def step(self, world: Member, writes: int | None = None) -> steps.Step:
        """Decide, and do all of it, or so many writes of it."""
        seen, now = world.look(), world.now
        step = world.decide()
        laws.check_step(seen, step, now)
        lane = (world.name, "traffic" if isinstance(step, TRAFFIC) else "work")
        if isinstance(step, steps.Rest) or lane in self.running:
            return step
        self.counts[type(step).__name__] += 1
        self.running[lane] = world.start(step)
        before = summarize(seen, now).reason.value if self.on_edge else ""
        self.go(lane, writes)
        if self.on_edge:
            after = summarize(world.look(), world.now).reason.value
            self.on_edge(before, type(step).__name__, after)
        return step

    def go(self, lane: tuple[str, str], writes: int | None = None) -> None:
        """Let a running step write, all or so much."""
        world, running = self.town.agents[lane[0]], self.running[lane]
        left = 1000 if writes is None else writes
        try:
            for _ in range(left + 1):
                next(running)
                world.follow()
                laws.check_state(world)
        except (StopIteration, Refused):
            del self.running[lane]
        world.follow()
        laws.check_state(world)

    def come_to_rest(self) -> None:
        """No events any more: every agent reaches a fixed point, and it is a good one."""
        for lane in list(self.running):
            self.go(lane)
        self.paused.clear()
        agents = list(self.town.agents.values())
        for one in agents:
            one.lag = None
        quiet, before = 0, ""
        for _ in range(200):
            self._settle(agents)
            after = repr([_shape(one) for one in agents])
            quiet = quiet + 1 if after == before else 0
            if quiet > 12:
                break
            before = after
            self.town.clock.pass_time(31)
        laws.need(quiet > 12, "liveness: no fixed point in 100 minutes")
        for one in agents:
            laws.check_rest(one, one.look())
        laws.check_group(list(agents), self.town.clock.now)

    def _settle(self, agents: list[Member]) -> None:
        for _ in range(120):
            done = [isinstance(self.step(one), steps.Rest) for one in agents]
            if all(done):
                return
            self.town.clock.pass_time(0.5)
        last = [type(step).__name__ for one in agents for step in one.log[-6:]]
        laws.need(_outside(agents), f"liveness: no rest after 120 steps: {last}")


def walk(seed: int, length: int = 120) -> Walk:
    """Walk one town; raise `laws.Broken` with the seed and the moves where a law is broken."""
    rng = random.Random(seed)  # noqa: S311
    moves = list(random_moves(rng, length))
    going = begin(seed)
    for number, move in enumerate(moves, start=1):
        try:
            going.make(move)
        except (laws.Broken, AssertionError, KeyError) as error:
            raise laws.Broken(_told(seed, moves[:number], error)) from error
    try:
        going.come_to_rest()
    except (laws.Broken, AssertionError, KeyError) as error:
        raise laws.Broken(_told(seed, moves, error)) from error
    return going


def walk_until(transitions: int, first: int) -> tuple[int, int, Counter[str]]:
    """Walk town after town; return transitions, seeds used, and how often each step was made."""
    made, seed, counts = 0, first, Counter[str]()
    while made < transitions:
        going = walk(seed)
        made, seed, counts = made + going.transitions, seed + 1, counts + going.counts
    return made, seed - first, counts


def edges(seeds: Iterable[int], length: int = 120) -> Counter[tuple[str, str, str]]:
    """Count what steps change in the one word that people see: before, step, after."""
    found = Counter[tuple[str, str, str]]()
    for seed in seeds:
        going = begin(seed)
        going.on_edge = lambda *edge: found.update([edge])
        for move in random_moves(random.Random(seed), length):  # noqa: S311
            going.make(move)
        going.come_to_rest()
    return found


def begin(seed: int) -> Walk:
    """A town in which nothing has happened yet."""
    town = Town(TOWNS[seed % len(TOWNS)])
    for one in town.agents.values():
        one.pod_start, one.pod_end = (seed % 3) * 1.0, (seed % 4) * 1.5
        one.see(limits=LIMITS, inspected=one.now)
        one.want(variant(0, 0, town.names, one.name))
    return Walk(town)


def random_moves(rng: random.Random, length: int) -> Iterator[Move]:
    """Yield moves; most are steps, or nothing would ever come far."""
    words, weights = list(WEIGHTS), list(WEIGHTS.values())
    for _ in range(length):
        word = rng.choices(words, weights)[0]
        yield Move(word, rng.randrange(6), rng.randrange(1 << 30))


def shortened(seed: int, moves: list[Move]) -> list[Move]:
    """Leave out moves as long as a law stays broken."""
    size, tries = len(moves) // 2, 0
    while size:
        start = 0
        while start < len(moves) and tries < MOST_TRIES:
            fewer, tries = moves[:start] + moves[start + size :], tries + 1
            if breaks(seed, fewer):
                moves = fewer
            else:
                start += size
        size //= 2
    return moves


def breaks(seed: int, moves: Iterable[Move]) -> str:
    """Return the law that these moves break, or nothing."""
    going = begin(seed)
    try:
        for move in moves:
            going.make(move)
        going.come_to_rest()
    except (laws.Broken, AssertionError, KeyError) as error:
        return f"{type(error).__name__}: {error}"
    return ""


def _told(seed: int, moves: list[Move], error: Exception) -> str:
    short = shortened(seed, moves)
    lines = [f"seed {seed}: {error}", f"{len(short)} of {len(moves)} moves break it:"]
    return "\n".join([*lines, *(f"    {move}" for move in short), breaks(seed, short)])


def _shape(world: World) -> object:
    seen = world.seen
    loads = {name: load.replicas for name, load in sorted(seen.workloads.items())}
    return seen.pointer, len(seen.transitions), loads, sorted(seen.admitted), seen.preview


def _outside(agents: list[Member]) -> bool:
    """Whether what is waited for is not ours to bring about: the target's pods are sick."""
    opened = [(one, view.open_record(one.seen)) for one in agents]
    waiting = [(one, record) for one, record in opened if record]
    return any(
        record.to in one.sick or record.to == names.NO_REVISION or _bad_image(one, record.to)
        for one, record in waiting
    )


def _bad_image(world: Member, name: str) -> bool:
    known = world.seen.revisions.get(name)
    return known is not None and "/good@" not in known.spec.image
