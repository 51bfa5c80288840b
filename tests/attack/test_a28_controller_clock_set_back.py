"""A28: somebody sets the controller's clock back, and what has expired would be fresh again."""

from dataclasses import replace
from datetime import timedelta

from interlock.api import steps
from interlock.api.reasons import Reason
from interlock.api.values import Purpose
from interlock.decide import decide, view
from interlock.decide.status import summarize
from support.world import World, spec_of

A_DAY = timedelta(days=1)
A_MONTH = 30 * 24 * 3600


def set_back(world: World, seconds: float) -> None:
    world.clock.pass_time(-seconds)


def test_what_was_allowed_long_ago_is_not_allowed_again_by_an_older_clock() -> None:
    world = World(lasts=A_MONTH / 2).promote("a")
    allowed = world.want(spec_of("b", paused=True))
    world.settle()
    world.pass_time(A_MONTH)
    world.unapproved.add("b")
    world.settle()
    before = world.pointer
    set_back(world, A_MONTH)
    world.change(paused=False)
    world.settle()
    assert world.pointer == before != allowed


def test_a_verdict_whose_end_was_never_noticed_does_not_come_back_to_life() -> None:
    world = World(lasts=A_MONTH / 2).promote("a")
    before = world.pointer or ""
    world.want(spec_of("b", paused=True))
    world.settle()
    later = replace(world.seen.verdicts[(before, Purpose.ROLLBACK)], at=world.now + A_DAY)
    world.see(verdicts={**world.seen.verdicts, (before, Purpose.ROLLBACK): later})
    world.change(paused=False)
    world.settle()
    assert world.pointer == before


def test_nothing_is_judged_or_promoted_until_the_clock_is_right_and_it_says_so() -> None:
    world = World(lasts=A_MONTH / 2).promote("a")
    before = world.pointer
    set_back(world, A_MONTH)
    new = world.want(spec_of("b"))
    world.settle()
    found = summarize(world.seen, world.now)
    assert (world.pointer, found.reason, found.gate) == (before, Reason.CLOCK_BEHIND, "Stalled")
    world.pass_time(A_MONTH)
    world.settle()
    assert world.pointer == new


def test_rollback_goes_on_by_a_wrong_clock() -> None:
    world = World(lasts=A_MONTH / 2).promote("a", "b")
    first = view.targets(world.seen)[0]
    world.ask("AgentRollback")
    step = decide(world.look(), world.now - timedelta(seconds=A_MONTH))
    assert isinstance(step, steps.MoveBack)
    assert step.to == first


def test_clocks_of_two_controllers_may_differ_by_seconds() -> None:
    world = World(lasts=A_MONTH / 2).promote("a")
    latest = max(verdict.at for verdict in world.seen.verdicts.values())
    assert view.clock_behind(world.seen, latest - view.CLOCK_SKEW) is None
    early = latest - view.CLOCK_SKEW - timedelta(seconds=1)
    assert view.clock_behind(world.seen, early) == latest
