"""The AgentDeployment is edited after it was judged and before it runs.

A verdict is on a digest. Each observation digests the spec anew, so what is edited is another
candidate, without a verdict; and what was judged is rendered from its own record.
"""

import pytest

from interlock.api import steps
from interlock.api.values import Purpose
from support.world import World, spec_of

GOOD, EVIL = spec_of("a"), spec_of("e")


def serving_first() -> World:
    """Something serves, and what is marked `e` has no approvals."""
    return World(unapproved={"e"}).promote("0")


def staged() -> World:
    """An approved candidate is staged, and the next step would be to prove or commit it."""
    world = serving_first()
    world.want(GOOD)
    for _ in range(40):
        if isinstance(world.step(), steps.Stage):
            return world
    raise AssertionError("nothing was staged")


def test_what_was_approved_comes_to_serve() -> None:
    world = staged()
    world.settle()
    assert world.pointer == world.want(GOOD)


@pytest.mark.parametrize("more", range(6))
def test_an_edit_at_any_step_after_the_verdict_does_not_run(more: int) -> None:
    world = serving_first()
    world.want(GOOD)
    while not isinstance(world.step(), steps.Judge):
        pass
    for _ in range(more):
        world.step()
    before = world.pointer
    evil = world.want(EVIL)
    world.settle()
    world.pass_time(3600)
    world.settle()
    assert evil not in world.pointers
    assert evil not in world.seen.staged
    assert world.pointer == before


def test_the_verdict_of_the_one_is_none_of_the_other() -> None:
    world = staged()
    evil, before = world.want(EVIL), len(world.log)
    world.settle()
    judged = [step for step in world.log[before:] if isinstance(step, steps.Judge)]
    assert [step.revision for step in judged if step.purpose is Purpose.PROMOTION] == [evil]
    assert not [s for s in world.log[before:] if isinstance(s, steps.Stage | steps.Commit)]


def test_an_edit_and_back_runs_what_was_approved() -> None:
    world = staged()
    world.want(EVIL)
    world.step()
    good = world.want(GOOD)
    world.settle()
    assert world.pointer == good
