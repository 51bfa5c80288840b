"""Break-glass must stay the exception: it ends by itself, it is loud, and it does not chain (I6).

Whoever would rather not wait for approvers finds that each way to use it again and again ends with
the content that was approved, or with a second person.
"""

from collections.abc import Iterator

import pytest

from interlock.actions.announce import _news
from interlock.decide import view
from interlock.decide.status import status
from support.world import World, spec_of

HOUR = 3600


@pytest.fixture
def world() -> World:
    """`a` is approved and serves; nothing else is ever approved by anybody."""
    found = World().promote("a")
    found.unapproved |= set("bcdef")
    return found


def served(world: World, days: float) -> Iterator[str]:
    """The marks of what serves, minute by minute."""
    for _ in range(int(days * 24 * 60)):
        world.pass_time(60)
        world.settle()
        yield _mark(world)


def _mark(world: World) -> str:
    serving = view.serving(world.seen)
    return serving.spec.image[-1] if serving else "-"


def let_in(world: World, mark: str, *persons: str, port: int = 8080) -> str:
    world.want(spec_of(mark, port=port))
    for person in persons:
        world.break_glass(person, seconds=24 * HOUR - 1)
    world.settle()
    return _mark(world)


def test_one_person_s_content_is_gone_after_the_time_to_ratify(world: World) -> None:
    assert let_in(world, "b", "mallory") == "b"
    marks = list(served(world, days=1))
    assert marks.count("b") <= 5
    assert set(marks[6:]) == {"a"}


def test_asking_again_for_the_same_content_is_refused(world: World) -> None:
    let_in(world, "b", "mallory")
    for _ in range(24):
        world.pass_time(HOUR)
        world.settle()
        assert let_in(world, "b", "mallory") == "a"


def test_a_new_content_each_time_is_refused_too(world: World) -> None:
    """Each differs a little, so no hold stands in its way; the debt of the first one does."""
    assert let_in(world, "b", "mallory") == "b"
    for number, mark in enumerate("cdefcdef"):
        assert let_in(world, mark, "mallory", port=9000 + number) in ("a", "b")
        world.pass_time(HOUR)
        world.settle()
    assert _mark(world) == "a"


def test_a_new_content_in_time_does_not_prolong_the_time(world: World) -> None:
    let_in(world, "b", "mallory")
    deadline = world.seen.transitions[-1].ratify_by
    world.pass_time(200)
    assert let_in(world, "c", "mallory") == "b"
    assert deadline
    world.pass_time((deadline - world.now).total_seconds() + 1)
    world.settle()
    assert _mark(world) == "a"


def test_what_was_let_in_is_no_way_back_for_what_is_let_in_next(world: World) -> None:
    let_in(world, "b", "mallory")
    world.pass_time(61)
    world.settle()
    assert let_in(world, "c", "mallory", "trudy") == "c"
    serving = view.serving(world.seen)
    assert serving
    world.ask("AgentRollback", expect=serving.digest)
    world.settle()
    assert _mark(world) == "a"


def test_a_dead_controller_does_not_forget_the_time(world: World) -> None:
    let_in(world, "b", "mallory")
    world.kill()
    world.pass_time(301)
    world.settle()
    assert _mark(world) == "a"


def test_deleting_the_request_or_changing_the_wish_keeps_nothing(world: World) -> None:
    let_in(world, "b", "mallory")
    world.see(requests=())
    world.change(paused=True)
    world.pass_time(301)
    world.settle()
    assert _mark(world) == "a"


def test_every_use_is_told_and_counted(world: World) -> None:
    let_in(world, "b", "mallory")
    assert status(world.seen, world.now, {})["breakGlass"] == "Unratified"
    world.pass_time(301)
    world.settle()
    told = [news.reason for one in world.seen.transitions if (news := _news(one))]
    assert told == ["BreakGlass", "LetInByBreakGlass", "Unratified"]
