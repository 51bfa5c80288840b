"""The ledger that proves that two revisions never write at once can tell that they did."""

from collections.abc import Sequence
from http import HTTPStatus

import pytest

from support.workqueue import Queue


def queue(*steps: str) -> Queue:
    """`a1+` is taken by the agent of revision a; `a1-` is written by it."""
    made, items = Queue(), dict[str, str]()
    for step in steps:
        if step.endswith("+"):
            items[step[:-1]] = made.take() or ""
        else:
            said = {"id": items[step[:-1]], "revision": step[0], "pod": "p"}
            assert made.write(said | {"began": "", "ended": ""}) is HTTPStatus.NO_CONTENT
    return made


@pytest.mark.parametrize(
    ("steps", "overlaps", "interleaves"),
    [
        (["a1+", "a1-", "b1+", "b1-"], False, False),
        (["a1+", "b1+", "a1-", "b1-"], True, False),
        (["a1+", "b1+", "b1-", "a1-"], True, False),
        (["a1+", "a2+", "a1-", "a2-"], False, False),
        (["a1+", "a1-", "b1+", "b1-", "a2+", "a2-"], False, True),
        (["a1+", "b1+", "b1-", "b2+", "b2-", "a1-"], True, False),
        (["a1+", "b1+", "a1-"], False, False),
    ],
)
def test_two_revisions_at_once_and_in_turns_are_seen(
    steps: Sequence[str], overlaps: bool, interleaves: bool
) -> None:
    made = queue(*steps)
    assert bool(made.overlapping()) is overlaps
    assert made.interleaved() is interleaves


def test_what_was_taken_and_never_written_stays_open() -> None:
    assert queue("a1+", "a2+", "a1-").open == {"item-2"}


def test_an_item_is_written_once_and_only_after_it_was_taken() -> None:
    made = queue("a1+", "a1-")
    for item in ("item-1", "item-2"):
        said = {"id": item, "revision": "a", "pod": "p", "began": "", "ended": ""}
        assert made.write(said) is HTTPStatus.CONFLICT


def test_a_supply_ends() -> None:
    made = Queue(supply=1)
    assert (made.take(), made.take()) == ("item-1", None)
