"""A silent decision log counts while traffic flows."""

import pytest

from interlock.signals.heartbeat import DecisionLog, SilentDecisionLog
from support.targets import NOW, POLICY, Figures, target


@pytest.mark.parametrize(
    ("age", "traffic", "log", "silent"),
    [
        (1, 100, "good", "good"),
        (60, 100, "good", "good"),
        (61, 100, "bad", "good"),
        (301, 100, "bad", "bad"),
        (301, 0, "good", "good"),
        (-5, 100, "good", "good"),  # its clock is ahead
    ],
)
async def test_limits(age: float, traffic: float, log: str, silent: str) -> None:
    figures = Figures({"age": age, "traffic": traffic})
    samples = [
        await signal.sample(target("steady"), POLICY, NOW)
        for signal in (DecisionLog(figures), SilentDecisionLog(figures))
    ]
    assert [sample.verdict for sample in samples] == [log, silent]
    assert [sample.urgent for sample in samples] == [False, silent == "bad"]


@pytest.mark.parametrize("missing", ["age", "traffic"])
async def test_no_data_says_nothing(missing: str) -> None:
    figures = Figures({name: 999.0 for name in ("age", "traffic") if name != missing})
    sample = await SilentDecisionLog(figures).sample(target("steady"), POLICY, NOW)
    assert sample.verdict == "none"


def test_a_candidate_has_no_traffic_to_write_down() -> None:
    assert not DecisionLog(Figures()).applies(target("candidate"))
    assert DecisionLog(Figures()).applies(target("baking"))
