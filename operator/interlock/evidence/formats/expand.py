"""Compressed streams, expanded piece by piece and looked at, never kept.

A few bytes may expand to gigabytes, or cost seconds without expanding at all: output and input
are both counted, at what each algorithm costs beside deflate.
"""

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterator
from typing import Protocol

from interlock.evidence.formats.notes import Looker, Place
from interlock.evidence.formats.stream import ENDS, Bad, Stream, Walk

PIECE = 64 * 1024
MAX_RATIO = 250
FREE_BYTES = 1024 * 1024
"""Up to here no ratio is asked: short files of one byte compress well."""
MAX_STREAMS = 1_000
MAX_DICTIONARY_BYTES = 64 * 1024**2
_COST = {"gzip": 1, "zlib": 1, "deflate": 1, "xz": 6, "lzma": 6, "bzip2": 8}


class Engine(Protocol):
    """One algorithm at work on one stream."""

    @property
    def eof(self) -> bool:
        """Whether the stream has ended."""

    @property
    def unused_data(self) -> bytes:
        """Bytes behind its end."""


class Gauge:
    """Counts what goes into an engine and what comes out. Raises Bad past a cap."""

    def __init__(self, format_: str, place: Place) -> None:
        self._cost = _COST[format_]
        self._notes = place.notes
        self._taken = self._given = 0

    def count(self, taken: int, given: int) -> None:
        """Take note of bytes that went in and came out."""
        self._taken += taken
        self._given += given
        self._notes.expand(max(taken, given) * self._cost)
        if self._given > FREE_BYTES and self._given > MAX_RATIO * self._taken:
            raise Bad(f"it expands more than {MAX_RATIO}-fold")


def walk(stream: Stream, place: Place, format_: str) -> Walk[None]:
    """Expand a file of one or several streams and look at what they hold."""
    look, gauge = place.member("content").look(), Gauge(format_, place)
    for _ in range(MAX_STREAMS):
        yield from inflate(stream, _ENGINES[format_](), gauge, look)
        if not (yield from stream.want(1)):
            look.close()
            return
    raise Bad(f"more than {MAX_STREAMS} streams follow one another")


def inflate(stream: Stream, engine: Engine, gauge: Gauge, look: Looker) -> Walk[None]:
    """Expand one stream into `look`; bytes behind its end stay where they are."""
    while not engine.eof:
        piece = yield from stream.some(PIECE)
        if not piece:
            raise Bad(ENDS)
        given = 0
        try:
            for out in _pieces(engine, piece):
                given += len(out)
                gauge.count(0, len(out))
                look.feed(out)
        except (zlib.error, OSError, lzma.LZMAError, EOFError) as error:
            raise Bad(f"it cannot be expanded ({str(error)[:80]})") from None
        unused = len(engine.unused_data)
        stream.at -= unused
        gauge.count(len(piece) - unused, 0)


def _pieces(engine: Engine, piece: bytes) -> Iterator[bytes]:
    if isinstance(engine, bz2.BZ2Decompressor | lzma.LZMADecompressor):
        yield engine.decompress(piece, PIECE)
        while not engine.needs_input and not engine.eof:
            yield engine.decompress(b"", PIECE)
        return
    inflater: zlib._Decompress = engine  # type: ignore[assignment]
    full = True
    while (piece or full) and not inflater.eof:
        out = inflater.decompress(piece, PIECE)
        yield out
        piece, full = inflater.unconsumed_tail, len(out) == PIECE


_ENGINES: dict[str, Callable[[], Engine]] = {
    "gzip": lambda: zlib.decompressobj(31),
    "zlib": lambda: zlib.decompressobj(15),
    "deflate": lambda: zlib.decompressobj(-15),
    "bzip2": bz2.BZ2Decompressor,
    "xz": lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, MAX_DICTIONARY_BYTES),
    "lzma": lambda: lzma.LZMADecompressor(lzma.FORMAT_ALONE, MAX_DICTIONARY_BYTES),
}


def raw_deflate() -> Engine:
    """Return the engine of a zip's members."""
    return _ENGINES["deflate"]()
