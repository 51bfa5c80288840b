"""Plain text for people: columns that line up, ages, and no control character obeyed."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import zip_longest

_UNITS = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))
GAP = "   "


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a table, as kubectl prints them."""
    whole = [header, *([printable(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip_longest(*whole, fillvalue="")]
    return [
        GAP.join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)).rstrip()
        for row in whole
    ]


def age(since: str, now: datetime) -> str:
    """Return how long ago an RFC 3339 moment is, in its largest unit, such as `12d`."""
    if not since:
        return "-"
    seconds = max(0, int((now - moment(since)).total_seconds()))
    unit, size = next(((u, s) for u, s in _UNITS if seconds >= s), _UNITS[-1])
    return f"{seconds // size}{unit}"


def moment(text: str) -> datetime:
    """Return an RFC 3339 moment in UTC."""
    return datetime.fromisoformat(text).astimezone(UTC)


def printable(text: str) -> str:
    """Return a text with control and direction characters shown, not obeyed."""
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)
