"""Broken glass lets a content in for a while; without the quorum it comes out again by itself."""

from dataclasses import replace
from datetime import timedelta

import pytest

from interlock.api import steps
from interlock.decide import decide, view
from interlock.decide.status import status
from support.world import TIMING, World, spec_of


def _asking(*, mark: str = "b", **changes: object) -> World:
    """A world in which `a` serves, and `b` is wanted and waits for approvals that do not come."""
    world = World().promote("a")
    world.unapproved.add(mark)
    world.want(spec_of(mark, **changes))
    world.settle()
    assert world.pointer == _name(world, "a")
    return world


def _let_in(*persons: str, **changes: object) -> World:
    world = _asking(**changes)
    for person in persons:
        world.break_glass(person)
    world.settle()
    return world


def _name(world: World, mark: str) -> str:
    fitting = (n for n, one in world.seen.revisions.items() if one.spec.image[-1] == mark)
    return next(fitting, "")


def _refusal(world: World) -> str:
    step = decide(world.seen, world.now)
    assert isinstance(step, steps.Refuse), step
    return step.message


def _shown(world: World) -> dict[str, object]:
    return status(world.seen, world.now, {})


def test_without_it_nothing_moves() -> None:
    world = _asking()
    world.pass_time(3600)
    world.settle()
    assert world.pointer == _name(world, "a")


def test_one_person_lets_it_in_until_the_deadline_and_then_traffic_goes_back() -> None:
    world = _let_in("ann")
    assert world.pointer == _name(world, "b")
    promotion = world.seen.transitions[-1]
    assert promotion.break_glass == (world.seen.transitions[-2].name,)
    assert promotion.ratify_by is not None
    assert 290 < (promotion.ratify_by - world.now).total_seconds() <= 300
    world.pass_time(295)
    world.settle()
    assert world.pointer == _name(world, "b")
    world.pass_time(6)
    world.settle()
    assert world.pointer == _name(world, "a")
    left = view.last_move(world.seen)
    assert left
    assert (left.cause, left.reason) == ("unratified", "Unratified")


def test_it_is_for_one_content() -> None:
    world = _asking()
    world.see(fresh=False)
    world.break_glass("ann")
    world.settle()
    world.unapproved.add("c")
    world.want(spec_of("c"))
    world.see(fresh=True)
    world.settle()
    assert world.pointer == _name(world, "a")


def test_what_failed_after_its_ratification_is_not_let_back_by_the_same_approvals() -> None:
    world = _let_in("ann")
    world.unapproved.clear()
    world.pass_time(31)
    world.settle()
    world.sick.add(world.pointer or "")
    world.settle()
    left = view.last_move(world.seen)
    assert left
    assert (left.type, left.cause, left.nonces) == ("Rollback", "failed", ("n1",))


def test_nobody_has_to_wake_the_controller_at_the_deadline() -> None:
    world = _asking()
    world.see(timing=replace(TIMING, recheck=timedelta(seconds=37)))
    world.break_glass("ann")
    world.settle()
    promotion = world.seen.transitions[-1]
    while world.pointer == _name(world, "b"):
        step = world.step()
        if isinstance(step, steps.Rest):
            assert step.until is not None
            world.pass_time((step.until - world.now).total_seconds() + 0.01)
    assert promotion.ratify_by
    assert abs((world.now - promotion.ratify_by).total_seconds()) < 1


def test_the_quorum_ratifies_it_and_its_approvals_are_spent() -> None:
    world = _let_in("ann")
    world.unapproved.clear()
    world.approvals = 7
    world.pass_time(31)
    world.settle()
    assert world.transitions()[-1] == "Ratification"
    assert world.seen.transitions[-1].nonces == ("n7",)
    digest = world.seen.transitions[-1].digest
    assert view.spent(world.seen, digest) == ["n1", "n7"]
    world.pass_time(3600)
    world.settle()
    assert world.pointer == _name(world, "b")
    assert _shown(world)["breakGlass"] == "-"


def test_what_is_ratified_and_fails_is_held_against_the_approvals_that_ratified_it() -> None:
    world = _let_in("ann")
    world.unapproved.clear()
    world.pass_time(31)
    world.settle()
    world.ask("AgentRollback", expect=view.serving(world.seen).digest)  # type: ignore[union-attr]
    world.settle()
    hold = view.last_move(world.seen)
    assert hold
    assert hold.nonces == ("n1",)


def test_a_verdict_from_before_the_promotion_ratifies_nothing() -> None:
    world = _let_in("ann")
    place = next(key for key in world.seen.verdicts if key[0] == world.pointer)
    old = replace(world.seen.verdicts[place], approved=True, broken=())
    promotion = world.seen.transitions[-1]
    assert not view.ratifies(replace(old, at=promotion.at), promotion)
    assert view.ratifies(replace(old, at=world.now), promotion)
    bypassed = replace(old, at=world.now, broken=((promotion.name, "ann"),))  # type: ignore[arg-type]
    assert not view.ratifies(bypassed, promotion)


def test_a_stale_policy_ratifies_nothing() -> None:
    world = _let_in("ann")
    world.see(fresh=False)
    world.unapproved.clear()
    world.pass_time(31)
    world.settle()
    assert world.transitions()[-1] == "Promotion"
    world.pass_time(300)
    world.settle()
    assert world.pointer == _name(world, "a")


