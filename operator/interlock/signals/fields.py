"""Reads fields of objects that others wrote: what is malformed counts as absent.

Status is written by kubelets and controllers of any version; a field of another shape must never
end the look at an agent, and must never be taken for good news.
"""

from datetime import datetime
from typing import Any

Object = dict[str, Any]
MAX_MESSAGE = 200
"""Characters of a vote's message: it must fit a column of status."""
LARGEST = 2**31
"""Numbers of Kubernetes that are read here are of 32 bits."""


def field(obj: object, *path: str) -> object:
    """Return what lies at a path of keys, or None."""
    for key in path:
        obj = obj.get(key) if isinstance(obj, dict) else None
    return obj


def text(obj: object, *path: str) -> str:
    """Return a string, or an empty one."""
    found = field(obj, *path)
    return found if isinstance(found, str) else ""


def number(obj: object, *path: str, absent: int = 0) -> int:
    """Return a whole number, or `absent`."""
    found = field(obj, *path)
    if not isinstance(found, int) or isinstance(found, bool) or abs(found) >= LARGEST:
        return absent
    return found


def objects(obj: object, *path: str) -> list[Object]:
    """Return the objects of a list, or none."""
    found = field(obj, *path)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def moment(obj: object, *path: str) -> datetime | None:
    """Return a moment that names its offset, or None."""
    try:
        found = datetime.fromisoformat(text(obj, *path))
    except ValueError:
        return None
    return found if found.tzinfo else None


def condition(obj: object, kind: str) -> Object | None:
    """Return the condition of one type, or None."""
    listed = objects(obj, "status", "conditions")
    return next((one for one in listed if text(one, "type") == kind), None)


def sentence(words: str) -> str:
    """Return one printable line that fits a column of status."""
    shown = (c if c.isprintable() else " " for c in words[: 4 * MAX_MESSAGE])
    line = " ".join("".join(shown).split())
    return line if len(line) <= MAX_MESSAGE else line[: MAX_MESSAGE - 1] + "…"
