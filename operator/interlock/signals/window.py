"""Makes one vote of many samples, so that a single bad answer moves nothing.

Bad samples in a row make it bad, twice as many good ones in a row make it good again. A sample
without data breaks a row of good ones and not a row of bad ones: no data is never good, and never
bad either.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, Protocol

from interlock.api.kinds.base import seconds
from interlock.api.observed import Action, Vote
from interlock.policy.model import SignalPolicy
from interlock.signals.contract import Sample, Stand
from interlock.signals.fields import sentence

HYSTERESIS = 2
"""So many times as many good samples end a bad vote as bad ones began it."""
MISSED = 3
"""Intervals without a sample after which the last one says nothing any more."""
Verdict = Literal["good", "bad", "none"]


class Sampled(Protocol):
    """What a vote takes from a sampled signal."""

    @property
    def name(self) -> str:
        """The key of its samples."""

    @property
    def action(self) -> Action:
        """What its bad vote asks for."""

    @property
    def lasting(self) -> bool:
        """Whether its bad vote counts after the bake too."""


@dataclass(slots=True)
class _Row:
    """How the samples stand after each one."""

    good: int = 0
    """Good samples in a row."""
    bad: int = 0
    """Bad samples since the last good one."""
    failed: bool = False
    newest_bad: str = ""

    def take(self, sample: Sample, policy: SignalPolicy) -> None:
        self.good = self.good + 1 if sample.verdict == "good" else 0
        if sample.verdict == "good":
            self.bad = 0
            self.failed = self.failed and self.good < HYSTERESIS * policy.failures
        elif sample.verdict == "bad":
            self.bad += 1
            self.failed = self.failed or sample.urgent or self.bad >= policy.failures
            self.newest_bad = sample.message

    def verdict(self, enough: int) -> Verdict:
        if self.failed:
            return "bad"
        return "good" if self.good >= enough else "none"


def vote(
    signal: Sampled, samples: Sequence[Sample], policy: SignalPolicy, stand: Stand, now: datetime
) -> Vote:
    """Return what one signal's samples, oldest first, amount to now."""
    name, action, lasting = signal.name, signal.action, signal.lasting
    if not samples:
        return Vote(name, "none", "nothing was measured yet", action, lasting)
    enough = policy.successes if stand == "candidate" else 1
    row, verdict, since = _run(samples, policy, enough)
    message = _message(row, samples[-1], policy, enough)
    if verdict == "good" and now - samples[-1].at > _silence(policy):
        verdict, since = "none", samples[-1].at
        message = f"nothing was measured since {since.isoformat(timespec='seconds')}"
    bad = sum(sample.verdict == "bad" for sample in samples)
    return Vote(name, verdict, sentence(message), action, lasting, bad, len(samples), since)


def _run(
    samples: Sequence[Sample], policy: SignalPolicy, enough: int
) -> tuple[_Row, Verdict, datetime]:
    """Return how the samples stand after the last one, and since when they say so."""
    row = _Row()
    verdict: Verdict | None = None
    since = samples[0].at
    for sample in samples:
        row.take(sample, policy)
        before, verdict = verdict, row.verdict(enough)
        since = since if verdict == before else sample.at
    return row, row.verdict(enough), since


def _message(row: _Row, last: Sample, policy: SignalPolicy, enough: int) -> str:
    if row.failed and row.good:
        needed = HYSTERESIS * policy.failures
        return f"good {row.good} times since, {needed} make it good again; it was: {row.newest_bad}"
    if row.failed:
        return row.newest_bad
    if 0 < row.good < enough:
        return f"good {row.good} times of {enough} in a row: {last.message}"
    return last.message


def _silence(policy: SignalPolicy) -> timedelta:
    return timedelta(seconds=MISSED * seconds(policy.interval) + seconds(policy.timeout))