def test_two_persons_need_nobody_to_ratify() -> None:
    world = _let_in("ann", "bob")
    assert world.pointer == _name(world, "b")
    assert world.seen.transitions[-1].ratify_by is None
    world.pass_time(24 * 3600)
    world.settle()
    assert world.pointer == _name(world, "b")
    assert _shown(world)["breakGlass"] == "LetIn"


def test_one_person_twice_is_one_person() -> None:
    world = _asking()
    world.break_glass("ann")
    world.break_glass("ann")
    world.step()
    world.step()
    assert "says the same of the same person" in _refusal(world)


def test_it_is_held_afterwards_and_lifts_no_hold() -> None:
    world = _let_in("ann")
    world.pass_time(301)
    world.settle()
    world.break_glass("bob")
    assert "break-glass lifts no hold" in _refusal(world)
    world.settle()
    world.unapproved.clear()
    world.approvals += 1
    world.pass_time(31)
    world.settle()
    assert world.pointer == _name(world, "b"), "new approvals lift the hold"


def test_one_after_another_is_no_way_round_the_quorum() -> None:
    """While the newest promotion is unratified, one person alone lets nothing else in."""
    world = _let_in("ann")
    world.unapproved.add("c")
    world.want(spec_of("c"))
    world.break_glass("ann")
    world.settle()
    assert world.pointer == _name(world, "b")
    world.break_glass("bob")
    world.settle()
    assert world.pointer == _name(world, "c"), "two persons may"


def test_broken_glass_lets_in_once() -> None:
    world = _let_in("ann", "bob")
    serving = view.serving(world.seen)
    assert serving
    world.ask("AgentRollback", expect=serving.digest)
    world.settle()
    world.ask("AgentRelease", digest=serving.digest)
    world.settle()
    assert world.pointer == _name(world, "a")
    assert view.broken_glass(world.seen, serving.digest) == []


def test_it_opens_nothing_after_it_expired() -> None:
    world = _asking()
    world.see(fresh=False)
    world.break_glass("ann", seconds=30)
    world.settle()
    world.pass_time(31)
    world.see(fresh=True)
    world.settle()
    assert world.pointer == _name(world, "a")


def test_what_was_never_ratified_is_no_place_to_go_back_to() -> None:
    world = _let_in("ann")
    before = world.pointer or ""
    world.pass_time(61)
    world.settle()
    world.want(spec_of("c"))
    world.settle()
    assert world.pointer == _name(world, "c")
    assert "never ratified" in view.not_a_target(world.seen, before)
    assert before not in view.targets(world.seen)


def test_with_nothing_to_go_back_to_nothing_serves() -> None:
    world = World()
    world.unapproved.add("a")
    world.want(spec_of("a"))
    world.settle()
    world.break_glass("ann")
    world.settle()
    assert world.pointer == _name(world, "a")
    world.pass_time(301)
    world.settle()
    assert world.pointer == "none"


def test_a_freeze_and_a_content_that_wants_no_rollback_do_not_keep_it() -> None:
    world = _let_in("ann", rollout={"autoRollback": False, "bake": "60s", "drain": "10s"})
    world.see(fleet=replace(world.seen.fleet, halted="many"))
    world.pass_time(301)
    world.settle()
    assert world.pointer == _name(world, "a")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"person": ""}, "people.yaml knows no person whose users name ann"),
        ({"digest": "0" * 64}, "the spec asks for"),
        ({"expires": "late"}, "within the 24 hours"),
        ({"expires": "gone"}, "within the 24 hours"),
        ({"expires": None}, "within the 24 hours"),
    ],
)
def test_a_request_that_does_not_fit_is_refused(change: dict[str, object], why: str) -> None:
    world = _asking()
    world.break_glass("ann", seconds={"late": 86_401, "gone": 0}.get(str(change.get("expires")), 9))
    asked = world.seen.requests[-1]
    plain = {key: value for key, value in change.items() if value not in ("late", "gone")}
    world.see(requests=(replace(asked, **plain),))  # type: ignore[arg-type]
    assert why in _refusal(world)


def test_a_tier_without_it_refuses_it() -> None:
    world = _asking()
    assert world.seen.timing
    world.see(timing=replace(world.seen.timing, break_glass=None))
    world.break_glass("ann")
    assert "allows no break-glass" in _refusal(world)


def test_what_serves_is_approved_and_not_let_in() -> None:
    world = _let_in("ann")
    world.break_glass("bob")
    assert "serves already; to approve it afterwards" in _refusal(world)


def test_an_old_request_is_expired() -> None:
    world = _asking()
    world.break_glass("ann")
    world.pass_time(61)
    step = decide(world.seen, world.now)
    assert isinstance(step, steps.Refuse)
    assert step.phase == "Expired"


def test_everybody_sees_it() -> None:
    world = _asking()
    world.break_glass("ann")
    world.see(fresh=False)
    world.settle()
    shown = _shown(world)
    assert shown["breakGlass"] == "Open"
    assert "by ann (INC-1): asked" in str(shown["conditions"])
    world.see(fresh=True)
    world.settle()
    world.pass_time(61)
    world.settle()
    shown = _shown(world)
    assert shown["breakGlass"] == "Unratified"
    assert "unless the quorum approves it" in str(shown["reason"])


def test_an_approval_afterwards_names_what_was_replaced() -> None:
    world = _let_in("ann")
    old, new = (world.seen.revisions[_name(world, mark)].digest for mark in "ab")
    assert view.predecessors(world.seen, new) == [old]
    assert view.predecessors(world.seen, "0" * 64) == [new]
