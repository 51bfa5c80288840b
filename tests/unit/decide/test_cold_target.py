"""A rollback to a cold target may wait for long; what is urgent does not wait behind it."""

from dataclasses import replace

from interlock.api import steps
from interlock.api.observed import Transition
from interlock.decide import RULES, decide, rules
from support.world import World, spec_of


def _waiting(*, cut: bool = False) -> tuple[World, Transition]:
    """A world in which a rollback from the second to the first revision is open."""
    world = World()
    for mark in "ab":
        world.want(spec_of(mark))
        world.settle()
        world.pass_time(61)
        world.settle()
    seen = world.seen
    first, second = (record for record in seen.transitions)
    record = replace(
        second,
        name="one-3",
        number=3,
        type="Rollback",
        origin=second.to,
        to=first.to,
        cause="requested",
        request="u-back",
        cut=cut,
        end=None,
        ended=None,
        healthy=None,
    )
    world.seen = replace(seen, transitions=(*seen.transitions, record))
    return world, record


def _finish(world: World) -> steps.FinishTransition:
    step = decide(world.seen, world.now)
    assert isinstance(step, steps.FinishTransition)
    return step


def test_it_goes_on_as_long_as_nothing_is_urgent() -> None:
    world, _ = _waiting()
    assert not _finish(world).abandon


def test_a_quarantine_does_not_wait_behind_it() -> None:
    world, record = _waiting()
    world.ask("AgentQuarantine")
    assert _finish(world).abandon
    ended = replace(record, end="Abandoned", ended=world.now)
    world.seen = replace(world.seen, transitions=(*world.seen.transitions[:-1], ended))
    step = decide(world.seen, world.now)
    assert isinstance(step, steps.MoveBack)
    assert step.type == "Quarantine"


def test_a_revoked_revision_does_not_serve_on_behind_it() -> None:
    world, record = _waiting()
    world.revoke(record.origin)
    assert _finish(world).abandon


def test_a_cut_that_is_under_way_is_not_started_anew() -> None:
    world, record = _waiting(cut=True)
    world.revoke(record.origin)
    assert not _finish(world).abandon


def test_it_does_not_lead_to_what_was_revoked_meanwhile() -> None:
    world, record = _waiting()
    world.revoke(record.to)
    assert _finish(world).abandon


def test_a_request_whose_record_was_abandoned_is_not_called_done() -> None:
    world, record = _waiting()
    ended = replace(record, end="Abandoned", ended=world.now)
    world.seen = replace(world.seen, transitions=(*world.seen.transitions[:-1], ended))
    world.ask("AgentRollback", expect="0" * 10)
    asked = replace(world.seen.requests[0], uid="u-back")
    world.seen = replace(world.seen, requests=(asked,))
    step = decide(world.seen, world.now)
    assert isinstance(step, steps.Refuse)
    assert "one-3 was abandoned" in step.message


def test_a_deleted_agent_leaves_even_while_it_waits() -> None:
    world, _ = _waiting()
    assert world.seen.wanted
    world.seen = replace(world.seen, wanted=replace(world.seen.wanted, deleting=True))
    assert isinstance(decide(world.seen, world.now), steps.Finalize)
    assert RULES[0] is rules.leave_deleted
