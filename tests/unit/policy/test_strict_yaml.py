"""What YAML is read, and what is refused with the line where it stands."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.policy import strict_json, strict_yaml
from interlock.policy.strict_text import MAX_DEPTH, StrictError

LIMIT = 4096


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("# only a comment\n", None),
        ("a: 1\nb: [x, 2.5, true, null]\n", {"a": 1, "b": ["x", 2.5, True, None]}),
        ("a: yes\nb: no\nc: on\nd: off\n", {"a": "yes", "b": "no", "c": "on", "d": "off"}),
        (
            "a: 2026-11-20T14:02:00Z\nb: 2026-11-20\n",
            {"a": "2026-11-20T14:02:00Z", "b": "2026-11-20"},
        ),
        ("a: 12:30:00\nb: 1_000\n", {"a": "12:30:00", "b": "1_000"}),
        ("a: 0x1f\nb: 0o17\nc: -3\nd: 1e3\n", {"a": 31, "b": 15, "c": -3, "d": 1000.0}),
        ("a: 0.5\nb: 0\n", {"a": 0.5, "b": 0}),
        ("a: \"1\"\nb: 'true'\nc: |\n  1\n", {"a": "1", "b": "true", "c": "1\n"}),
        ("a: ~\nb:\n", {"a": None, "b": None}),
        ("<<: x\n", {"<<": "x"}),
        ("a: 1\r\nb: 2\r\n", {"a": 1, "b": 2}),
        ("---\na: 1\n...\n", {"a": 1}),
    ],
)
def test_reads_the_core_schema(text: str, value: object) -> None:
    assert strict_yaml.load(text.encode(), limit=LIMIT) == value


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a: 1\nb: 2\na: 3\n", "line 3: the key 'a' occurs twice"),
        ("a: 1\n'a': 3\n", "line 2: the key 'a' occurs twice"),
        ("a: &x 1\nb: *x\n", "line 1: an anchor"),
        ("a: &x {b: 1}\n", "line 1: an anchor"),
        ("b: *x\n", "line 1: the alias"),
        ("a: !!str 1\n", "line 1: a tag"),
        ("a: !!python/object/apply:os.system [id]\n", "line 1: a tag"),
        ("- !!binary aGk=\n", "line 1: a tag"),
        ("a: 1\n---\nb: 2\n", "line 2: a second document"),
        ("%YAML 1.1\n---\na: 1\n", "line 1: a % directive"),
        ("%TAG ! tag:x,2026:\n---\na: 1\n", "line 1: a % directive"),
        ("a: .nan\n", "line 1: .nan"),
        ("a: -.inf\n", "line 1: -.inf"),
        ("a: 1e999\n", "line 1: 1e999"),
        ("a: 0644\n", "line 1: 0644 may mean two numbers"),
        ("a: 9007199254740993\n", "line 1: a number beyond"),
        ("x:\n 1: a\n", "line 2: the key '1' is not a string"),
        ("true: a\n", "is not a string"),
        ("? [a]\n: b\n", "is not a string"),
        ("a: \u202eevil\n", "line 1: the character U+202E"),
        ('x: 1\na: "\\u202e"\n', "line 2: the character U+202E"),
        ('a: "\\0"\n', "line 1: the character U+0000"),
        ('? "\\e"\n: b\n', "line 1: the character U+001B"),
        ("a: x\ry: 1\n", "line 1: the character U+000D"),
        ("a: x\u2028b: y\n", "line 1: the character U+2028"),
        ("\ufeffa: 1\n", "line 1: the character U+FEFF"),
        ("a: in\u200bvisible\n", "line 1: the character U+200B"),
        ("a: x\U000e0041\n", "line 1: the character U+E0041"),
        ("a: x\U000e0101\n", "line 1: the character U+E0101"),
        ("a: sof\u00adt\n", "line 1: the character U+00AD"),
        ("a: x\ufe01\n", "line 1: the character U+FE01"),
        ("a: x\u3164\n", "line 1: the character U+3164"),
        ("a: x\u034f\n", "line 1: the character U+034F"),
        ("a: x\U000e01f0\n", "line 1: the character U+E01F0"),
        ("a: \u2764\ufe0f\ufe0e\ufe0f\n", "line 1: the character U+FE0F"),
        ("ima\u200dge: x\n", "line 1: the character U+200D"),
        ('a: "\\u200dx"\n', "line 1: the character U+200D"),
        ("a: [1\n", "this is not YAML"),
        ("a: b: c\n", "line 1: this is not YAML"),
        ("\ta: 1\n", "this is not YAML"),
    ],
)
def test_refuses_with_a_line(text: str, sentence: str) -> None:
    with pytest.raises(StrictError) as refused:
        strict_yaml.load(text.encode(), limit=LIMIT)
    assert sentence in str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        "\u2764\ufe0f\u200d\U0001f525",  # a heart on fire
        "1\ufe0f\u20e3",  # a digit in a key cap
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",  # Persian, with a non-joiner
    ],
)
def test_what_shapes_a_visible_character_is_text(text: str) -> None:
    assert strict_yaml.load(f"a: {text}\n".encode(), limit=LIMIT) == {"a": text}


def test_refuses_what_is_not_utf_8() -> None:
    with pytest.raises(StrictError, match="line 2: the bytes are not UTF-8"):
        strict_yaml.load(b"a: 1\nb: \xff\n", limit=LIMIT)


def test_reads_to_the_limit_and_no_further() -> None:
    data = b"a: " + b"x" * (LIMIT - 3)
    assert strict_yaml.load(data, limit=LIMIT)
    with pytest.raises(StrictError, match="has 4097 bytes; at most 4096"):
        strict_yaml.load(data + b"x", limit=LIMIT)


def test_nests_to_the_limit_and_no_further() -> None:
    assert strict_yaml.load(b"[" * MAX_DEPTH + b"x" + b"]" * MAX_DEPTH, limit=LIMIT)
    with pytest.raises(StrictError, match="more than 32 deep"):
        strict_yaml.load(b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1), limit=LIMIT)


def test_a_bottomless_document_ends_early() -> None:
    with pytest.raises(StrictError, match="more than 32 deep"):
        strict_yaml.load(b"[" * 200_000, limit=200_000)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with contextlib.suppress(StrictError):
        strict_yaml.load(data, limit=LIMIT)


plain = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=8)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | plain,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(plain, inner, max_size=3),
    max_leaves=8,
)


@given(values)
def test_json_means_the_same_in_both(value: object) -> None:
    data = json.dumps(value).encode()
    assert strict_json.load(data, limit=LIMIT) == value
    assert strict_yaml.load(data, limit=LIMIT) == value


@pytest.mark.parametrize(
    ("place", "line"),
    [
        ((), 1),
        (("a",), 1),
        (("b", "c"), 3),
        (("b", "d", 1), 6),
        (("b", "d", 1, "e"), 7),
        (("b", "missing", "e"), 2),
        (("b", "d", 9), 4),
    ],
)
def test_the_line_of_a_place_is_where_it_is_written(
    place: tuple[int | str, ...], line: int
) -> None:
    text = b"a: 1\nb:\n  c: 2\n  d:\n  - x: 1\n  - f: 0\n    e: 2\n"
    assert strict_yaml.line_of(text, place) == line


def test_what_never_ends_is_said_with_the_line_where_it_began() -> None:
    with pytest.raises(StrictError, match=r"^line 4: this is not YAML: .* from line 2 on$"):
        strict_yaml.load(b"a: 1\nb: [x,\n  y\n", limit=LIMIT)
