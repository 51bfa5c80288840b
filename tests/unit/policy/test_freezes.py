"""When windows begin and end: cron's fields, time zones, and the days on which clocks change."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from interlock.policy.freezes import Freeze, Freezes, next_start, open_until, schedule

BERLIN = "Europe/Berlin"


def freeze(**changes: Any) -> Freeze:
    """Weekends in Berlin: Friday 18:00 to Monday 06:00."""
    whole = {
        "name": "weekend",
        "environments": ["production"],
        "schedule": "0 18 * * FRI",
        "duration": "60h",
        "timeZone": BERLIN,
        "reason": "nobody is there",
    }
    return Freeze.model_validate(whole | changes)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "until"),
    [
        ("2026-11-20T16:59:59", None),
        ("2026-11-20T17:00:00", "2026-11-23T05:00:00"),
        ("2026-11-22T12:00:00", "2026-11-23T05:00:00"),
        ("2026-11-23T04:59:59", "2026-11-23T05:00:00"),
        ("2026-11-23T05:00:00", None),
    ],
)
def test_a_window_is_open_from_its_start_until_before_its_end(now: str, until: str | None) -> None:
    assert open_until(freeze(), utc(now)) == (utc(until) if until else None)


def test_of_two_windows_in_a_day_the_later_is_open() -> None:
    shifts = freeze(schedule="0 6,14 * * *", duration="4h", timeZone="UTC")
    assert open_until(shifts, utc("2026-11-20T15:00:00")) == utc("2026-11-20T18:00:00")


def test_the_next_start_lies_after_now() -> None:
    assert next_start(freeze(), utc("2026-11-20T17:00:00")) == utc("2026-11-27T17:00:00")
    assert next_start(freeze(), utc("2026-11-20T16:59:59")) == utc("2026-11-20T17:00:00")


def test_the_time_zone_is_that_of_who_wrote_it() -> None:
    summer = utc("2026-07-17T16:00:00")
    assert open_until(freeze(), summer) == utc("2026-07-20T04:00:00")
    assert open_until(freeze(timeZone="America/New_York"), summer) is None


def test_a_start_that_clocks_skip_is_not_lost() -> None:
    """On 29 March 2026 there is no 02:30 in Berlin."""
    skipped = freeze(schedule="30 2 29 3 *", duration="1h")
    assert next_start(skipped, utc("2026-03-28T00:00:00")) == utc("2026-03-29T01:30:00")


def test_a_start_that_occurs_twice_is_the_first() -> None:
    """On 25 October 2026 there are two 02:30 in Berlin: one of summer, then one of winter."""
    twice = freeze(schedule="30 2 25 10 *", duration="1h")
    assert next_start(twice, utc("2026-10-24T00:00:00")) == utc("2026-10-25T00:30:00")
    assert open_until(twice, utc("2026-10-25T01:30:00")) is None


def test_windows_without_a_gap_are_one() -> None:
    holidays = freeze(schedule="0 0 24-26 12 *", duration="24h")
    assert open_until(holidays, utc("2026-12-24T00:00:00")) == utc("2026-12-26T23:00:00")


def test_what_has_no_end_in_sight_says_so() -> None:
    always = freeze(schedule="0 0 * * *", duration="25h")
    assert open_until(always, utc("2026-12-24T00:00:00")) == datetime.max.replace(tzinfo=UTC)


def test_a_day_that_comes_every_four_years_is_found() -> None:
    leap = freeze(schedule="0 0 29 FEB *", timeZone="UTC")
    assert next_start(leap, utc("2096-03-01T00:00:00")) == utc("2104-02-29T00:00:00")


@pytest.mark.parametrize(
    ("text", "day", "starts"),
    [
        ("0 0 13 * FRI", "2026-11-20", True),  # either: both are restricted
        ("0 0 13 * FRI", "2026-10-13", True),
        ("0 0 13 * FRI", "2026-10-14", False),
        ("0 0 */2 * FRI", "2026-11-20", False),  # both: as cron does, */2 restricts nothing
        ("0 0 * * 0", "2026-11-22", True),
        ("0 0 * * 7", "2026-11-22", True),
        ("0 0 * * MON-FRI", "2026-11-22", False),
        ("0 0 * nov *", "2026-11-22", True),
        ("0 0 * * 1-5/2", "2026-11-25", True),  # Monday, Wednesday, Friday
        ("0 0 * * 1-5/2", "2026-11-26", False),
    ],
)
def test_days_are_read_as_cron_reads_them(text: str, day: str, starts: bool) -> None:
    assert schedule(text).on(datetime.fromisoformat(day).date()) is starts


@pytest.mark.parametrize(
    ("text", "times"),
    [
        ("30 6,14,22 * * *", ["06:30", "14:30", "22:30"]),
        ("0 8-20/6 * * *", ["08:00", "14:00", "20:00"]),
        ("0 5/10 * * *", ["05:00", "15:00"]),
        ("*/30 0 * * *", ["00:00", "00:30"]),
    ],
)
def test_times_are_read_as_cron_reads_them(text: str, times: list[str]) -> None:
    assert [f"{each:%H:%M}" for each in schedule(text).times] == times


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0 18 * *",
        "0 0 18 * * FRI",
        "60 0 * * *",
        "0 24 * * *",
        "0 0 0 * *",
        "0 0 * 13 *",
        "0 0 * * 8",
        "0 0 * * FRIDAY",
        "0 0 5-1 * *",
        "0 */0 * * *",
        "0 */00 * * *",
        "@weekly",
        "0 0 L * *",
        "0 0 ? * *",
        "0 -1 * * *",
        "0 0 30 2 *",
        "* * * * *",
        "\u0661 0 * * *",
    ],
)
def test_what_is_no_schedule_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        freeze(schedule=text)


@pytest.mark.parametrize(
    "changes",
    [
        {"timeZone": "Berlin"},
        {"timeZone": "../../etc/passwd"},
        {"timeZone": "/usr/share/zoneinfo/UTC"},
        {"timeZone": ""},
        {"duration": "0s"},
        {"duration": "9999h"},
        {"kind": "maybe"},
        {"reason": ""},
    ],
)
def test_what_means_nothing_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        freeze(**changes)


def test_it_concerns_whoever_is_in_an_environment_or_a_namespace() -> None:
    both = freeze(environments=["production"], namespaces=["lab"])
    assert [each.name for each in Freezes(freezes=[both]).of("production", "line-4")] == ["weekend"]
    assert Freezes(freezes=[both]).of("test", "lab")
    assert not Freezes(freezes=[both]).of("test", "line-4")


MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))
ZONES = st.sampled_from([BERLIN, "UTC", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"])


@settings(deadline=None)
@given(MOMENTS, ZONES, st.integers(0, 23), st.integers(0, 59), st.integers(1, 160))
def test_a_window_is_open_right_after_it_began(
    now: datetime, zone: str, hour: int, minute: int, hours: int
) -> None:
    weekly = freeze(schedule=f"{minute} {hour} * * TUE", duration=f"{hours}h", timeZone=zone)
    start = next_start(weekly, now)
    assert start is not None
    assert now < start <= now + timedelta(days=8)
    assert start.astimezone(ZoneInfo(zone)).isoweekday() in (2, 3)  # a skipped 23:30 is later
    assert open_until(weekly, start) == start + timedelta(hours=hours)
    assert open_until(weekly, start + timedelta(hours=hours)) is None


def test_windows_follow_the_clock_of_the_world_where_local_time_is_skipped() -> None:
    """On 4 October 2026 Lord Howe goes from 02:00 to 02:30: 02:20 is later than 02:40."""
    howe = freeze(schedule="0,20,40 2 4 10 *", duration="6m", timeZone="Australia/Lord_Howe")
    assert next_start(howe, utc("2026-10-03T15:36:00")) == utc("2026-10-03T15:40:00")
    assert open_until(howe, utc("2026-10-03T15:52:00")) == utc("2026-10-03T15:56:00")


@pytest.mark.parametrize("zone", ["localtime", "posixrules", "Factory", "right/Europe/Berlin"])
def test_a_zone_that_each_machine_has_for_itself_is_refused(zone: str) -> None:
    """Who signs a freeze and who keeps it must mean one time."""
    with pytest.raises(ValidationError, match="no IANA time zone"):
        freeze(timeZone=zone)
