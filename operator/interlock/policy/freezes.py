"""When nothing may be promoted: windows over cron schedules, in the time zone of those who wrote.

The five fields are those of cron, read here: a window is asked for its last start and its next one,
and must mean one thing where clocks are changed, which the libraries for cron leave open. A local
time that occurs twice is the first one; one that does not occur is as late as if clocks had not
been changed, so that no freeze is lost. A duration is of real time.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field

from interlock.api.kinds.base import Duration, Model, Name, seconds

LONGEST = timedelta(days=366)
"""How long one window may be."""
HORIZON = 366 * 8 + 2
"""Days that are searched for a start: a 29th of February may be eight years away."""
STARTS = 24
"""Windows that may begin in one day."""
CHAIN = 64
"""Windows that may follow one another without a gap before their end is said to be open."""
_MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
_DAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]
_PART = re.compile(r"(\*|[0-9]{1,2}(-[0-9]{1,2})?)(/[0-9]{1,2})?")
_LOCAL = re.compile(r"(localtime|posixrules|Factory)$|right/|posix/")
"""Files beside the zones: each machine has its own, or none, or counts leap seconds."""
_LENGTHS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


@dataclass(frozen=True, slots=True)
class Schedule:
    """The minutes that five fields of cron name."""

    times: tuple[time, ...]
    """Times of day, the earliest first."""
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    """0 is Sunday."""
    either: bool
    """Whether a day of the month or a day of the week is enough, as both are restricted."""

    def on(self, day: date) -> bool:
        """Whether windows start on this day."""
        if day.month not in self.months:
            return False
        month, week = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return (month or week) if self.either else (month and week)


def schedule(text: str) -> Schedule:
    """Return what five fields of cron name. Raises ValueError with a sentence."""
    fields = text.split()
    if len(fields) != 5:
        raise ValueError(f"{len(fields)} fields, expected minute, hour, day, month and weekday")
    minutes, hours = _field(fields[0], 0, 59), _field(fields[1], 0, 23)
    days, months = _field(fields[2], 1, 31), _field(_named(fields[3], _MONTHS, 1), 1, 12)
    weekdays = frozenset(day % 7 for day in _field(_named(fields[4], _DAYS, 0), 0, 7))
    either = not (fields[2].startswith("*") or fields[4].startswith("*"))
    if not either and all(min(days) > _LENGTHS[month - 1] for month in months):
        raise ValueError(f"no month of it has a day {min(days)}")
    times = tuple(time(hour, minute) for hour in sorted(hours) for minute in sorted(minutes))
    if len(times) > STARTS:
        raise ValueError(f"it begins {len(times)} times a day, expected at most {STARTS}")
    return Schedule(times, days, months, weekdays, either)


def _named(field: str, names: list[str], first: int) -> str:
    """Return a field with numbers in place of names."""
    return re.sub(
        r"[A-Za-z]{3,}",
        lambda found: (
            str(names.index(found[0].upper()) + first) if found[0].upper() in names else found[0]
        ),
        field,
    )


def _field(text: str, low: int, high: int) -> frozenset[int]:
    found: set[int] = set()
    for part in text.split(","):
        if not _PART.fullmatch(part):
            raise ValueError(f"{part[:32]!r} is no number, range, step or *")
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        start = low if span == "*" else int(first)
        # As cron does: `5/10` begins at 5 and goes on to the end.
        end = high if span == "*" or (step and not last) else int(last or first)
        if not low <= start <= end <= high or step in ("0", "00"):
            raise ValueError(f"{part!r} does not lie within {low} to {high}, or steps by nothing")
        found.update(range(start, end + 1, int(step or 1)))
    return frozenset(found)


def _is_schedule(text: str) -> str:
    schedule(text)
    return text


def _is_zone(text: str) -> str:
    try:
        if _LOCAL.match(text):
            raise LookupError
        ZoneInfo(text)
    except (ValueError, OSError, LookupError):
        raise ValueError(f"{text!r} is no IANA time zone, such as Europe/Berlin") from None
    return text


def _is_short(text: str) -> str:
    if timedelta(seconds=seconds(text)) > LONGEST:
        raise ValueError(f"a window lasts at most {LONGEST.days} days")
    return text


class Freeze(Model):
    """One window: while a `deny` is open nothing is promoted; beside an `allow`, neither."""

    name: Name
    environments: Annotated[list[Name], Field(max_length=64)] = []
    namespaces: Annotated[list[Name], Field(max_length=256)] = []
    """Whoever is in one of these environments or namespaces is concerned."""
    kind: Literal["deny", "allow"] = "deny"
    schedule: Annotated[str, Field(max_length=256), AfterValidator(_is_schedule)]
    """When it begins: minute, hour, day of the month, month, day of the week."""
    duration: Annotated[Duration, AfterValidator(_is_short)]
    time_zone: Annotated[str, Field(max_length=64), AfterValidator(_is_zone)]
    reason: Annotated[str, Field(min_length=1, max_length=512)]
    override_role: Annotated[str, Field(pattern=r"^([a-z][a-z0-9-]{0,62})?$")] = ""
    """Who may lift it for one content; empty: nobody."""

    def concerns(self, environment: str, namespace: str) -> bool:
        """Whether a namespace of an environment is meant."""
        return environment in self.environments or namespace in self.namespaces


class Freezes(Model):
    """`freezes.yaml`."""

    freezes: Annotated[list[Freeze], Field(max_length=64)] = []

    def of(self, environment: str, namespace: str) -> list[Freeze]:
        """Return those that concern a namespace of an environment."""
        return [each for each in self.freezes if each.concerns(environment, namespace)]


def open_until(freeze: Freeze, now: datetime) -> datetime | None:
    """Return when the window that is open now ends; None where none is open.

    Windows that follow without a gap are one; one without end in sight ends at datetime.max.
    """
    start = next(_before(freeze, now), None)
    if start is None or now >= start + _length(freeze):
        return None
    end = start + _length(freeze)
    for _ in range(CHAIN):
        start = next_start(freeze, start) or end + LONGEST
        if start > end:
            return end
        end = start + _length(freeze)
    return datetime.max.replace(tzinfo=UTC)


def next_start(freeze: Freeze, now: datetime) -> datetime | None:
    """Return when it begins for the next time after `now`; None for never."""
    plan = _plan(freeze.schedule)
    first = now.astimezone(ZoneInfo(freeze.time_zone)).date() - timedelta(days=1)
    for day in (first + timedelta(days=n) for n in range(HORIZON)):
        if plan.on(day):
            for start in _starts(freeze, day, plan):
                if start > now:
                    return start
    return None


def _before(freeze: Freeze, now: datetime) -> Iterator[datetime]:
    """Yield the starts until `now`, the latest first."""
    plan = _plan(freeze.schedule)
    last = now.astimezone(ZoneInfo(freeze.time_zone)).date() + timedelta(days=1)
    for day in (last - timedelta(days=n) for n in range(LONGEST.days + 3)):
        if plan.on(day):
            for start in reversed(_starts(freeze, day, plan)):
                if start <= now:
                    yield start


def _starts(freeze: Freeze, day: date, plan: Schedule) -> list[datetime]:
    """Return the starts of a day; where clocks skip time, another order than that of the clock."""
    zone = ZoneInfo(freeze.time_zone)
    return sorted(datetime.combine(day, at, zone).astimezone(UTC) for at in plan.times)


def _length(freeze: Freeze) -> timedelta:
    return timedelta(seconds=seconds(freeze.duration))


_plan = lru_cache(maxsize=256)(schedule)
