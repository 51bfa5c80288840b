"""What JSON is read, and what is refused where readers differ."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.policy import strict_json
from interlock.policy.strict_text import MAX_DEPTH, StrictError

LIMIT = 4096


def test_reads_json() -> None:
    value = strict_json.load(b'{"a": [1, -2.5, null, true, "line\\nend\\ttab"]}', limit=LIMIT)
    assert value == {"a": [1, -2.5, None, True, "line\nend\ttab"]}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('{"a": 1, "a": 2}', "the key 'a' occurs twice"),
        ('{"a": 1, "\\u0061": 2}', "the key 'a' occurs twice"),
        ('{"x": {"a": 1, "a": 2}}', "the key 'a' occurs twice"),
        ("NaN", "NaN is no JSON number"),
        ("[Infinity]", "Infinity is no JSON number"),
        ("[1e999]", "1e999 is too large"),
        ("9007199254740992", "a number beyond"),
        ("1" * 3000, "too many digits"),
        ("{} {}", "line 1: this is not JSON: Extra data"),
        ('{\n"a": 1,\n}', "line 3"),
        ("", "this is not JSON"),
        ("{'a': 1}", "this is not JSON"),
        ("\ufeff{}", "U+FEFF"),
        ('"\\u202e"', "a string: the character U+202E"),
        ('{"\\u0000": 1}', "a key: the character U+0000"),
        ('"\\ud800"', "U+D800"),
        ('["\x1b"]', "line 1: the character U+001B"),
    ],
)
def test_refuses(text: str, sentence: str) -> None:
    with pytest.raises(StrictError) as refused:
        strict_json.load(text.encode(), limit=LIMIT)
    assert sentence in str(refused.value)


def test_refuses_more_bytes_than_asked_for() -> None:
    with pytest.raises(StrictError, match="has 4097 bytes"):
        strict_json.load(b" " * 4097, limit=LIMIT)


def test_nests_to_the_limit_and_no_further() -> None:
    def nested(depth: int) -> bytes:
        return b"[" * depth + b"]" * depth

    strict_json.load(nested(MAX_DEPTH), limit=LIMIT)
    with pytest.raises(StrictError, match="more than 32 deep"):
        strict_json.load(nested(MAX_DEPTH + 1), limit=LIMIT)
    with pytest.raises(StrictError, match="more than 32 deep"):
        strict_json.load(nested(100_000), limit=200_000)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with contextlib.suppress(StrictError):
        strict_json.load(data, limit=LIMIT)
