"""Columns line up, ages are short, and foreign text moves no cursor."""

from datetime import UTC, datetime

import pytest

from interlock.cli.tables import age, printable, table

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def test_columns_line_up() -> None:
    lines = table(["NAME", "READY"], [["press", "True"], ["a", "False"]])
    assert lines == ["NAME    READY", "press   True", "a       False"]


@pytest.mark.parametrize(
    ("since", "shown"),
    [
        ("2026-11-08T12:00:00Z", "12d"),
        ("2026-11-20T09:00:00+00:00", "3h"),
        ("2026-11-20T11:59:58.5Z", "1s"),
        ("2026-11-20T12:00:09Z", "0s"),
        ("", "-"),
    ],
)
def test_an_age_is_in_its_largest_unit(since: str, shown: str) -> None:
    assert age(since, NOW) == shown


def test_control_and_direction_characters_are_shown() -> None:
    assert printable("a\x1b[2Jb\u202ec\n") == "a\\u001b[2Jb\\u202ec\\u000a"
    assert table(["A"], [["\x1b[0m"]])[1] == "\\u001b[0m"
