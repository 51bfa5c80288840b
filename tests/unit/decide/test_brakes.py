"""What keeps automatic moves from fighting: one a revision, cool-down, freeze, fleet, groups."""

from dataclasses import replace
from datetime import timedelta

import pytest

from interlock.api import names, steps
from interlock.api.observed import Fleet, Peer, Vote
from interlock.decide import decide, view
from interlock.decide.status import summarize
from support.world import World, spec_of

TOOLS = [{"name": name, "endpoint": "https://tools.example/", "effect": "read"} for name in "ab"]
LESS = {"tools": TOOLS, "fallback": {"tools": ["a"]}}


def _promoted(*marks: str, **changes: object) -> World:
    world = World()
    for mark in marks:
        world.want(spec_of(mark, **changes))
        world.settle()
        world.pass_time(61)
        world.settle()
    return world


def _in_bake(**changes: object) -> tuple[World, str]:
    """The second content serves and is watched."""
    world = _promoted("a")
    name = world.want(spec_of("b", **changes))
    world.settle()
    assert world.pointer == name
    return world, name


def _say(world: World, revision: str, action: str = "rollback", *, lasting: bool = False) -> None:
    vote = Vote("probe", "bad", "it fails", action, lasting)  # type: ignore[arg-type]
    world.votes = {revision: (vote,)}


def test_after_an_automatic_rollback_nothing_is_promoted_until_it_cooled_down() -> None:
    world, bad = _in_bake()
    _say(world, bad)
    world.settle()
    world.votes = {}
    name = world.want(spec_of("c"))
    world.settle()
    assert summarize(world.seen, world.now).reason == "CoolingDown"
    world.pass_time(16 * 60)
    world.settle(90)
    assert world.pointer == name


def test_a_second_automatic_rollback_freezes_and_release_frozen_lifts_it() -> None:
    world, bad = _in_bake()
    _say(world, bad)
    world.settle()
    world.votes = {}
    world.pass_time(16 * 60)
    bad = world.want(spec_of("c"))
    world.settle(90)
    _say(world, bad)
    world.settle()
    world.votes = {}
    assert summarize(world.seen, world.now).reason == "Frozen"
    name = world.want(spec_of("d"))
    world.settle()
    assert world.pointer != name
    world.ask("AgentRelease", frozen=True)
    world.settle()
    assert world.pointer == name


def test_a_release_of_what_is_not_frozen_is_refused() -> None:
    world = _promoted("a")
    world.ask("AgentRelease", frozen=True)
    step = world.step()
    assert isinstance(step, steps.Refuse)
    assert "not frozen" in step.message


def test_a_forward_only_content_that_fails_is_frozen_not_left() -> None:
    world, bad = _in_bake(rollback={"allowed": False})
    _say(world, bad)
    world.settle()
    assert world.pointer == bad
    assert world.transitions()[-1] == "Freeze"
    assert "ForwardOnly" in summarize(world.seen, world.now).message


def test_i5_a_halted_fleet_promotes_nothing_and_leaves_nothing_for_its_health() -> None:
    world, bad = _in_bake()
    world.see(fleet=Fleet(halted="3 of 4 agents were rolled back"))
    _say(world, bad)
    world.settle()
    assert world.pointer == bad
    world.revoke(bad)
    world.settle()
    assert world.pointer != bad, "a revocation is no matter of health"


def test_only_so_many_agents_bake_at_once() -> None:
    world = _promoted("a")
    world.see(fleet=Fleet(promoting=world.seen.limits.promotions))
    name = world.want(spec_of("b"))
    world.settle()
    assert summarize(world.seen, world.now).reason == "PromotionLimit"
    world.see(fleet=Fleet(promoting=world.seen.limits.promotions - 1))
    world.settle()
    assert world.pointer == name


@pytest.mark.parametrize("lasting", [False, True])
def test_after_the_bake_only_a_lasting_vote_leaves(lasting: bool) -> None:
    world = _promoted("a", "b")
    serving = world.pointer or ""
    _say(world, serving, lasting=lasting)
    world.settle()
    assert (world.pointer != serving) is lasting


def test_a_quarantine_vote_takes_everything_off_even_while_frozen() -> None:
    world, bad = _in_bake(rollback={"allowed": False})
    _say(world, bad)
    world.settle()
    _say(world, bad, "quarantine")
    world.settle()
    assert world.pointer == names.NO_REVISION
    assert not world.pods


def test_a_lasting_hold_vote_on_what_serves_stops_promotions() -> None:
    world = _promoted("a")
    _say(world, world.pointer or "", "hold", lasting=True)
    name = world.want(spec_of("b"))
    world.settle()
    assert world.pointer != name


def test_a_freeze_vote_stops_promotions_until_a_person_looked() -> None:
    world = _promoted("a")
    _say(world, world.pointer or "", "freeze")
    world.settle()
    assert view.frozen(world.seen) is not None


def test_a_vote_without_data_promotes_nothing() -> None:
    world = _promoted("a")
    name = world.want(spec_of("b"))
    world.votes = {name: (Vote("probe", "none", "no data"),)}
    world.settle()
    assert world.pointer != name


