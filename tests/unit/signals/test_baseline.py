"""Worse than before, and not merely bad."""

import pytest

from interlock.signals.baseline import Baseline
from support.targets import BEFORE, MINE, NOW, POLICY, Figures, target


def figures(
    mine: dict[int, tuple[float, float]], before: dict[int, tuple[float, float]]
) -> Figures:
    """Per measure (0 violations, 1 errors, 2 seconds): part and whole of both."""
    found: dict[str, float] = {}
    for who, measures in (("candidate", mine), ("before", before)):
        for index, (part, whole) in measures.items():
            found |= {f"{who}_part_{index}": part, f"{who}_whole_{index}": whole}
    return Figures(found)


async def verdict(asked: Figures) -> str:
    return (await Baseline(asked).sample(target("baking"), POLICY, NOW)).verdict


@pytest.mark.parametrize(
    ("mine", "before", "expected"),
    [
        ((0, 100), (0, 100), "good"),
        ((4, 100), (2, 100), "good"),  # not more than twice
        ((5, 100), (2, 100), "bad"),
        ((1, 100), (0, 100), "good"),  # below the floor
        ((2, 100), (0, 100), "bad"),
        ((3, 1000), (1, 1000), "good"),  # three times as much of nothing
        ((49, 49), (0, 100), "good"),  # too few
        ((50, 100), (0, 49), "good"),
    ],
)
async def test_a_share_against_the_one_before(
    mine: tuple[float, float], before: tuple[float, float], expected: str
) -> None:
    assert await verdict(figures({1: mine}, {1: before})) == expected


async def test_latency_and_violations_are_compared_as_well() -> None:
    assert await verdict(figures({2: (100, 100)}, {2: (10, 100)})) == "bad"
    assert await verdict(figures({0: (10, 100)}, {0: (1, 100)})) == "bad"


async def test_a_code_that_never_occurred_is_zero_where_requests_are_counted() -> None:
    asked = figures({1: (50, 100)}, {1: (0, 100)})
    asked.found = {name: n for name, n in asked.found.items() if name != "before_part_1"}
    assert await verdict(asked) == "bad"


async def test_no_data_of_the_revision_says_nothing() -> None:
    assert await verdict(figures({}, {1: (0, 100)})) == "none"
    assert await verdict(Figures(down=True)) == "none"


async def test_the_one_before_is_asked_for_by_its_name_and_back_over_the_bake() -> None:
    asked = figures({}, {})
    await verdict(asked)
    before = [query for query in asked.asked if BEFORE in query]
    assert len(before) == len([query for query in asked.asked if MINE in query]) == 6
    assert all("[15m]" in query for query in before)  # a window of 5m and a bake of 10m


def test_it_applies_within_the_bake_only() -> None:
    signal = Baseline(Figures())
    assert [signal.applies(target(stand)) for stand in ("candidate", "baking", "steady")] == [
        False,
        True,
        False,
    ]
