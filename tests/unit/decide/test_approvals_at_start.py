"""An approval counts when the rollout starts and when traffic moves, not only when it was read."""

import pytest

from interlock.api import steps
from interlock.decide import view
from support.world import World, spec_of

LASTS = 40.0


def until(world: World, kind: type[steps.Step], limit: int = 60) -> steps.Step:
    """Go on until a step of this kind was done."""
    for _ in range(limit):
        step = world.step()
        if isinstance(step, kind):
            return step
    raise AssertionError(f"no {kind.__name__} after {limit} steps: {world.log[-8:]}")


@pytest.fixture
def world() -> World:
    """`a` serves; the approvals of what comes next end soon after they were judged."""
    made = World().promote("a")
    made.lasts = LASTS
    return made


def test_approvals_that_ended_since_they_were_judged_start_nothing(world: World) -> None:
    world.want(spec_of("b"))
    until(world, steps.Judge)
    world.pass_time(LASTS)
    world.unapproved.add("b")
    world.settle()
    assert not any(isinstance(step, steps.Stage) for step in world.log[-3:])
    assert world.transitions()[-1] == "Promotion"
    assert [move.type for move in view.moves(world.seen)] == ["Promotion"]


def test_approvals_that_end_while_pods_start_move_no_traffic(world: World) -> None:
    before = world.pointer
    world.want(spec_of("b"))
    until(world, steps.Stage)
    world.pass_time(LASTS)
    world.unapproved.add("b")
    world.settle()
    assert world.pointer == before


def test_those_that_still_hold_let_it_start(world: World) -> None:
    name = world.want(spec_of("b"))
    until(world, steps.Judge)
    world.pass_time(LASTS - 1)
    world.settle()
    assert world.pointer == name


def test_another_predecessor_than_when_it_was_judged_asks_the_gates_again(world: World) -> None:
    """Judged as the successor of `b`, which an SRE left meanwhile for `a`."""
    world.lasts = 0
    world.promote("b")
    world.want(spec_of("c", "never"))
    until(world, steps.Stage)
    judged = sum(isinstance(step, steps.Judge) for step in world.log)
    serving = view.serving(world.seen)
    assert serving
    world.ask("AgentRollback", expect=serving.digest)
    until(world, steps.MoveBack)
    until(world, steps.Judge)
    assert sum(isinstance(step, steps.Judge) for step in world.log) > judged


def test_the_nonces_that_a_promotion_rests_on_are_in_its_record(world: World) -> None:
    world.lasts = 0
    world.approvals = 7
    world.promote("b")
    record = world.seen.transitions[-1]
    assert (record.type, record.nonces) == ("Promotion", ("n7",))
    assert "n7" in view.spent(world.seen, record.digest)
