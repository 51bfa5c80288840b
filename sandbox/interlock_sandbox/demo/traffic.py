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


def table(load: Load, records: list[Object]) -> None:
    """Print when traffic moved, and until when callers met what it left, after each record."""
    moves = [one for one in records if _moved(one["spec"])]
    show.say("Milliseconds after each record was signed, by the callers' clock:")
    show.say(f"{'':44}moved   last answer   last line of a stream")
    for line in _lines(load, moves):
        show.say(line)


def seconds(record: Object) -> float:
    """Seconds between a record and its end."""
    return _moment(record["status"]["end"]["at"]) - _moment(record["spec"]["at"])


def _moved(spec: Object) -> bool:
    return spec["type"] in _MOVES and spec.get("from", "") not in _NOBODY


def _lines(load: Load, moves: list[Object]) -> Iterator[str]:
    times = [_moment(one["spec"]["at"]) for one in moves]
    for one, at, until in zip(moves, times, [*times, float("inf")][1:], strict=True):
        left, to = (_short(one["spec"].get(end, "")) for end in ("from", "to"))
        answer, line = load.last_answer(left, at, until), load.last_line(left, at)
        what = f"{one['spec']['type']} {left} → {to}"
        yield f"{what:44}{seconds(one) * 1000:5.0f}   {_after(answer, at)}   {_after(line, at)}"


def _after(moment: float | None, start: float) -> str:
    return f"{(moment - start) * 1000:11.0f}" if moment else f"{'-':>11}"


def _short(revision: str) -> str:
    return revision.rpartition("-")[2]


def _moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
