"""Every way to touch the log is found, and the line is named."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from interlock.audit.chain import FIRST, Entry, decode, encode
from interlock.audit.records import Keyring, Signer, record_digest
from interlock.audit.verify import MAX_PROBLEMS, Report, verify

Verdict = Callable[[bytes], Report]


@pytest.fixture
def judged(tmp_path: Path, keyring: Keyring) -> Verdict:
    """Verifies these bytes as a log."""
    file = tmp_path / "touched.jsonl"

    def _judge(data: bytes) -> Report:
        file.write_bytes(data)
        return verify(file, keyring)

    return _judge


def forged(entries: list[Entry]) -> bytes:
    """What somebody without the key, and with write access to the file, can make: a whole chain."""
    data, head = b"", FIRST
    for seq, entry in enumerate(entries):
        line, encoded = encode(seq, head, entry)
        data, head = data + encoded, line.digest
    return data


def entries_of(log: bytes) -> list[Entry]:
    return [decode(line).entry for line in log.splitlines()]


def lines_of(report: Report) -> set[int]:
    return {problem.line for problem in report.problems}


def test_an_untouched_log_is_intact(log: bytes, judged: Verdict) -> None:
    report = judged(log)
    assert report.intact, report.problems
    assert report.lines == 4
    assert report.head == decode(log.splitlines()[-1]).digest


@settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(where=st.integers(min_value=0), bit=st.integers(0, 7))
def test_any_one_bit_change_is_found(log: bytes, judged: Verdict, where: int, bit: int) -> None:
    touched = bytearray(log)
    touched[where % len(log)] ^= 1 << bit
    assert not judged(bytes(touched)).intact


@pytest.mark.parametrize(
    "field",
    [
        "at",
        "kind",
        "namespace",
        "name",
        "uid",
        "event",
        "recordDigest",
        "prev",
        "digest",
        "signature",
        "keyId",
        "outcome",
        "seq",
    ],
)
def test_a_change_of_each_field_is_found_at_its_line(
    log: bytes, judged: Verdict, field: str
) -> None:
    lines = log.splitlines(keepends=True)
    number = next(i for i, line in enumerate(lines) if f'"{field}":'.encode() in line)
    at = lines[number].index(f'"{field}":'.encode()) + len(field) + 4
    lines[number] = lines[number][:at] + b"7" + lines[number][at + 1 :]
    assert number + 1 in lines_of(judged(b"".join(lines)))


@pytest.mark.parametrize("line", [1, 2, 3])
def test_a_removed_line_is_found_where_it_was(log: bytes, judged: Verdict, line: int) -> None:
    lines = log.splitlines(keepends=True)
    del lines[line - 1]
    assert min(lines_of(judged(b"".join(lines)))) == line


def test_swapped_lines_are_found(log: bytes, judged: Verdict) -> None:
    a, b, c, d = log.splitlines(keepends=True)
    assert {2, 3} <= lines_of(judged(a + c + b + d))


def test_a_repeated_line_is_found(log: bytes, judged: Verdict) -> None:
    assert 5 in lines_of(judged(log + log.splitlines(keepends=True)[-1]))


def test_a_torn_line_is_found_and_named(log: bytes, judged: Verdict) -> None:
    for cut in (1, 2, 100):
        report = judged(log[:-cut])
        assert lines_of(report) == {4}
        assert "it has no end" in report.problems[0].message


def test_a_line_that_is_no_json_does_not_hide_the_ones_after_it(
    log: bytes, judged: Verdict
) -> None:
    a, _, c, d = log.splitlines(keepends=True)
    assert lines_of(judged(a + b"hello\n" + c.replace(b"line-4", b"line-5") + d)) >= {2, 3}


def test_a_cut_end_is_found_by_who_kept_the_head(log: bytes, path: Path, keyring: Keyring) -> None:
    head = verify(path, keyring).head
    assert verify(path, keyring, head=head).intact
    path.write_bytes(b"".join(log.splitlines(keepends=True)[:-1]))
    assert verify(path, keyring).intact
    (problem,) = verify(path, keyring, head=head).problems
    assert "its end was cut or rewritten" in problem.message


def test_an_older_head_is_still_there_when_the_log_grew(
    log: bytes, path: Path, keyring: Keyring
) -> None:
    older = decode(log.splitlines()[1]).digest
    assert verify(path, keyring, head=older).intact


def test_an_empty_log_is_intact_unless_it_had_lines(path: Path, keyring: Keyring) -> None:
    path.write_bytes(b"")
    assert verify(path, keyring).intact
    assert not verify(path, keyring, head="0" * 64).intact


@pytest.mark.parametrize(
    ("seq", "prev", "words"),
    [
        (2, None, "it is number 2, expected 1"),
        (0, None, "it is number 0, expected 1"),
        (1, FIRST, "it follows the line"),
        (1, "0" * 64, "it follows the line"),
    ],
)
def test_a_line_that_does_not_follow_is_found(
    log: bytes, judged: Verdict, seq: int, prev: str | None, words: str
) -> None:
    first, second, *_ = entries_of(log)
    line, data = encode(0, FIRST, first)
    _, other = encode(seq, prev or line.digest, second)
    (problem,) = judged(data + other).problems
    assert problem.line == 2
    assert words in problem.message


def test_a_log_signed_anew_with_another_key_is_found(
    log: bytes, judged: Verdict, stranger: Signer
) -> None:
    old, *rest = entries_of(log)
    spec = stranger.sign(old.kind, {**old.record, "digest": "cd" * 32})
    new = replace(old, record=spec, record_digest=record_digest(old.kind, spec))
    report = judged(forged([new, *rest]))
    assert lines_of(report) == {1}
    assert "no known key made it" in report.problems[0].message


def test_an_end_signed_with_another_key_is_found(
    log: bytes, judged: Verdict, stranger: Signer
) -> None:
    entries = entries_of(log)
    end = stranger.sign_end(entries[2].record_digest, "Abandoned", "2026-11-22T10:00:00Z")
    entries[2] = replace(entries[2], record=end)
    assert lines_of(judged(forged(entries))) == {3}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": "press-2"}, "shown as"),
        ({"namespace": "agent-b"}, "shown as"),
        ({"kind": "GateDecision"}, "does not hold"),
        ({"record_digest": "0" * 64}, "is not that of the record"),
        ({"event": "End"}, "belongs to no record"),
    ],
)
def test_a_genuine_record_shown_as_another_is_found_even_in_a_forged_chain(
    log: bytes, judged: Verdict, change: dict[str, Any], words: str
) -> None:
    entries = entries_of(log)
    entries[1] = replace(entries[1], **change)
    report = judged(forged(entries))
    assert any(words in problem.message for problem in report.problems if problem.line == 2)


def test_a_record_taken_out_of_a_forged_chain_leaves_its_end_without_record(
    log: bytes, judged: Verdict
) -> None:
    entries = entries_of(log)
    del entries[1]
    assert lines_of(judged(forged(entries))) == {2, 3}


def test_an_event_logged_twice_is_found(log: bytes, judged: Verdict) -> None:
    entries = entries_of(log)
    report = judged(forged([*entries, entries[0]]))
    (problem,) = report.problems
    assert problem.line == 5
    assert "is there twice" in problem.message


def test_reading_stops_when_too_much_is_wrong(judged: Verdict) -> None:
    report = judged(b"x\n" * (MAX_PROBLEMS * 3))
    assert len(report.problems) == MAX_PROBLEMS + 1
    assert report.problems[-1].message.startswith("reading stopped")
