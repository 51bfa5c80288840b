"""A left revision's pods go on for a moment: nodes follow the pointer eventually, not at once."""

from datetime import datetime, timedelta

from interlock.api import steps
from interlock.decide import decide
from interlock.decide.keep import SETTLE, drain_left, rest_the_rest
from support.world import World, spec_of

MOMENT = timedelta(milliseconds=1)
DRAIN = timedelta(seconds=10)


def just_promoted() -> tuple[World, datetime]:
    """A world that was just promoted from one content to another, and when."""
    world = World()
    world.want(spec_of("a"))
    world.settle()
    world.pass_time(61)
    world.settle()
    world.want(spec_of("b", rollout={"bake": "60s", "drain": "10s"}))
    world.settle()
    ended = world.seen.transitions[-1].ended
    assert ended is not None
    return world, ended


def test_left_pods_are_not_restarted_while_nodes_may_still_route_to_them() -> None:
    world, moved = just_promoted()
    last = world.seen.transitions[-1]
    assert drain_left(world.seen, moved + SETTLE - MOMENT) is None
    assert drain_left(world.seen, moved + SETTLE) == steps.Drain(last.origin, last.name)


def test_it_wakes_up_for_that_by_itself() -> None:
    world, moved = just_promoted()
    step = decide(world.seen, moved)
    assert isinstance(step, steps.Rest)
    assert step.until is not None
    assert step.until <= moved + SETTLE


def test_what_a_rollback_left_is_ended_early_enough_to_leave_within_the_drain() -> None:
    world, _ = just_promoted()
    left = world.seen.transitions[-1].to
    world.ask("AgentRollback", expect=world.seen.revisions[left].digest)
    world.settle()
    move = world.seen.transitions[-1]
    assert (move.type, move.origin) == ("Rollback", left)
    assert move.ended is not None
    last = move.ended + DRAIN - SETTLE
    assert rest_the_rest(world.seen, last - MOMENT) is None
    assert rest_the_rest(world.seen, last) == steps.Scale(left, 0)
