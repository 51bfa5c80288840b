"""A30: the gates said yes to one content, and another one is deployed.

The spec changes between the verdict and the move, or a verdict is carried over to what it was not
made for. A verdict counts for the content whose digest it names, and only with our signature.
"""

from collections.abc import Callable
from dataclasses import replace

import pytest

from interlock.api import steps
from interlock.api.values import Purpose
from support.world import World, spec_of


def until(world: World, kind: type) -> None:
    """Let the controller work until its next step is of this kind."""
    for _ in range(60):
        if isinstance(world.decide(), kind):
            return
        world.step()
    raise AssertionError(f"never {kind.__name__}")


@pytest.mark.parametrize("moment", [steps.Stage, steps.Commit])
def test_a_spec_changed_after_the_verdict_needs_one_of_its_own(moment: type) -> None:
    world = World(unapproved={"b"})
    allowed = world.want(spec_of("a"))
    until(world, moment)
    changed = world.want(spec_of("b"))
    world.settle()
    assert world.seen.verdicts[(allowed, Purpose.PROMOTION)].verdict == "Allowed"
    assert allowed not in world.pointers
    assert changed not in world.pointers
    assert changed not in world.seen.workloads


def test_a_commit_that_was_decided_before_the_change_does_not_reach_the_new_content() -> None:
    world = World(unapproved={"b"})
    allowed = world.want(spec_of("a"))
    until(world, steps.Commit)
    step = world.decide()
    assert isinstance(step, steps.Commit)
    changed = world.want(spec_of("b"))
    assert (step.to, step.digest) != (changed, world.seen.wanted and world.seen.wanted.digest)
    assert step.to == allowed


def _other_revision(world: World, changed: str) -> None:
    verdict = next(iter(world.seen.verdicts.values()))
    key = (verdict.revision, Purpose.PROMOTION)
    world.see(verdicts={key: replace(verdict, name=f"{changed}-1")})


def _other_purpose(world: World, changed: str) -> None:
    verdict = next(iter(world.seen.verdicts.values()))
    back = replace(verdict, revision=changed, purpose=Purpose.ROLLBACK)
    world.see(verdicts={**world.seen.verdicts, (changed, Purpose.ROLLBACK): back})


@pytest.mark.parametrize("carry", [_other_revision, _other_purpose])
def test_a_verdict_carried_over_allows_nothing(carry: Callable[[World, str], None]) -> None:
    world = World(unapproved={"b"})
    world.want(spec_of("a"))
    world.settle()
    before = world.pointer
    changed = world.want(spec_of("b"))
    carry(world, changed)
    world.settle()
    assert world.pointer == before
    assert changed not in world.seen.workloads
