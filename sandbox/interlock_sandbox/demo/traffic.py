"""Every move of the traffic, as its record says and as callers saw it."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from interlock_sandbox.demo import show
from interlock_sandbox.demo.load import Load

Object = dict[str, Any]
_MOVES = ("Promotion", "Rollback", "Quarantine")
_NOBODY = ("", "none")


def told(load: Load, since: float) -> str:
    """Who answered how many requests since a moment, and how many nobody did."""
    answered = load.answered(since).items()
    by = ", ".join(f"{revision} {count}" for revision, count in answered) or "nobody"
    return f"requests answered by {by}; without an answer {len(load.lost(since))}"


def hold_none_lost(load: Load, since: float) -> None:
    """Every request since a moment was answered, each on a connection of its own."""
    lost = load.lost(since)
    show.hold(not lost, "an answer to every request", f"{len(lost)} without, first {lost[:3]}")


def table(load: Load, records: list[Object]) -> None:
    """Print when traffic moved, and until when callers met what it left; `-` is not at all."""
    moves = [one for one in records if one["spec"]["type"] in _MOVES and _ended(one)]
    show.say("Milliseconds after each record was signed: when traffic moved, and when the version")
    show.say("that was left gave a request its last answer, and an open stream its last line:")
    show.say(f"{'':44}moved   last answer     last line")
    for line in _lines(load, moves):
        show.say(line)


def left(load: Load | None, record: Object) -> str:
    """How one move went, in words; of callers only where there are any."""
    moved = f"traffic moved {_seconds(record) * 1000:.0f} ms after the record"
    at, revision = _moment(record["spec"]["at"]), _short(record["spec"]["from"])
    line = load.last_line(revision, at) if load else None
    return moved + (f", an open stream ended after {(line - at) * 1000:.0f} ms" if line else "")


def moved_at(record: Object) -> float:
    """When traffic had moved, in seconds since the epoch."""
    return _moment(record["status"]["end"]["at"])


def _ended(record: Object) -> bool:
    return bool(record.get("status", {}).get("end", {}).get("outcome") == "Committed")


def _lines(load: Load, moves: list[Object]) -> Iterator[str]:
    times = [_moment(one["spec"]["at"]) for one in moves]
    for one, at, until in zip(moves, times, [*times, float("inf")][1:], strict=True):
        left, to = (_short(one["spec"].get(end, "")) for end in ("from", "to"))
        if left in _NOBODY:
            continue
        answer, line = load.last_answer(left, at, until), load.last_line(left, at)
        what = f"{one['spec']['type']} {left} → {to}"
        yield f"{what:44}{_seconds(one) * 1000:5.0f}   {_after(answer, at)}   {_after(line, at)}"


def _after(moment: float | None, start: float) -> str:
    return f"{(moment - start) * 1000:11.0f}" if moment else f"{'-':>11}"


def _short(revision: str) -> str:
    return revision.rpartition("-")[2]


def _moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _seconds(record: Object) -> float:
    return moved_at(record) - _moment(record["spec"]["at"])
