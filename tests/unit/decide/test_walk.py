"""I2, I5, I7, I10, I14: a random walk of agents breaks no law and comes to rest.

The laws stand in `tests/support/laws.py`. Ten times as many transitions are walked end to end.
"""

from support.walker import walk_until


def test_ten_thousand_transitions_break_no_law() -> None:
    made, _, counts = walk_until(10_000, first=0)
    assert made >= 10_000
    assert {"Commit", "MoveBack", "FinishTransition", "Cut", "Record"} <= set(counts)
