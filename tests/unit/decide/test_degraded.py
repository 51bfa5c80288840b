"""What serves is judged again; if it would not be let in today, it says so and goes on serving."""

from datetime import timedelta
from typing import Any

from interlock.api.values import Purpose
from interlock.decide import keep, view
from interlock.decide.status import status
from support.world import World, spec_of

AN_HOUR = 3600


def shown(world: World) -> dict[str, Any]:
    return status(world.seen, world.now, {})


def condition(world: World) -> dict[str, Any] | None:
    found = (one for one in shown(world)["conditions"] if one["type"] == "Degraded")
    return next(found, None)


def times_judged(world: World) -> int:
    return sum(type(step).__name__ == "Judge" for step in world.log)


def test_what_serves_is_judged_again_every_hour_and_nothing_else_is() -> None:
    world = World().promote("a", "b")
    before = times_judged(world)
    world.pass_time(AN_HOUR - 120)
    world.settle()
    assert times_judged(world) == before
    world.pass_time(120)
    world.settle()
    assert times_judged(world) == before + 1


def test_the_next_look_is_no_later_than_the_next_judgement() -> None:
    world = World().promote("a")
    judged = world.seen.judged[(world.pointer or "", Purpose.ROLLBACK)]
    last = judged.at + timedelta(seconds=AN_HOUR) - timedelta(seconds=1)
    due = keep.next_deadline(world.seen, last)
    assert due
    assert due <= last + timedelta(seconds=1)


def test_a_newer_scan_that_would_block_makes_what_serves_degraded_and_moves_nothing() -> None:
    world = World().promote("a")
    name = world.pointer
    assert condition(world) is None
    world.blocked.add("a")
    world.pass_time(AN_HOUR)
    world.settle()
    found = condition(world)
    assert found
    assert (found["status"], found["reason"]) == ("True", "Vulnerable")
    assert found["message"] == "vulnerability-scan: CVE-2026-1234 CRITICAL in libfoo"
    assert shown(world)["reason"].startswith("Degraded: vulnerability-scan: CVE-2026-1234")
    assert (shown(world)["ready"], world.pointer) == ("True", name)


def test_it_ends_when_what_serves_would_be_let_in_again() -> None:
    world = World().promote("a")
    for blocked in ({"a"}, set[str]()):
        world.blocked = blocked
        world.pass_time(AN_HOUR)
        world.settle()
    assert condition(world) is None
    assert shown(world)["reason"] == "-"


def test_a_new_policy_is_asked_at_once() -> None:
    world = World().promote("a")
    world.blocked.add("a")
    world.see(policy=world.seen.policy + "x")
    world.settle()
    assert condition(world)


def test_what_is_degraded_is_nothing_to_go_back_to() -> None:
    world = World().promote("a")
    first = world.pointer or ""
    world.blocked.add("a")
    world.pass_time(AN_HOUR)
    world.settle()
    world.want(spec_of("b"))
    world.settle()
    assert world.pointer != first
    assert view.targets(world.seen) == []


def test_what_was_allowed_until_a_moment_is_judged_again_then() -> None:
    world = World(lasts=600)
    world.want(spec_of("a"))
    world.settle()
    world.pass_time(61)
    world.settle()
    before = times_judged(world)
    world.pass_time(601)
    world.settle()
    assert times_judged(world) == before + 1


def test_sources_that_are_away_are_asked_again_and_what_was_said_stays() -> None:
    world = World().promote("a", "b")
    world.outage = ("SourceUnavailable", "the registry is away")
    world.see(policy=world.seen.policy + "x")
    world.settle()
    before = times_judged(world)
    assert condition(world) is None
    world.outage = ("", "")
    world.pass_time(AN_HOUR)
    world.settle()
    assert times_judged(world) == before + 2, "what serves, and what to go back to"


def test_an_outage_when_a_verdict_ends_is_not_asked_about_over_and_over() -> None:
    world = World(lasts=600)
    world.want(spec_of("a"))
    world.settle()
    world.pass_time(61)
    world.settle()
    before = times_judged(world)
    world.outage = ("SourceUnavailable", "the registry is away")
    world.pass_time(601)
    world.settle()
    assert times_judged(world) == before + 1
