"""Which file names and sizes a model may have."""

import pytest

from interlock.evidence import modeltree
from interlock.evidence.http import SourceRefused
from interlock.evidence.modeltree import Tally, check_path


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/etc/passwd",
        "../weights",
        "a/../b",
        "a//b",
        "a/",
        "./a",
        "a\\b",
        "a%2e",
        "a\nb",
        "a\x00b",
        "a\u202eb",
        "\ud800",
        ".wh.weights",
        "a/.wh..wh..opq",
        "/".join("a" * 17),
        "/".join(["a" * 200] * 6),
        "a" * 256,
        "a/" + "ü" * 128,
    ],
)
def test_a_name_that_could_mean_another_place_is_refused(path: str) -> None:
    with pytest.raises(SourceRefused, match="Register the model again"):
        check_path(path, "here")


@pytest.mark.parametrize("path", ["a", "a b/c.txt", "code/ü+x.py", ".hidden", "/".join("a" * 16)])
def test_a_plain_name_is_taken(path: str) -> None:
    check_path(path, "here")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("weights", "weights"),
        ("weights", "Weights"),
        ("caf\u00e9", "cafe\u0301"),
        ("stra\u00dfe", "STRASSE"),
        ("\u1fb3", "\u0391\u0345"),
        ("\u03b1\u0345\u0301", "\u03b1\u0301\u0345"),
        ("a/weights", "A/other"),
        ("a/b/weights", "a/B/other"),
    ],
)
def test_a_name_occurs_once_whatever_its_case(first: str, second: str) -> None:
    tally = Tally("here")
    tally.expect(first)
    with pytest.raises(SourceRefused, match="occurs twice"):
        tally.expect(second)


@pytest.mark.parametrize(
    ("first", "second"), [("a", "a/b"), ("a/b", "a"), ("A", "a/b/c"), ("a/b/c", "A/B")]
)
def test_a_name_is_a_file_or_a_folder(first: str, second: str) -> None:
    tally = Tally("here")
    tally.expect(first)
    with pytest.raises(SourceRefused, match="a file and a folder at once"):
        tally.expect(second)


def test_files_share_folders() -> None:
    tally = Tally("here")
    for path in ("a/b/c", "a/b/d", "a/c", "b", "ab/c"):
        tally.expect(path)


def test_files_and_bytes_have_a_cap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(modeltree, "MAX_FILES", 2)
    tally = Tally("here")
    tally.expect("a")
    tally.expect("b")
    with pytest.raises(SourceRefused, match="more than 2 files"):
        tally.expect("c")
    tally.read(modeltree.MAX_BYTES)
    with pytest.raises(SourceRefused, match="more than 64 GiB"):
        tally.read(1)
