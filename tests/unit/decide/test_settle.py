"""A left revision's pods go on for a moment: nodes follow the pointer eventually, not at once."""

from datetime import datetime, timedelta

from interlock.api import steps
from interlock.decide import decide
from interlock.decide.keep import SETTLE, drain_left
from support.world import World, spec_of


def just_promoted(**rollout: str) -> tuple[World, datetime]:
    """A world that was just promoted from one content to another, and when."""
    world = World()
    world.want(spec_of("a"))
    world.settle()
    world.pass_time(61)
    world.settle()
    world.want(spec_of("b", rollout={"bake": "60s"} | rollout))
    world.settle()
    ended = world.seen.transitions[-1].ended
    assert ended is not None
    return world, ended


def test_left_pods_are_not_restarted_while_nodes_may_still_route_to_them() -> None:
    world, moved = just_promoted()
    last = world.seen.transitions[-1]
    assert drain_left(world.seen, moved + SETTLE - timedelta(milliseconds=1)) is None
    assert drain_left(world.seen, moved + SETTLE) == steps.Drain(last.origin, last.name)


def test_it_wakes_up_for_that_by_itself() -> None:
    world, moved = just_promoted()
    step = decide(world.seen, moved)
    assert isinstance(step, steps.Rest)
    assert step.until is not None
    assert step.until <= moved + SETTLE
