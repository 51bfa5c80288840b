"""Short ways to say pass, fail, wait or not applicable, so that each gate reads as its rules.

Messages never carry an age or anything else that moves by itself: the same facts must give the
same answer a minute later, or every minute would bring a new decision.
"""

from collections.abc import Iterable
from datetime import UTC, datetime

from interlock.api.kinds.base import seconds
from interlock.api.reasons import Reason
from interlock.api.values import GateResult, Outcome

SHOWN = 4
"""How many digits of a digest a message shows."""
NAMED = 5
"""How many items of a list a message names."""


def passed(
    gate: str,
    message: str,
    *,
    evidence: Iterable[str] = (),
    expires: datetime | None = None,
    fresh_until: datetime | None = None,
) -> GateResult:
    """The guard is closed."""
    return GateResult(
        gate,
        Outcome.PASS,
        Reason.PASSED,
        message,
        evidence=tuple(sorted(set(evidence))),
        expires=expires,
        fresh_until=fresh_until,
    )


def failed(
    gate: str, reason: Reason, message: str, *, got: str, expected: str, unblock: str
) -> GateResult:
    """The guard is open, and waiting does not close it."""
    return GateResult(gate, Outcome.FAIL, reason, message, got, expected, (unblock,))


def not_applicable(gate: str, message: str) -> GateResult:
    """There is nothing here that this gate could judge."""
    return GateResult(gate, Outcome.NOT_APPLICABLE, Reason.NOT_REQUIRED, message)


def moment(text: str) -> datetime:
    """Return an RFC 3339 moment as a UTC datetime."""
    return datetime.fromisoformat(text).astimezone(UTC)


def day(when: datetime) -> str:
    """Return a moment as messages write it."""
    return when.strftime("%d %b %Y %H:%M UTC")


def later(start: datetime, duration: str) -> datetime:
    """Return the moment that lies a Duration after `start`."""
    return datetime.fromtimestamp(start.timestamp() + seconds(duration), UTC)


def digits(digest: str) -> str:
    """Return the start of a digest, as messages show it."""
    return f"{digest.removeprefix('sha256:')[:SHOWN]}…"


def some(items: Iterable[str]) -> str:
    """Return a list for a sentence, cut after a few items."""
    listed = list(items)
    rest = f" and {len(listed) - NAMED} more" if len(listed) > NAMED else ""
    return ", ".join(listed[:NAMED]) + rest
