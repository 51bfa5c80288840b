"""Value types of the judgement: what a gate is told, what it answers.

They are plain, frozen and small, so that a verdict can be replayed anywhere from its facts.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from interlock.api.reasons import Reason


class Outcome(StrEnum):
    """What a gate answers. FAIL is an answer, ERROR is the lack of one."""

    PASS = "PASS"  # noqa: S105 - a verdict, not a password
    FAIL = "FAIL"
    WAIT = "WAIT"
    NOT_APPLICABLE = "NOT_APPLICABLE"
    OVERRIDDEN = "OVERRIDDEN"
    BYPASSED = "BYPASSED"
    ERROR = "ERROR"

    @property
    def lets_through(self) -> bool:
        """Whether this answer, by itself, lets a revision pass."""
        return self in _LETTING


_LETTING = frozenset({Outcome.PASS, Outcome.NOT_APPLICABLE, Outcome.OVERRIDDEN, Outcome.BYPASSED})


class Purpose(StrEnum):
    """What a verdict is for: to move traffic forward, or to be a place to go back to."""

    PROMOTION = "promotion"
    ROLLBACK = "rollback"


@dataclass(frozen=True, slots=True)
class GateResult:
    """One gate's answer: what was got, what was expected, and the smallest change that turns it."""

    gate: str
    outcome: Outcome
    reason: Reason
    message: str
    got: str = ""
    expected: str = ""
    unblock: tuple[str, ...] = ()
    evidence: tuple[str, ...] = field(default=())
    """SHA-256 of the bundles or envelopes that the answer rests on."""
    expires: datetime | None = None
    """When the answer must be asked for again; None where nothing in it ages."""
    fresh_until: datetime | None = None
    """When the evidence gets too old for a promotion, whatever was asked: what serves goes on."""

    def plain(self) -> dict[str, Any]:
        """The answer as JSON has it for people and their programs; a decision keeps more."""
        return {
            "gate": self.gate,
            "outcome": self.outcome.value,
            "reason": self.reason.value,
            "message": self.message,
            "got": self.got,
            "expected": self.expected,
            "unblock": list(self.unblock),
            "evidence": list(self.evidence),
        }


Clock = Callable[[], datetime]
"""Gives the present moment, in UTC. Passed in, so that tests own the time."""