def test_repairs_that_do_not_last_freeze() -> None:
    world = _promoted("a")
    world.see(repairs=tuple(world.now - timedelta(seconds=n) for n in (3, 2, 1)), drift=("x",))
    world.settle()
    assert view.frozen(world.seen) is not None


def test_the_fallback_takes_over_where_nothing_older_may() -> None:
    world = World()
    name = world.want(spec_of("a", **LESS))
    world.settle()
    _say(world, name)
    world.settle()
    assert world.seen.revisions[world.pointer or ""].parent == name


def test_i5_the_fallback_of_what_was_never_promoted_is_no_target() -> None:
    """Or a rollback request could start what waits for its approvals, with fewer tools."""
    world = _promoted("a")
    world.unapproved.add("b")
    name = world.want(spec_of("b", **LESS))
    world.settle()
    (less,) = (one for one in world.seen.revisions.values() if one.parent == name)
    assert "never promoted" in view.not_a_target(world.seen, less.name)


def _half_way() -> tuple[World, str]:
    """A way back that was given up after it had taken the traffic off the third content."""
    world = _promoted("a", "b", "c")
    left = world.pointer or ""
    back = replace(
        world.seen.transitions[-1],
        name="one-9",
        number=9,
        type="Rollback",
        origin=left,
        to=view.targets(world.seen)[0],
        cause="revoked",
        cut=True,
        end=None,
        ended=None,
        healthy=None,
    )
    world.see(transitions=(*world.seen.transitions, back), pointer=names.NO_REVISION)
    return world, back.to


def test_a_way_back_whose_target_is_revoked_half_way_takes_the_next_one() -> None:
    world, target = _half_way()
    world.revoke(target)
    world.settle()
    assert world.seen.revisions[world.pointer or ""].spec.image[-1] == "a"


def test_a_way_back_whose_target_does_not_start_takes_the_next_one() -> None:
    world, target = _half_way()
    world.sick.add(target)
    for _ in range(70):
        world.step()
        world.pass_time(1)
    assert world.seen.revisions[world.pointer or ""].spec.image[-1] == "a"


def test_a_target_without_entry_and_objects_gets_both_before_traffic_moves() -> None:
    world, target = _half_way()
    entries = {name: one for name, one in world.seen.admitted.items() if name != target}
    loads = {name: one for name, one in world.seen.workloads.items() if name != target}
    world.pods.pop(target)
    world.see(admitted=entries, workloads=loads)
    assert [type(world.step()) for _ in range(2)] == [steps.Entitle, steps.Stage]
    world.settle()
    assert world.pointer == target


def test_an_emergency_write_does_not_end_a_quarantine() -> None:
    world = _promoted("a", "b")
    target = view.targets(world.seen)[0]
    world.ask("AgentQuarantine")
    world.settle()
    world.see(pointer=target, emergency="the line stands still")
    world.settle()
    assert world.pointer == names.NO_REVISION


def _member(**fields: object) -> World:
    world = World()
    world.peers(Peer("two", exists=True, group="g", **fields))  # type: ignore[arg-type]
    world.want(spec_of("a", rollout={"bake": "60s", "drain": "10s", "group": "g"}))
    world.settle()
    return world


@pytest.mark.parametrize("how", ["ready", "settled"])
def test_a_group_switches_when_all_are_ready_or_there_already(how: str) -> None:
    world = _member()
    assert world.pointer == names.NO_REVISION
    assert summarize(world.seen, world.now).reason == "GroupNotReady"
    assert _member(**{how: True}).pointer != names.NO_REVISION


def test_who_came_with_a_member_that_left_leaves_too_and_is_not_held() -> None:
    world = _member(ready=True)
    (came,) = world.seen.transitions
    left = {came.switch: world.now + timedelta(seconds=1)}
    world.peers(Peer("two", exists=True, group="g", left=left, ready=True))
    step = decide(world.look(), world.now)
    assert isinstance(step, steps.MoveBack)
    assert step.reason == "GroupLeft"
    assert step.cause == ""


def test_dependents_leave_first() -> None:
    world = _member(ready=True)
    (came,) = world.seen.transitions
    left = {came.switch: world.now + timedelta(seconds=1)}
    above = Peer("three", exists=True, group="g", depends_on=("one",), switch=came.switch)
    world.peers(Peer("two", exists=True, group="g", left=left), above)
    assert not isinstance(decide(world.look(), world.now), steps.MoveBack)


@pytest.mark.parametrize(
    ("peers", "reason"),
    [
        ((), "DependencyNotReady"),
        ((Peer("two", exists=True),), "DependencyNotReady"),
        ((Peer("two", exists=True, settled=True),), ""),
        ((Peer("two", exists=True, settled=True, depends_on=("one",)),), "DependencyCycle"),
    ],
)
def test_what_one_depends_on_serves_first(peers: tuple[Peer, ...], reason: str) -> None:
    world = World()
    world.peers(*peers)
    name = world.want(spec_of("a", dependsOn=["two"]))
    world.settle()
    assert (world.pointer == name) is (reason == "")
    assert not reason or summarize(world.seen, world.now).reason == reason


def test_a_quarantine_of_what_has_no_namespace_yet_is_refused_not_tried_for_ever() -> None:
    world = World()
    world.want(spec_of("a"))
    world.ask("AgentQuarantine")
    assert isinstance(world.step(), steps.Refuse)
