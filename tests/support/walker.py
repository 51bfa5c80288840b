"""A seeded walk of agents through random events, steps, deaths and delays.

A walk is a list of moves, each a word, an agent and a number from which its choices follow. So a
walk that breaks a law is told by its seed, replayed by its moves, and shortened by leaving some out.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import lru_cache
from typing import Any, NamedTuple, get_args

from interlock.api import names, steps
from interlock.api.kinds import AgentDeploymentSpec
from interlock.api.observed import Limits, Observed, Vote
from interlock.decide import view
from interlock.decide.status import summarize
from support import laws
from support.world import Refused, Town, World, spec_of
from support.world.executors import Writes
from support.world.town import Member

LIMITS = Limits(cool_down=timedelta(minutes=2), window=timedelta(hours=1))
TRAFFIC: tuple[type, ...] = get_args(steps.TrafficStep)
TOOLS = [
    {"name": name, "endpoint": "https://tools.example/", "effect": "read"} for name in ("a", "b")
]
TOWNS = (("one",), ("one",), ("one",), ("one",), ("one", "two"), ("one", "two", "three"))
JUMPS = (0.1, 0.5, 1, 2, 5, 11, 31, 61, 121, 301)


class Move(NamedTuple):
    """One thing that happens."""

    word: str
    agent: int
    choice: int


@dataclass
class Edge:
    """What a step changed in the one word that people see."""

    before: str
    step: str
    after: str


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
    size = len(moves) // 2
    while size:
        start = 0
        while start < len(moves):
            fewer = moves[:start] + moves[start + size :]
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


@lru_cache(maxsize=4096)
def variant(mark: int, choice: int, town: tuple[str, ...], name: str) -> AgentDeploymentSpec:
    """Return one of the contents that the team may ask for."""
    rng = random.Random(choice)  # noqa: S311
    changes: dict[str, Any] = {"rollout": {"bake": "20s", "drain": "3s"}}
    behaviour = rng.choice(("good",) * 8 + ("never", "crashing"))
    if rng.random() < 0.3:
        changes["mode"] = "autonomous"
    if rng.random() < 0.1:
        changes["rollback"] = {"allowed": False}
    if rng.random() < 0.25:
        changes |= {"tools": TOOLS, "fallback": {"tools": ["a"]}}
    if rng.random() < 0.1:
        changes["rollout"]["autoRollback"] = False
    if len(town) > 1 and rng.random() < 0.7:
        changes["rollout"]["group"] = "g"
    before = town[: town.index(name)]
    if before and rng.random() < 0.4:
        changes["dependsOn"] = [rng.choice(before)]
    return spec_of("abcd"[mark], behaviour if choice else "good", **changes)


# What may happen.


def _want(walk: Walk, world: Member, rng: random.Random) -> None:
    world.want(variant(rng.randrange(4), rng.randrange(40), walk.town.names, world.name))


def _change(walk: Walk, world: Member, rng: random.Random) -> None:
    if world.seen.wanted:
        some = {"paused": rng.random() < 0.4}, {"replicas": rng.choice((1, 2, 3))}
        world.change(**rng.choice((*some, {"warm": rng.choice(("full", "min", "none"))})))


def _delete(walk: Walk, world: Member, rng: random.Random) -> None:
    if world.seen.wanted:
        world.delete()


def _rollback(walk: Walk, world: Member, rng: random.Random) -> None:
    serving = view.serving(world.seen)
    if serving:
        to = rng.choice(["", "", *(one.digest for one in world.seen.revisions.values())])
        world.ask("AgentRollback", expect=serving.digest, cut=rng.random() < 0.3, to=to)


def _quarantine(walk: Walk, world: Member, rng: random.Random) -> None:
    world.ask("AgentQuarantine")


def _release(walk: Walk, world: Member, rng: random.Random) -> None:
    held = [hold.digest for hold in view.holds(world.seen).values()]
    if rng.random() < 0.4:
        world.ask("AgentRelease", frozen=True)
    else:
        world.ask("AgentRelease", digest=rng.choice(["", "", *held]))


def _revoke(walk: Walk, world: Member, rng: random.Random) -> None:
    some = [world.seen.pointer or "", view.candidate(world.seen), *world.seen.revisions]
    name = rng.choice(some)
    if name in world.seen.revisions:
        world.revoke(name)


def _policy(walk: Walk, world: Member, rng: random.Random) -> None:
    mark = rng.choice("abcd")
    chosen = rng.choice((world.blocked, world.unapproved))
    (chosen.discard if rng.random() < 0.6 else chosen.add)(mark)
    world.see(policy=world.seen.policy[-8:] + rng.choice("pqr"))


def _approve(walk: Walk, world: Member, rng: random.Random) -> None:
    world.approvals += 1
    world.lasts = rng.choice((0, 0, 40))
    world.unapproved.clear()


def _govern(walk: Walk, world: Member, rng: random.Random) -> None:
    kind = rng.randrange(4)
    if kind == 0:
        world.see(fresh=rng.random() < 0.7)
    elif kind == 1:
        world.outage = rng.choice((("", ""), ("", ""), ("SourceUnavailable", "down")))
    elif kind == 2:
        world.see(granted=rng.choice(("", "", "no grant")))
    else:
        halted, promoting = rng.choice(("", "", "many")), rng.choice((0, 0, 5))
        world.see(fleet=replace(world.seen.fleet, halted=halted, promoting=promoting))


def _sicken(walk: Walk, world: Member, rng: random.Random) -> None:
    name = rng.choice([world.seen.pointer or "", *world.seen.revisions] or [""])
    (world.sick.add if rng.random() < 0.5 else world.sick.discard)(name)


def _vote(walk: Walk, world: Member, rng: random.Random) -> None:
    name = rng.choice([world.seen.pointer or "", view.candidate(world.seen)])
    verdict = rng.choice(("good", "bad", "bad", "bad", "none"))
    action: Any = rng.choice(("hold", "rollback", "rollback", "rollback", "quarantine", "freeze"))
    world.votes = {name: (Vote("s", verdict, "s", action, rng.random() < 0.5),)}


def _heal(walk: Walk, world: Member, rng: random.Random) -> None:
    world.votes, world.outage, world.lasts = {}, ("", ""), 0
    world.sick.clear()
    world.see(fresh=True, granted="", fleet=replace(world.seen.fleet, halted="", promoting=0))


def _drift(walk: Walk, world: Member, rng: random.Random) -> None:
    world.drifted = ("NetworkPolicy/x: egress",)


def _emergency(walk: Walk, world: Member, rng: random.Random) -> None:
    some = [name for name, eligible in world.seen.admitted.items() if eligible]
    if some and not view.alone(world.seen, world.seen.pointer or "", *some):
        world.emergency(rng.choice(some))


def _wait(walk: Walk, world: Member, rng: random.Random) -> None:
    world.pass_time(rng.choice(JUMPS))
    for one in walk.town.agents.values():
        one.follow()


def _lag(walk: Walk, world: Member, rng: random.Random) -> None:
    parts = ("wanted", "pointer", "workloads", "requests", "revoked", "votes", "preview")
    world.fall_behind(rng.sample(parts, rng.randrange(1, 4)), rng.choice((1, 5, 20)))


def _part(walk: Walk, world: Member, rng: random.Random) -> None:
    walk.step(world, rng.randrange(5))


def _go(walk: Walk, world: Member, rng: random.Random) -> None:
    if walk.running:
        walk.go(rng.choice(sorted(walk.running)), rng.randrange(3))


def _kill(walk: Walk, world: Member, rng: random.Random) -> None:
    for lane in [lane for lane in walk.running if lane[0] == world.name]:
        del walk.running[lane]
    world.kill()


def _pause(walk: Walk, world: Member, rng: random.Random) -> None:
    seen, step = world.look(), world.decide()
    if not isinstance(step, steps.Rest) and len(walk.paused) < 2:
        walk.paused.append((world.name, step, seen, world.known_version()))
        _kill(walk, world, rng)


def _wake(walk: Walk, world: Member, rng: random.Random) -> None:
    if walk.paused:
        name, step, seen, version = walk.paused.pop(0)
        lane = (name, "paused")
        walk.running[lane] = walk.town.agents[name].start(step, (seen, version))
        walk.go(lane, rng.choice((None, 1, 2, 3)))
        walk.running.pop(lane, None)


MOVES: dict[str, Callable[[Walk, Member, random.Random], None]] = {
    name.lstrip("_"): function
    for name, function in list(globals().items())
    if name
    in {
        *("_want", "_change", "_delete", "_rollback", "_quarantine", "_release", "_revoke"),
        *("_policy", "_approve", "_govern", "_sicken", "_vote", "_heal", "_drift", "_emergency"),
        *("_wait", "_lag", "_part", "_go", "_kill", "_pause", "_wake"),
    }
}
WEIGHTS = {
    **{"step": 55, "part": 12, "go": 12, "wait": 14, "want": 4, "change": 1.5, "delete": 0.15},
    **{"rollback": 1.5, "quarantine": 0.4, "release": 1.5, "revoke": 0.5, "policy": 0.7},
    **{"approve": 1, "govern": 0.8, "sicken": 1.2, "vote": 1.5, "heal": 1.6, "drift": 0.5},
    **{"emergency": 0.5, "lag": 1.5, "kill": 1.5, "pause": 0.7, "wake": 0.7},
}


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
