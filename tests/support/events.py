"""What may happen to an agent on a random walk: people, pods, signals, policy, time and deaths."""

import random
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from interlock.api import steps
from interlock.api.kinds import AgentDeploymentSpec
from interlock.api.observed import Vote
from interlock.decide import view
from support.world import spec_of
from support.world.town import Member

if TYPE_CHECKING:
    from support.walker import Walk

TOOLS = [
    {"name": name, "endpoint": "https://tools.example/", "effect": "read"} for name in ("a", "b")
]
JUMPS = (0.1, 0.5, 1, 2, 5, 11, 31, 61, 121, 301)


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


def _want(walk: "Walk", world: Member, rng: random.Random) -> None:
    world.want(variant(rng.randrange(4), rng.randrange(40), walk.town.names, world.name))


def _change(walk: "Walk", world: Member, rng: random.Random) -> None:
    if world.seen.wanted:
        some = {"paused": rng.random() < 0.4}, {"replicas": rng.choice((1, 2, 3))}
        world.change(**rng.choice((*some, {"warm": rng.choice(("full", "min", "none"))})))


def _delete(walk: "Walk", world: Member, rng: random.Random) -> None:
    if world.seen.wanted:
        world.delete()


def _rollback(walk: "Walk", world: Member, rng: random.Random) -> None:
    serving = view.serving(world.seen)
    if serving:
        to = rng.choice(["", "", *(one.digest for one in world.seen.revisions.values())])
        world.ask("AgentRollback", expect=serving.digest, cut=rng.random() < 0.3, to=to)


def _quarantine(walk: "Walk", world: Member, rng: random.Random) -> None:
    world.ask("AgentQuarantine")


def _release(walk: "Walk", world: Member, rng: random.Random) -> None:
    held = [hold.digest for hold in view.holds(world.seen).values()]
    if rng.random() < 0.4:
        world.ask("AgentRelease", frozen=True)
    else:
        world.ask("AgentRelease", digest=rng.choice(["", "", *held]))


def _glass(walk: "Walk", world: Member, rng: random.Random) -> None:
    """The approvals do not come, and somebody breaks the glass, now and then against the rules."""
    wanted = world.seen.wanted
    if wanted and rng.random() < 0.7:
        world.unapproved.add(wanted.spec.image[-1])
    if wanted:
        seconds = rng.choice((600, 600, 600, 600, 40, -5, 90_000))
        world.break_glass(rng.choice(("ann", "bob", "ann", "bob", "")), seconds)


def _revoke(walk: "Walk", world: Member, rng: random.Random) -> None:
    some = [world.seen.pointer or "", view.candidate(world.seen), *world.seen.revisions]
    name = rng.choice(some)
    if name in world.seen.revisions:
        world.revoke(name)


def _policy(walk: "Walk", world: Member, rng: random.Random) -> None:
    mark = rng.choice("abcd")
    chosen = rng.choice((world.blocked, world.unapproved))
    (chosen.discard if rng.random() < 0.6 else chosen.add)(mark)
    world.see(policy=world.seen.policy[-8:] + rng.choice("pqr"))


def _approve(walk: "Walk", world: Member, rng: random.Random) -> None:
    world.approvals += 1
    world.lasts = rng.choice((0, 0, 40))
    world.unapproved.clear()


def _govern(walk: "Walk", world: Member, rng: random.Random) -> None:
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


def _sicken(walk: "Walk", world: Member, rng: random.Random) -> None:
    name = rng.choice([world.seen.pointer or "", *world.seen.revisions])
    (world.sick.add if rng.random() < 0.5 else world.sick.discard)(name)


def _vote(walk: "Walk", world: Member, rng: random.Random) -> None:
    name = rng.choice([world.seen.pointer or "", view.candidate(world.seen)])
    verdict = rng.choice(("good", "bad", "bad", "bad", "none"))
    action: Any = rng.choice(("hold", "rollback", "rollback", "rollback", "quarantine", "freeze"))
    world.votes = {name: (Vote("s", verdict, "s", action, rng.random() < 0.5),)}


def _heal(walk: "Walk", world: Member, rng: random.Random) -> None:
    world.votes, world.outage, world.lasts = {}, ("", ""), 0
    world.sick.clear()
    world.see(fresh=True, granted="", fleet=replace(world.seen.fleet, halted="", promoting=0))


def _drift(walk: "Walk", world: Member, rng: random.Random) -> None:
    world.drifted = ("NetworkPolicy/x: egress",)


def _emergency(walk: "Walk", world: Member, rng: random.Random) -> None:
    some = [name for name, eligible in world.seen.admitted.items() if eligible]
    if some and not view.alone(world.seen, world.seen.pointer or "", *some):
        world.emergency(rng.choice(some))


def _wait(walk: "Walk", world: Member, rng: random.Random) -> None:
    world.pass_time(rng.choice(JUMPS))
    for one in walk.town.agents.values():
        one.follow()


def _lag(walk: "Walk", world: Member, rng: random.Random) -> None:
    parts = ("wanted", "pointer", "workloads", "requests", "revoked", "votes", "preview")
    world.fall_behind(rng.sample(parts, rng.randrange(1, 4)), rng.choice((1, 5, 20)))


def _part(walk: "Walk", world: Member, rng: random.Random) -> None:
    walk.step(world, rng.randrange(5))


def _go(walk: "Walk", world: Member, rng: random.Random) -> None:
    if walk.running:
        walk.go(rng.choice(sorted(walk.running)), rng.randrange(3))


def _kill(walk: "Walk", world: Member, rng: random.Random) -> None:
    for lane in [lane for lane in walk.running if lane[0] == world.name]:
        del walk.running[lane]
    world.kill()


def _pause(walk: "Walk", world: Member, rng: random.Random) -> None:
    seen, step = world.look(), world.decide()
    if not isinstance(step, steps.Rest) and len(walk.paused) < 2:
        walk.paused.append((world.name, step, seen, world.known_version()))
        _kill(walk, world, rng)


def _wake(walk: "Walk", world: Member, rng: random.Random) -> None:
    if walk.paused:
        name, step, seen, version = walk.paused.pop(0)
        lane = (name, "paused")
        walk.running[lane] = walk.town.agents[name].start(step, (seen, version))
        walk.go(lane, rng.choice((None, 1, 2, 3)))
        walk.running.pop(lane, None)


MOVES: dict[str, Callable[[Any, Member, random.Random], None]] = {
    name.lstrip("_"): function
    for name, function in list(globals().items())
    if name
    in {
        *("_want", "_change", "_delete", "_rollback", "_quarantine", "_release", "_revoke"),
        *("_policy", "_approve", "_govern", "_sicken", "_vote", "_heal", "_drift", "_emergency"),
        *("_glass", "_wait", "_lag", "_part", "_go", "_kill", "_pause", "_wake"),
    }
}
WEIGHTS = {
    **{"step": 55, "part": 12, "go": 12, "wait": 14, "want": 4, "change": 1.5, "delete": 0.15},
    **{"rollback": 1.5, "quarantine": 0.4, "release": 1.5, "revoke": 0.5, "policy": 0.7},
    **{"approve": 1, "govern": 0.8, "sicken": 1.2, "vote": 1.5, "heal": 1.6, "drift": 0.5},
    **{"emergency": 0.5, "glass": 1.5, "lag": 1.5, "kill": 1.5, "pause": 0.7, "wake": 0.7},
}
