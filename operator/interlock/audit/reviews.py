"""How people approve, from the log alone: what no gate can see and an auditor should.

Two people who agree to wave everything through pass every rule, and so does one who never reads.
Nothing proves that; who approves dozens a day, within seconds, always with the same other, and
never says no, stands out here.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

from interlock.audit.chain import decode, read_lines

QUICK = timedelta(seconds=60)
"""Nobody reads a change of an agent in less."""
GATES = ("change-approval", "freeze-window")
Object = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Reviewer:
    """One person's habits."""

    person: str
    approvals: int
    rejections: int
    busiest: int
    """Most approvals on one day (UTC)."""
    median_seconds: int | None
    """From the first judgement of a content to the approval, as signed; None where all were earlier
    than that, such as in a pull request."""
    quick: int
    """Approvals within QUICK of that judgement."""
    mostly_with: str
    """Who approved most of the same contents; empty for nobody."""
    together: int
    """How many those were."""


@dataclass(slots=True)
class _Habits:
    said: dict[str, set[str]] = field(default_factory=lambda: {"approve": set(), "reject": set()})
    """Nonces, by what was said with them."""
    days: Counter[str] = field(default_factory=Counter)
    waits: list[float] = field(default_factory=list)
    contents: set[str] = field(default_factory=set)


def decisions(path: Path) -> Iterator[Object]:
    """Yield the decisions of a log that was verified, in its order. Raises OSError, ValueError."""
    with path.open("rb") as file:
        for data in read_lines(file):
            entry = decode(data.removesuffix(b"\n")).entry
            if (entry.kind, entry.event) == ("GateDecision", "Created"):
                yield entry.record


def reviewers(found: Iterable[Object]) -> list[Reviewer]:
    """Return each person's habits by the decisions of a log, the busiest first."""
    habits: dict[str, _Habits] = {}
    first: dict[str, datetime] = {}
    for spec in found:
        judged = first.setdefault(spec["digest"], datetime.fromisoformat(spec["at"]))
        for word in _counted(spec):
            _take(habits.setdefault(word["person"], _Habits()), word, spec["digest"], judged)
    listed = [_reviewer(person, habits) for person in habits]
    return sorted(listed, key=lambda one: (-one.approvals, one.person))


def _counted(spec: Object) -> Iterator[Object]:
    """Yield the words on which a gate's answer rests: what others wrote may name anybody."""
    answers = (one for one in spec["outcomes"] if one["gate"] in GATES)
    marks = {mark for one in answers for mark in one.get("evidence", [])}
    for word in json.loads(spec["facts"]).get("approvals", []) if marks else []:
        if word["envelope"] in marks:
            yield word


def _take(mine: _Habits, word: Object, content: str, judged: datetime) -> None:
    said = "approve" if word["decision"] == "approve" else "reject"
    if word["nonce"] in mine.said[said]:
        return
    mine.said[said].add(word["nonce"])
    if said == "reject":
        return
    at = datetime.fromisoformat(word["notBefore"]).astimezone(UTC)
    mine.contents.add(content)
    mine.days[f"{at:%Y-%m-%d}"] += 1
    if at >= judged:
        mine.waits.append((at - judged).total_seconds())


def _reviewer(person: str, habits: Mapping[str, _Habits]) -> Reviewer:
    mine = habits[person]
    others = {
        one: len(mine.contents & its.contents) for one, its in habits.items() if one != person
    }
    most = max(sorted(others), key=others.__getitem__, default="")
    together = others.get(most, 0)
    return Reviewer(
        person=person,
        approvals=len(mine.said["approve"]),
        rejections=len(mine.said["reject"]),
        busiest=max(mine.days.values(), default=0),
        median_seconds=int(median(mine.waits)) if mine.waits else None,
        quick=sum(wait < QUICK.total_seconds() for wait in mine.waits),
        mostly_with=most if together else "",
        together=together,
    )
