"""I2, I5, I7, I10, I14: a long random walk of agents breaks no law and comes to rest."""

from typing import get_args

import pytest

from interlock.api import steps
from support.walker import walk_until


def test_a_hundred_thousand_transitions_break_no_law(capsys: pytest.CaptureFixture[str]) -> None:
    made, seeds, counts = walk_until(100_000, first=100_000)
    with capsys.disabled():
        print(f"\n{made} transitions of {seeds} walks:")
        for step, count in counts.most_common():
            print(f"  {count:7} {step}")
    traffic, work = get_args(steps.TrafficStep), get_args(steps.WorkStep)
    assert {kind.__name__ for kind in (*traffic, *work)} == set(counts), "every step was made"
