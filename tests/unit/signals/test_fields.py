from datetime import UTC, datetime

import pytest

from interlock.signals import fields


@pytest.mark.parametrize("found", [True, 1.0, "1", None, 2**31, -(10**30)])
def test_what_is_no_number_of_kubernetes_counts_as_absent(found: object) -> None:
    assert fields.number({"a": {"b": found}}, "a", "b", absent=7) == 7


@pytest.mark.parametrize("found", ["", "soon", 5, None, "2026-03-01T12:00:00", "2026-02-30T00:00Z"])
def test_a_moment_names_its_offset(found: object) -> None:
    assert fields.moment({"at": found}, "at") is None


def test_what_is_well_formed_is_read() -> None:
    obj = {"a": {"n": 3, "t": "x", "l": [{}, None], "at": "2026-03-01T12:00:00Z"}}
    assert fields.number(obj, "a", "n") == 3
    assert fields.text(obj, "a", "t") == "x"
    assert fields.objects(obj, "a", "l") == [{}]
    assert fields.moment(obj, "a", "at") == datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_a_path_may_end_anywhere() -> None:
    assert fields.field({"a": [1]}, "a", "b") is None
    assert fields.text(None, "a") == ""
