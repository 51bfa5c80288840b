"""The state machine, told as an agent's life. Each test drives `decide` against a small world."""

from dataclasses import replace
from datetime import timedelta

import pytest

from interlock.api import names, steps
from interlock.decide import RULES, view
from interlock.decide.status import summarize
from support.world import World, spec_of


def test_first_content_comes_to_serve_and_is_marked_healthy() -> None:
    world = World()
    name = world.want(spec_of("a"))
    world.settle()
    assert world.pointer == name
    assert view.baking(world.seen) is not None
    world.pass_time(61)
    world.settle()
    assert view.served_healthy(world.seen, name)


def test_i2_traffic_never_names_what_is_not_admitted_nor_ready() -> None:
    world = World()
    world.want(spec_of("a", "never"))
    world.settle()
    assert world.pointers == [names.NO_REVISION]


def test_pods_that_never_become_ready_are_held_and_traffic_never_moves() -> None:
    world = World().promote("a")
    before = world.pointer
    world.want(spec_of("b", "never"))
    world.settle()
    world.pass_time(61)
    world.settle()
    assert world.pointer == before
    assert world.transitions()[-1] == "FailedStage"
    assert summarize(world.seen, world.now).gate == "Held"


def test_i10_a_resync_of_a_held_content_is_a_no_op() -> None:
    world = World().promote("a")
    world.want(spec_of("b", "crashing"))
    world.settle()
    records = len(world.seen.transitions)
    world.want(spec_of("b", "crashing"))
    for _ in range(5):
        world.pass_time(31)
        world.settle()
    assert len(world.seen.transitions) == records


def test_a_failed_hold_is_lifted_by_new_approvals_alone() -> None:
    world = World().promote("a")
    name = world.want(spec_of("b", "crashing"))
    world.settle()
    world.approvals += 1
    world.pass_time(31)
    world.settle(90)
    assert world.transitions().count("FailedStage") == 2, "it was tried once more, and failed"
    assert world.pointer != name


def test_another_content_after_a_hold_is_tried() -> None:
    world = World().promote("a")
    world.want(spec_of("b", "crashing"))
    world.settle()
    name = world.want(spec_of("c"))
    world.settle()
    assert world.pointer == name


def test_unhealthy_in_the_bake_goes_back_by_itself() -> None:
    world = World().promote("a")
    first = world.pointer
    bad = world.want(spec_of("b"))
    world.settle()
    assert world.pointer == bad
    _break(world, bad)
    world.settle()
    assert world.pointer == first
    assert view.holds(world.seen)[world.seen.revisions[bad].behaviour].cause == "failed"


def test_unhealthy_after_the_bake_is_left_to_people() -> None:
    world = World().promote("a", "b")
    serving = world.pointer
    _break(world, serving or "")
    world.settle()
    assert world.pointer == serving


def test_a_content_that_forbids_rollback_is_never_left_by_itself() -> None:
    world = World().promote("a")
    name = world.want(spec_of("b", rollback={"allowed": False}))
    world.settle()
    _break(world, name)
    world.settle()
    assert world.pointer == name


@pytest.mark.parametrize("healthy", [True, False])
def test_revoked_content_is_left_at_once_and_cut(healthy: bool) -> None:
    world = World().promote("a")
    first = world.pointer
    bad = world.want(spec_of("b"))
    world.settle()
    if healthy:
        world.pass_time(61)
        world.settle()
    world.revoke(bad)
    step = world.step()
    assert isinstance(step, steps.MoveBack)
    assert step.cut
    assert world.pointer == first
    world.settle()
    assert bad not in world.seen.admitted
    assert world.seen.workloads[bad].replicas == 0


def test_revoked_without_a_target_scales_to_nothing() -> None:
    world = World().promote("a")
    world.revoke(world.pointer or "")
    world.settle()
    assert world.pointer == names.NO_REVISION
    assert all(load.replicas == 0 for load in world.seen.workloads.values())


def test_i3_rollback_ignores_paused_and_a_stale_policy() -> None:
    world = World().promote("a", "b")
    assert world.seen.wanted
    paused = world.seen.wanted.spec.model_copy(update={"paused": True})
    wanted = replace(world.seen.wanted, spec=paused)
    world.seen = replace(world.seen, wanted=wanted, fresh=False)
    serving = view.serving(world.seen)
    assert serving
    world.ask("AgentRollback", expect=serving.digest[:10])
    step = world.step()
    assert isinstance(step, steps.MoveBack)


def test_request_is_compare_and_swap() -> None:
    world = World().promote("a", "b")
    world.ask("AgentRollback", expect="0" * 10)
    step = world.step()
    assert isinstance(step, steps.Refuse)
    assert "0000000000" in step.message


def test_an_old_request_is_expired() -> None:
    world = World().promote("a", "b")
    serving = view.serving(world.seen)
    assert serving
    world.ask("AgentRollback", expect=serving.digest)
    world.pass_time(61)
    step = world.step()
    assert isinstance(step, steps.Refuse)
    assert step.phase == "Expired"


