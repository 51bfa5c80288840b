"""The log is durable, survives a crash at any byte, and is never continued once touched."""

import os
from pathlib import Path
from typing import Any

import pytest

from interlock.audit.chain import (
    FIRST,
    MAX_LINE_BYTES,
    Chain,
    ChainBroken,
    ChainBusy,
    Entry,
    decode,
    encode,
)


def entry(number: int = 0, **change: Any) -> Entry:
    fields: dict[str, Any] = {
        "at": "2026-11-22T10:00:00Z",
        "kind": "AgentTransition",
        "namespace": "agent-a",
        "name": f"a-{number}",
        "uid": f"uid-{number}",
        "event": "Created",
        "record": {"number": number},
        "record_digest": f"{number:064x}",
    }
    return Entry(**fields | change)


def filled(path: Path, count: int = 3) -> bytes:
    chain = Chain.open(path)
    for number in range(count):
        chain.append(entry(number))
    chain.close()
    return path.read_bytes()


def test_each_line_names_the_one_before_and_is_canonical(path: Path) -> None:
    lines = [decode(line) for line in filled(path).splitlines()]
    assert [line.seq for line in lines] == [0, 1, 2]
    assert [line.prev for line in lines] == [FIRST, lines[0].digest, lines[1].digest]
    assert [line.entry for line in lines] == [entry(number) for number in range(3)]


def test_opening_again_goes_on_where_it_ended_and_knows_what_is_there(path: Path) -> None:
    filled(path)
    chain = Chain.open(path)
    assert chain.length == 3
    assert chain.torn == 0
    assert chain.recorded("uid-2", "Created") == f"{2:064x}"
    assert chain.recorded("uid-2", "End") is None
    chain.append(entry(3))
    chain.close()
    assert Chain.open(path).length == 4


def test_a_write_torn_at_any_byte_is_cut_off_and_reported(path: Path) -> None:
    whole = filled(path, 2)
    start = whole.index(b"\n") + 1
    for end in (*range(start, len(whole), 17), len(whole) - 1):
        path.write_bytes(whole[:end])
        chain = Chain.open(path)
        assert (chain.length, chain.torn) == (1, end - start)
        chain.append(entry(1))
        chain.close()
        assert path.read_bytes() == whole


def test_a_torn_first_line_leaves_an_empty_log(path: Path) -> None:
    path.write_bytes(filled(path, 1)[:-1])
    chain = Chain.open(path)
    assert (chain.length, chain.head) == (0, FIRST)
    assert path.read_bytes() == b""
    chain.close()


@pytest.mark.parametrize(
    "tamper",
    [
        lambda lines: [lines[0], lines[2]],
        lambda lines: [lines[1], lines[0], lines[2]],
        lambda lines: [lines[0], lines[1], lines[1]],
        lambda lines: [lines[0], lines[1].replace(b"uid-1", b"uid-2"), lines[2]],
        lambda lines: [lines[0], b" " + lines[1], lines[2]],
        lambda lines: [lines[0], b"{}\n", lines[2]],
        lambda lines: [lines[0], b"\n", lines[2]],
        lambda lines: [lines[0], b"[" * 100_000 + b"\n"],
        lambda lines: [lines[0], b"x" * (MAX_LINE_BYTES + 10)],
    ],
)
def test_a_log_that_was_touched_is_not_continued(path: Path, tamper: Any) -> None:
    lines = filled(path).splitlines(keepends=True)
    path.write_bytes(b"".join(tamper(lines)))
    before = path.read_bytes()
    with pytest.raises(ChainBroken, match=r"line [123] of the log was changed: .*; keep the file"):
        Chain.open(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize(("seq", "prev"), [(2, None), (0, None), (1, FIRST), (1, "0" * 64)])
def test_a_line_that_does_not_follow_is_not_continued(
    path: Path, seq: int, prev: str | None
) -> None:
    first, data = encode(0, FIRST, entry(0))
    _, other = encode(seq, prev or first.digest, entry(1))
    path.write_bytes(data + other)
    with pytest.raises(ChainBroken, match=r"line 2 .* does not follow the line before it"):
        Chain.open(path)


def test_only_one_process_appends(path: Path) -> None:
    chain = Chain.open(path)
    with pytest.raises(ChainBusy, match="another process appends to the log"):
        Chain.open(path)
    chain.close()
    chain.close()
    Chain.open(path).close()


@pytest.mark.parametrize(
    "change",
    [
        {"record": {"x": float("nan")}},
        {"record": {"x": 2**60}},
        {"record": {"x": 1e20}},
        {"record": {"x": "\ud800"}},
        {"event": "Deleted"},
        {"record": {"x": "y" * MAX_LINE_BYTES}},
    ],
)
def test_what_could_not_be_read_back_is_not_appended(path: Path, change: Any) -> None:
    filled(path, 1)
    before = path.read_bytes()
    chain = Chain.open(path)
    with pytest.raises(ValueError, match="of AgentTransition agent-a/a-1 cannot be a line"):
        chain.append(entry(1, **change))
    assert path.read_bytes() == before
    chain.append(entry(1))
    chain.close()


def test_a_failed_write_closes_the_chain_and_opening_again_mends_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(path, 1)
    chain = Chain.open(path)
    real = os.write

    def half(descriptor: int, data: bytes) -> int:
        real(descriptor, data[: len(data) // 2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", half)
    with pytest.raises(OSError, match="No space"):
        chain.append(entry(1))
    monkeypatch.undo()
    with pytest.raises(OSError, match="Bad file descriptor"):
        chain.append(entry(1))
    chain = Chain.open(path)
    assert chain.torn > 0
    assert chain.length == 1
    chain.close()


def test_a_line_is_durable_before_append_returns(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain = Chain.open(path)
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda _: synced.append(path.stat().st_size))
    chain.append(entry(0))
    assert synced == [path.stat().st_size]
    chain.close()


def test_the_log_is_for_its_owner_alone(path: Path) -> None:
    filled(path, 1)
    assert path.stat().st_mode & 0o077 == 0


def test_a_number_that_is_a_boolean_is_no_sequence() -> None:
    _, data = encode(1, FIRST, entry(0))
    with pytest.raises(ValueError, match="its fields are not those"):
        decode(data.replace(b'"seq":1', b'"seq":true').removesuffix(b"\n"))
