"""The window's rules, under any row of samples that hypothesis can think of."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.api.observed import Action, Vote
from interlock.policy.model import SignalPolicy
from interlock.signals import window
from interlock.signals.contract import Sample
from support.live import NOW

STANDS: Any = st.sampled_from(["candidate", "baking", "steady"])
SERVING: Any = st.sampled_from(["baking", "steady"])
VERDICTS: Any = st.sampled_from(["good", "bad", "none"])
POLICIES = st.builds(SignalPolicy, successes=st.integers(1, 6), failures=st.integers(1, 4))
LETTERS = {"g": "good", "b": "bad", "-": "none", "!": "bad"}


@dataclass(frozen=True)
class Signal:
    name: str = "probe-http"
    action: Action = "rollback"
    lasting: bool = False


def row(letters: str) -> list[Sample]:
    """One sample a letter, thirty seconds apart, the last one now; `!` is an urgent bad one."""
    found: list[Any] = [(letter, LETTERS[letter]) for letter in letters]
    return [
        Sample(
            at=NOW - timedelta(seconds=30 * (len(found) - 1 - place)),
            verdict=verdict,
            message=f"sample {place}",
            urgent=letter == "!",
        )
        for place, (letter, verdict) in enumerate(found)
    ]


def ask(samples: Sequence[Sample], policy: SignalPolicy, stand: Any = "baking") -> Vote:
    return window.vote(Signal(), samples, policy, stand, NOW)


def verdict(letters: str, stand: Any = "baking", **limits: int) -> str:
    return ask(row(letters), SignalPolicy(**limits), stand).verdict


ROWS = st.text(alphabet="gb-!", max_size=24)
CALM = st.text(alphabet="gb-", max_size=24)


@given(ROWS, POLICIES, STANDS)
def test_no_data_is_never_good(letters: str, policy: SignalPolicy, stand: Any) -> None:
    assert ask(row(letters + "-"), policy, stand).verdict != "good"
    assert ask(row("-" * len(letters)), policy, stand).verdict == "none"


@given(ROWS, POLICIES, STANDS)
def test_good_needs_as_many_good_samples_in_a_row(
    letters: str, policy: SignalPolicy, stand: Any
) -> None:
    run = len(letters) - len(letters.rstrip("g"))
    enough = policy.successes if stand == "candidate" else 1
    assert ask(row(letters), policy, stand).verdict != "good" or run >= enough


@given(CALM, POLICIES, STANDS)
def test_fewer_bad_samples_than_failures_are_never_bad(
    letters: str, policy: SignalPolicy, stand: Any
) -> None:
    rows = [part.count("b") for part in letters.split("g")]
    assert (ask(row(letters), policy, stand).verdict == "bad") <= (max(rows) >= policy.failures)


@given(CALM, POLICIES, STANDS)
def test_failures_bad_samples_in_a_row_are_bad(
    letters: str, policy: SignalPolicy, stand: Any
) -> None:
    assert ask(row(letters + "b" * policy.failures), policy, stand).verdict == "bad"


@given(ROWS, POLICIES, STANDS)
def test_an_urgent_sample_is_bad_at_once(letters: str, policy: SignalPolicy, stand: Any) -> None:
    assert ask(row(letters + "!"), policy, stand).verdict == "bad"


@given(ROWS, st.text(alphabet="g-", max_size=12), POLICIES, SERVING)
def test_bad_stays_until_twice_as_many_are_good_in_a_row(
    letters: str, after: str, policy: SignalPolicy, stand: Any
) -> None:
    runs = max(len(part) for part in after.split("-"))
    vote = ask(row(letters + "!" + after), policy, stand)
    assert (vote.verdict == "bad") == (runs < 2 * policy.failures)


@given(ROWS, POLICIES, STANDS, st.integers(0, 24))
def test_no_data_makes_nothing_better_and_nothing_bad(
    letters: str, policy: SignalPolicy, stand: Any, place: int
) -> None:
    order = {"bad": 0, "none": 1, "good": 2}
    before = ask(row(letters), policy, stand).verdict
    after = ask(row(letters[:place] + "-" + letters[place:]), policy, stand).verdict
    assert order[after] <= order[before]
    if before != "bad" and "!" not in letters and letters.count("b") < policy.failures:
        assert after != "bad"


@given(ROWS, POLICIES, STANDS)
def test_it_counts_what_it_saw(letters: str, policy: SignalPolicy, stand: Any) -> None:
    vote = ask(row(letters), policy, stand)
    assert (vote.bad, vote.of) == (letters.count("b") + letters.count("!"), len(letters))
    assert (vote.signal, vote.action, vote.lasting) == ("probe-http", "rollback", False)


@pytest.mark.parametrize(
    ("letters", "expected"),
    [
        ("", "none"),
        ("g", "good"),
        ("gb", "none"),
        ("gbb", "none"),
        ("gbbg", "good"),
        ("gbbb", "bad"),
        ("gb-b-b", "bad"),
        ("bbgbb", "none"),
        ("bbbggggg", "bad"),
        ("bbbgggggg", "good"),
        ("bbbggggg-g", "bad"),
        ("bbb---", "bad"),
        ("g---", "none"),
    ],
)
def test_what_serves(letters: str, expected: str) -> None:
    assert verdict(letters) == expected
    assert verdict(letters, "steady") == expected


@pytest.mark.parametrize(
    ("letters", "expected"),
    [("gggg", "none"), ("ggggg", "good"), ("gg-ggg", "none"), ("ggggggb", "none"), ("bbb", "bad")],
)
def test_a_candidate_is_proven_by_a_row_of_good_samples(letters: str, expected: str) -> None:
    assert verdict(letters, "candidate") == expected


def test_silence_ends_what_was_good() -> None:
    policy = SignalPolicy()
    late = timedelta(seconds=3 * 30 + 5)
    (sample,) = row("g")
    assert ask([replace(sample, at=NOW - late)], policy).verdict == "good"
    silent = ask([replace(sample, at=NOW - late - timedelta(seconds=1))], policy)
    assert silent.verdict == "none"
    assert silent.message == "nothing was measured since 2026-03-01T11:58:24+00:00"


def test_silence_does_not_end_what_was_bad() -> None:
    (sample,) = row("!")
    old = replace(sample, at=NOW - timedelta(hours=9))
    assert ask([old], SignalPolicy()).verdict == "bad"


def test_since_is_when_it_began_to_say_so() -> None:
    policy = SignalPolicy()
    assert ask(row("ggg"), policy).since == NOW - timedelta(seconds=60)
    assert ask(row("gbbbb"), policy).since == NOW - timedelta(seconds=30)
    assert ask(row("gbbbg"), policy).since == NOW - timedelta(seconds=30)
    assert ask([], policy).since is None


@pytest.mark.parametrize(
    ("letters", "stand", "message"),
    [
        ("", "baking", "nothing was measured yet"),
        ("gg", "baking", "sample 1"),
        ("gg", "candidate", "good 2 times of 5 in a row: sample 1"),
        ("gb", "baking", "sample 1"),
        ("gbbb", "baking", "sample 3"),
        ("gbbb-", "baking", "sample 3"),
        ("gbbbg", "baking", "good 1 times since, 6 make it good again; it was: sample 3"),
    ],
)
def test_it_says_what_decides(letters: str, stand: str, message: str) -> None:
    assert ask(row(letters), SignalPolicy(), stand).message == message


def test_a_long_message_fits_a_column() -> None:
    (sample,) = row("b")
    vote = ask([replace(sample, message="\x1b[2J" + "x" * 9999)], SignalPolicy())
    assert len(vote.message) == 200
    assert vote.message.isprintable()
