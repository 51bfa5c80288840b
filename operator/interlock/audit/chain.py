"""The log: one canonical JSON line an event, each naming the digest of the line before it.

It is append-only and synced line by line. What a crash leaves behind is at most one torn line at
the end, which opening cuts off and reports; anything else that does not fit is tampering, and the
file is not continued.
"""

import fcntl
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal, NamedTuple, Self

from interlock.api import digests

Event = Literal["Created", "End", "Healthy"]

FIRST = digests.sha256(b"interlock/log/v1\n")
"""What the first line names as the line before it."""
MAX_LINE_BYTES = 4 * 1024 * 1024
"""An object in etcd has at most 1.5 MiB; JSON escapes may grow it."""
_LINE_TAG = b"interlock/log-line/v1\n"
_MODE = 0o600


class ChainBroken(ValueError):
    """The file is no intact log; the message names the line."""


class ChainBusy(RuntimeError):
    """Another process appends to the file."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One event of one record. `record` is its spec, or its `status.end` or `status.healthy`."""

    at: str
    """When the log took it up, RFC 3339."""
    kind: str
    namespace: str
    name: str
    uid: str
    event: Event
    record: Mapping[str, Any]
    record_digest: str
    """Digest of the record's spec, for all three events."""


class Line(NamedTuple):
    """One line of the log, taken apart."""

    seq: int
    prev: str
    digest: str
    entry: Entry


class Chain:
    """The log, open for appending by this process alone. Not safe for several threads at once."""

    def __init__(self, descriptor: int, lines: Iterable[Line], torn: int) -> None:
        self._descriptor = descriptor
        self.torn = torn
        """How many bytes of a torn last line were cut off on opening."""
        self.length = 0
        self.head = FIRST
        self._known: dict[tuple[str, str], str] = {}
        for line in lines:
            self._take(line)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open or create the log. Raises ChainBroken, ChainBusy or OSError."""
        created = not path.exists()
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, _MODE)
        try:
            _lock(descriptor, path)
            if created:
                _sync_directory(path.parent)
            with path.open("rb") as file:
                torn = _cut_torn(descriptor, file)
                return cls(descriptor, _checked(file), torn)
        except BaseException:
            os.close(descriptor)
            raise

    def recorded(self, uid: str, event: Event) -> str | None:
        """Return the record digest under which an event was logged, or None."""
        return self._known.get((uid, event))

    def append(self, entry: Entry) -> None:
        """Add one event, durably.

        Raises ValueError for what no line can hold, and changes nothing. An OSError leaves the
        chain closed: opening it again finds out what is on the disk.
        """
        line, data = encode(self.length, self.head, entry)
        try:
            self._write(data)
        except OSError:
            self.close()
            raise
        self._take(line)

    def close(self) -> None:
        """Close the file and let others append. Closing twice does nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]
        os.fsync(self._descriptor)

    def _take(self, line: Line) -> None:
        self.length, self.head = line.seq + 1, line.digest
        self._known[line.entry.uid, line.entry.event] = line.entry.record_digest


def encode(seq: int, prev: str, entry: Entry) -> tuple[Line, bytes]:
    """Return a line and its bytes. Raises ValueError for what could not be read back."""
    body = {"seq": seq, "prev": prev, **asdict(entry)}
    body["recordDigest"] = body.pop("record_digest")
    try:
        data = digests.canonical(body | {"digest": _digest(body)})
        return decode(data), data + b"\n"
    except ValueError as error:
        about = f"{entry.event} of {entry.kind} {entry.namespace}/{entry.name}"
        raise ValueError(f"{about} cannot be a line of the log: {error}") from error


def decode(data: bytes) -> Line:
    """Return the line that these bytes (without newline) are. Raises ValueError with a sentence."""
    if len(data) > MAX_LINE_BYTES:
        raise ValueError(f"it is longer than {MAX_LINE_BYTES} bytes")
    try:
        body = json.loads(data)
        same = digests.canonical(body) == data
    except (ValueError, RecursionError) as error:
        raise ValueError("it is not JSON of the log's form") from error
    if not same:
        raise ValueError("its bytes are not the canonical form of what they say")
    return _line(body)


def read_lines(file: BinaryIO) -> Iterator[bytes]:
    """Yield the lines of a log, newline included, none much longer than a line may be."""
    file.seek(0)
    while data := file.readline(MAX_LINE_BYTES + 2):
        yield data


def _line(body: Any) -> Line:
    match body:
        case {
            "seq": int(seq),
            "prev": str(prev),
            "digest": str(digest),
            "at": str(at),
            "kind": str(kind),
            "namespace": str(namespace),
            "name": str(name),
            "uid": str(uid),
            "event": "Created" | "End" | "Healthy" as event,
            "record": dict(record),
            "recordDigest": str(record_digest),
            **others,
        } if not others and seq is not True:
            entry = Entry(at, kind, namespace, name, uid, event, record, record_digest)
        case _:
            raise ValueError("its fields are not those of a line of the log")
    if digest != _digest({key: value for key, value in body.items() if key != "digest"}):
        raise ValueError("its digest is not that of its content")
    return Line(seq, prev, digest, entry)


def _digest(body: Mapping[str, Any]) -> str:
    return digests.sha256(_LINE_TAG + digests.canonical(body))


def _checked(file: BinaryIO) -> Iterator[Line]:
    seq, head = 0, FIRST
    for data in read_lines(file):
        try:
            line = decode(data.removesuffix(b"\n"))
        except ValueError as error:
            raise _broken(seq, str(error)) from error
        if (line.seq, line.prev) != (seq, head):
            raise _broken(seq, "it does not follow the line before it")
        yield line
        seq, head = seq + 1, line.digest


def _broken(seq: int, what: str) -> ChainBroken:
    return ChainBroken(
        f"line {seq + 1} of the log was changed: {what}; keep the file for the auditors and start "
        "a new one, into which all records in the cluster will be taken up."
    )


def _cut_torn(descriptor: int, file: BinaryIO) -> int:
    """Cut off what follows the last newline; return how many bytes that was."""
    size = file.seek(0, os.SEEK_END)
    start = max(0, size - MAX_LINE_BYTES - 1)
    file.seek(start)
    newline = file.read().rfind(b"\n")
    if newline < 0 and start > 0:
        # No append leaves that much behind: the reader will name the line.
        return 0
    whole = start + newline + 1
    if whole < size:
        os.ftruncate(descriptor, whole)
        os.fsync(descriptor)
    return size - whole


def _lock(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise ChainBusy(
            f"another process appends to the log {path}; end it, or give each a log of its own."
        ) from error


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