def test_a_requested_hold_is_lifted_by_release_and_the_gates_run_again() -> None:
    world = World().promote("a", "b")
    bad = view.serving(world.seen)
    assert bad
    world.ask("AgentRollback", expect=bad.digest)
    world.settle()
    assert world.pointer != bad.name
    world.approvals += 1
    world.pass_time(31)
    world.settle()
    assert world.pointer != bad.name, "approvals do not lift what an SRE asked for"
    judged = world.seen.judged
    world.ask("AgentRelease", digest=bad.digest[:10])
    world.settle()
    assert world.pointer == bad.name
    assert world.seen.judged != judged


def test_no_rollback_to_what_was_just_left() -> None:
    world = World().promote("a", "b")
    b = view.serving(world.seen)
    assert b
    world.ask("AgentRollback", expect=b.digest)
    world.settle()
    a = view.serving(world.seen)
    assert a
    world.ask("AgentRollback", expect=a.digest)
    step = world.step()
    assert isinstance(step, steps.Refuse)


def test_quarantine_takes_everything_off_and_release_brings_it_back_through_the_gates() -> None:
    world = World().promote("a", "b")
    serving = world.pointer
    world.ask("AgentQuarantine")
    world.settle()
    assert world.pointer == names.NO_REVISION
    assert not world.seen.admitted
    assert all(load.replicas == 0 for load in world.seen.workloads.values())
    world.ask("AgentRelease", digest="")
    world.settle()
    assert world.pointer == serving


def test_i5_a_blocked_content_is_never_staged() -> None:
    world = World().promote("a")
    world.blocked.add("b")
    name = world.want(spec_of("b"))
    world.settle()
    assert name not in world.seen.workloads


def test_i9_ready_pods_promote_nothing_that_the_gates_refuse() -> None:
    world = World().promote("a")
    before = world.pointer
    world.want(spec_of("b"))
    while not isinstance(world.step(), steps.Stage):
        pass
    world.blocked.add("b")
    world.seen = replace(world.seen, policy="newer")
    world.settle()
    assert world.pointer == before, "its pods say that they are ready; that is not enough"


def test_stale_policy_promotes_nothing() -> None:
    world = World().promote("a")
    before = world.pointer
    world.seen = replace(world.seen, fresh=False)
    world.want(spec_of("b"))
    world.settle()
    assert world.pointer == before


def test_a_target_that_policy_refuses_now_is_no_target() -> None:
    world = World().promote("a", "b")
    world.blocked.add("a")
    world.seen = replace(world.seen, policy="newer")
    world.settle()
    assert view.targets(world.seen) == []


def test_target_stays_warm_and_older_ones_are_scaled_down() -> None:
    world = World().promote("a", "b", "c")
    target, *older = view.targets(world.seen)
    assert world.seen.workloads[target].replicas == 1
    assert all(world.seen.workloads[name].replicas == 0 for name in older)


@pytest.mark.parametrize(("warm", "replicas"), [("full", 3), ("min", 1), ("none", 0)])
def test_warm_says_how_many_pods_the_way_back_has(warm: str, replicas: int) -> None:
    world = World()
    for mark in "ab":
        world.want(spec_of(mark, warm=warm, replicas=3))
        world.settle()
        world.pass_time(61)
        world.settle()
    assert world.seen.workloads[view.targets(world.seen)[0]].replicas == replicas


def test_unknown_pointer_is_not_touched() -> None:
    world = World().promote("a", "b")
    world.seen = replace(world.seen, pointer=view.targets(world.seen)[0])
    assert isinstance(world.step(), steps.Rest)


def test_emergency_write_is_adopted_and_recorded() -> None:
    world = World().promote("a", "b")
    target = view.targets(world.seen)[0]
    world.seen = replace(world.seen, pointer=target, emergency="line stopped")
    step = world.step()
    assert isinstance(step, steps.Record)
    assert "line stopped" in step.message
    world.settle()
    assert world.pointer == target


def test_open_promotion_is_finished_or_abandoned_by_what_the_selector_says() -> None:
    world = World().promote("a", "b")
    *before, last = world.seen.transitions
    torn = replace(last, end=None, ended=None, healthy=None)
    world.seen = replace(world.seen, transitions=(*before, torn))
    step = world.step()
    assert isinstance(step, steps.FinishTransition)
    assert not step.abandon
    world.seen = replace(world.seen, transitions=(*before, torn), pointer=torn.origin)
    step = world.step()
    assert isinstance(step, steps.FinishTransition)
    assert step.abandon


def test_what_serves_is_not_called_settled_before_its_record_has_its_end() -> None:
    world = World().promote("a", "b")
    *before, last = world.seen.transitions
    torn = replace(last, end=None, ended=None, healthy=None)
    world.seen = replace(world.seen, transitions=(*before, torn))
    assert summarize(world.seen, world.now).state == "moving"


def test_every_rule_has_a_sentence_that_says_what_it_is_for() -> None:
    assert all(rule.__doc__ for rule in RULES)


def test_status_of_a_world_at_rest_does_not_move_with_time() -> None:
    world = World().promote("a", "b")
    later = world.now + timedelta(days=1)
    assert summarize(world.seen, world.now) == summarize(world.seen, later)


def _break(world: World, revision: str) -> None:
    """All pods of a revision turn unready."""
    spec = world.seen.revisions[revision].spec
    image = spec.image.replace("/good@", "/crashing@")
    broken = replace(world.seen.revisions[revision], spec=spec.model_copy(update={"image": image}))
    world.seen = replace(world.seen, revisions={**world.seen.revisions, revision: broken})
