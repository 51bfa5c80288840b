"""Acts against policy: a share, a burst, or a single one of safety."""

import pytest

from interlock.signals.violations import SafetyViolations, Violations
from support.targets import NOW, POLICY, Figures, target


async def test_an_agent_about_which_nobody_decides_is_not_asked() -> None:
    idle = target(network={})
    assert not Violations(Figures()).applies(idle)
    assert not SafetyViolations(Figures()).applies(idle)
    assert Violations(Figures()).applies(target())


@pytest.mark.parametrize(
    ("burst", "violations", "decisions", "expected"),
    [
        (0, 0, 0, "good"),
        (0, 1, 100, "good"),
        (0, 2, 100, "bad"),  # more than 1 %
        (0, 4, 49, "good"),  # of too few
        (0, 4, 50, "bad"),
        (4, 4, 1000, "good"),
        (5, 5, 1000, "bad"),
        (4.6, 5, 1000, "bad"),  # Prometheus extrapolates
    ],
)
async def test_the_limits_of_policy(
    burst: float, violations: float, decisions: float, expected: str
) -> None:
    found = {"burst": burst, "violations": violations, "decisions": decisions}
    sample = await Violations(Figures(found)).sample(target(), POLICY, NOW)
    assert (sample.verdict, sample.urgent) == (expected, False)


@pytest.mark.parametrize("missing", ["burst", "violations", "decisions"])
async def test_no_counter_is_never_good(missing: str) -> None:
    found = {name: 0.0 for name in ("burst", "violations", "decisions") if name != missing}
    sample = await Violations(Figures(found)).sample(target(), POLICY, NOW)
    assert sample.verdict == "none"


@pytest.mark.parametrize(("count", "expected"), [(0, "good"), (1, "bad")])
async def test_one_of_safety_is_urgent(count: float, expected: str) -> None:
    figures = Figures({"safety": count})
    sample = await SafetyViolations(figures).sample(target("steady"), POLICY, NOW)
    assert (sample.verdict, sample.urgent) == (expected, expected == "bad")


async def test_a_prometheus_that_is_down_says_nothing() -> None:
    down = Figures({"safety": 1.0}, down=True)
    assert (await SafetyViolations(down).sample(target(), POLICY, NOW)).verdict == "none"
    assert (await Violations(down).sample(target(), POLICY, NOW)).verdict == "none"


def test_both_count_after_the_bake_and_only_safety_isolates() -> None:
    assert (SafetyViolations.lasting, SafetyViolations.action) == (True, "quarantine")
    assert (Violations.lasting, Violations.action) == (True, "rollback")
