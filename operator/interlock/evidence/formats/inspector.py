"""Drives the readers of one file with its bytes as they come, and asks whether it is two things.

A file that one loader takes for tensors and another for an archive (a polyglot) passes whatever
only looks at it once: so each file is walked as a pickle, too, and its head and tail are asked
for the marks of what may begin or end anywhere.
"""

from collections import deque

from interlock.evidence.formats import pickles
from interlock.evidence.formats.findings import FileFindings
from interlock.evidence.formats.known import UNKNOWN, Known
from interlock.evidence.formats.notes import Notes, Place
from interlock.evidence.formats.readers import examine
from interlock.evidence.formats.sniff import HEAD, is_tar
from interlock.evidence.formats.stream import Reading, Stream, Walk
from interlock.evidence.formats.tail import TAIL, ends_as_zip

GATHERED = 64 * 1024
"""Small pieces are gathered to so many bytes before anybody looks at them."""
_HDF5 = b"\x89HDF\r\n\x1a\n"
_TEXTS = frozenset({"text", "json", "yaml"})
_RUN = (".py", ".pyw", ".pyc", ".pyd", ".so", ".dll", ".dylib", ".ipynb", ".sh", ".jar")
"""Suffixes by which an import or a shell takes a file for code, whatever its bytes are."""
_UNPICKLED = (".pkl", ".pickle", ".dill", ".joblib", ".pt", ".pth", ".ckpt", ".npy", ".npz")
"""Suffixes by which loaders unpickle a file, whatever its bytes are."""


class _Look:
    """Looks at one file, be it a file of the model or one in an archive."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._found = pickles.Found()
        self._main: Reading[Known] = Reading(lambda stream: examine(stream, place))
        self._pickle: Reading[None] = Reading(self._unpickle)
        self._marks = _Marks()
        self._parts: list[bytes] = []
        self._gathered = 0

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes. Never raises for what they are."""
        self._parts.append(chunk)
        self._gathered += len(chunk)
        if self._gathered >= GATHERED:
            self._flush()

    def close(self) -> str:
        """Note what was found; return the format, empty where it is not whole and plain."""
        self._flush()
        known = self._main.end()
        self._pickle.end()
        if self._main.fault:
            format_, _, why = self._main.fault.partition(": ")
            self._place.fault(format_, why)
        named = known.format if known else ""
        if named == "elf" or self._place.file.endswith(_RUN):
            self._place.code()
        if self._found.is_pickle:
            self._is_pickle(named)
            return ""
        if known and (why := self._flaw(known)):
            self._place.fault(named, why)
            return ""
        return named

    def _is_pickle(self, named: str) -> None:
        machine = self._found.machine
        why = machine.fault or self._pickle.fault or ""
        if named not in {"", UNKNOWN.format, *_TEXTS}:
            why = f"it can be read as {named}, too"
        self._place.pickle(machine.imports, why)

    def _flaw(self, known: Known) -> str:
        size = self._marks.size
        if known.sizes and size not in known.sizes:
            return f"it has {size} bytes, its header speaks of {known.sizes[0]}"
        if other := self._marks.other(known.format):
            return f"it can be read as {other}, too"
        if known.format in _TEXTS and self._place.file.endswith(_UNPICKLED):
            return "it is text, under a name that loaders unpickle"
        return ""

    def _unpickle(self, stream: Stream) -> Walk[None]:
        return pickles.walk(stream, self._place, self._found)

    def _flush(self) -> None:
        chunk = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        self._parts.clear()
        self._gathered = 0
        self._marks.feed(chunk)
        self._main.push(chunk)
        self._pickle.push(chunk)


class _Marks:
    """Head, tail and length of a file, and what else they say it is."""

    def __init__(self) -> None:
        self.size = 0
        self._head = self._last = b""
        self._recent: deque[bytes] = deque()
        """The last chunks, as many as hold the tail; copying them would cost as much as hashing."""
        self._kept = 0
        self._hdf5_at = HEAD
        self._is_hdf5 = False

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes."""
        if len(self._head) < HEAD:
            self._head += chunk[: HEAD - len(self._head)]
        self._find_hdf5(chunk)
        self._last = (self._last + chunk[-len(_HDF5) :])[-len(_HDF5) :]
        self._recent.append(chunk)
        self._kept += len(chunk)
        while self._kept - len(self._recent[0]) >= TAIL:
            self._kept -= len(self._recent.popleft())
        self.size += len(chunk)

    def other(self, format_: str) -> str:
        """Return what readers of another format would find in it, empty for nothing."""
        tail = b"".join(self._recent)[-TAIL:]
        if format_ != "zip" and ends_as_zip(tail, self.size):
            return "a zip archive"
        if format_ != "tar" and is_tar(self._head):
            return "a tar archive"
        return "HDF5" if format_ != "hdf5" and self._is_hdf5 else ""

    def _find_hdf5(self, chunk: bytes) -> None:
        """Ask at 512, 1024, 2048...: HDF5 may begin behind a block that is anything else."""
        while self._hdf5_at + len(_HDF5) <= self.size + len(chunk):
            at = self._hdf5_at - self.size
            found = chunk[at : at + len(_HDF5)] if at >= 0 else (self._last[at:] + chunk)[:8]
            self._is_hdf5 = self._is_hdf5 or found == _HDF5
            self._hdf5_at *= 2


class Inspector:
    """Looks at one file of a model. Nothing that its bytes say makes it raise."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._notes = Notes()
        self._look = _Look(Place(path, self._notes, _Look))

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the file."""
        self._look.feed(chunk)

    def close(self) -> FileFindings:
        """Return what the file is, now that it has ended."""
        format_, notes = self._look.close(), self._notes
        return FileFindings(
            path=self._path,
            format=format_,
            faults=tuple(notes.faults),
            pickles=tuple(notes.pickles),
            loaders=tuple(notes.loaders),
            code=tuple(notes.code),
            loose=tuple(notes.loose),
            refers=tuple(notes.refers),
            more=notes.more,
        )


def inspect(path: str) -> Inspector:
    """Return an inspector for the file of this path, relative to the model."""
    return Inspector(path)
