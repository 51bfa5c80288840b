"""The team's own figures: bad if one is, good if all are, and no data is never good."""

import pytest

from interlock.signals.metrics import Metrics
from support.targets import HOME, MINE, NOW, POLICY, Figures, target

ERRORS = {"name": "errors", "query": "rate(errors[5m])", "max": 0.5}
DELAY = {"name": "delay", "query": "delay", "max": 2}


async def verdict(figures: Figures, *metrics: object) -> tuple[str, str]:
    asked = target(health={"metrics": list(metrics)})
    sample = await Metrics(figures).sample(asked, POLICY, NOW)
    return sample.verdict, sample.message


def test_an_agent_without_metrics_is_not_asked() -> None:
    assert not Metrics(Figures()).applies(target())
    assert Metrics(Figures()).applies(target(health={"metrics": [ERRORS]}))


@pytest.mark.parametrize(
    ("errors", "expected"), [(0.5, "good"), (0.6, "bad"), (float("inf"), "bad"), (-1, "good")]
)
async def test_a_value_is_compared_with_its_maximum(errors: float, expected: str) -> None:
    got, message = await verdict(Figures({"errors": errors}), ERRORS)
    assert got == expected
    assert "at most 0.5 is allowed" in message


async def test_one_bad_metric_is_enough_and_wins_over_one_without_data() -> None:
    assert (await verdict(Figures({"errors": 9}), DELAY, ERRORS))[0] == "bad"


async def test_one_metric_without_data_is_enough_to_say_nothing() -> None:
    got, message = await verdict(Figures({"errors": 0}), ERRORS, DELAY)
    assert (got, message) == ("none", "delay: the query has no data")


async def test_the_query_is_narrowed_to_the_revision() -> None:
    figures = Figures({"errors": 0})
    await verdict(figures, ERRORS)
    assert f'namespace="{HOME}"' in figures.asked[0]
    assert f'interlock_revision="{MINE}"' in figures.asked[0]


async def test_a_query_that_cannot_be_narrowed_is_not_asked() -> None:
    figures = Figures({"vector": 0})
    got, message = await verdict(figures, ERRORS | {"query": "vector(0)"})
    assert (got, figures.asked) == ("none", [])
    assert "reads no series" in message or "calls vector()" in message
