"""Walks a zip archive from its first byte to its last, and believes only one form of it.

Loaders read zip from its end, scanners from its start, and both skip what they do not expect; so
each entry's local header, its bytes and its line of the central directory have to agree, without
a gap, a prefix, a comment or a second name (CVE-2025-1944, CVE-2025-10156).
"""

import stat
import struct
import zlib
from dataclasses import dataclass, field

from interlock.evidence.formats.expand import PIECE, Gauge, inflate, raw_deflate
from interlock.evidence.formats.names import Names
from interlock.evidence.formats.notes import Looker, Place
from interlock.evidence.formats.stream import ENDS, Bad, Stream, Walk

_LOCAL, _DESCRIPTOR = b"PK\x03\x04", b"PK\x07\x08"
_CENTRAL, _END = b"PK\x01\x02", b"PK\x05\x06"
_END64, _LOCATOR = b"PK\x06\x06", b"PK\x06\x07"
_STORED, _DEFLATED = 0, 8
_ENCRYPTED, _DESCRIBED = 0x2041, 0x0008
_FALSE_MARK = 10
"""Steps that bytes cost which only look like a descriptor."""
_ZIP64, _FULL = 0x0001, 0xFFFFFFFF


@dataclass(slots=True)
class _Entry:
    name: bytes
    offset: int
    flags: int
    method: int
    crc: int = 0
    packed: int = 0
    size: int = 0


@dataclass(slots=True)
class _Sink:
    """What an entry's bytes go to: a look at them, and their checksum."""

    look: Looker
    crc: int = 0
    size: int = 0

    def feed(self, piece: bytes) -> None:
        self.look.feed(piece)
        self.crc = zlib.crc32(piece, self.crc)
        self.size += len(piece)

    def close(self) -> str:
        return self.look.close()


@dataclass(slots=True)
class _Archive:
    stream: Stream
    place: Place
    names: Names = field(default_factory=Names)
    entries: list[_Entry] = field(default_factory=list)


def walk(stream: Stream, place: Place) -> Walk[None]:
    """Walk a whole archive. Raises Bad for any form that two readers could read differently."""
    archive = _Archive(stream, place)
    mark = yield from stream.exactly(4)
    while mark == _LOCAL:
        yield from _entry(archive)
        mark = yield from stream.exactly(4)
    start = stream.offset - 4
    for entry in archive.entries:
        if mark != _CENTRAL:
            raise Bad("its central directory does not list what lies in it")
        yield from _listed(archive, entry)
        mark = yield from stream.exactly(4)
    yield from _end(archive, mark, start, stream.offset - 4 - start)


def _entry(archive: _Archive) -> Walk[None]:
    stream, offset = archive.stream, archive.stream.offset - 4
    head = yield from stream.exactly(26)
    _, flags, method, _, _, crc, packed, size, n, x = struct.unpack("<5H3I2H", head)
    entry = _Entry((yield from stream.exactly(n)), offset, flags, method, crc, packed, size)
    extra = yield from stream.exactly(x)
    entry.size, entry.packed = _wide(extra, [entry.size, entry.packed])
    name = archive.names.take(entry.name)
    if flags & _ENCRYPTED:
        raise Bad(f"{name} is encrypted")
    if method not in (_STORED, _DEFLATED):
        raise Bad(f"{name} is packed by method {method}, which is not looked into")
    archive.entries.append(entry)
    archive.place.notes.step(8)
    yield from _data(archive, entry, archive.place.member(name))


def _data(archive: _Archive, entry: _Entry, place: Place) -> Walk[None]:
    stream, sink, start = archive.stream, _Sink(place.look()), archive.stream.offset
    described = bool(entry.flags & _DESCRIBED)
    if entry.method == _DEFLATED:
        yield from inflate(stream, raw_deflate(), Gauge("deflate", place), sink)
    elif described:
        yield from _until_described(stream, sink, place)
    else:
        yield from _stored(stream, sink, entry.size)
    packed = stream.offset - start
    found = (sink.crc, packed, sink.size)
    if described:
        yield from _descriptor(stream, found)
        entry.crc, entry.packed, entry.size = found
    elif (entry.crc, entry.packed, entry.size) != found:
        raise Bad(f"{place.path} does not have the size and the checksum that its header says")
    sink.close()


def _stored(stream: Stream, sink: _Sink, size: int) -> Walk[None]:
    while size:
        piece = yield from stream.some(min(size, PIECE))
        if not piece:
            raise Bad(ENDS)
        sink.feed(piece)
        size -= len(piece)


def _until_described(stream: Stream, sink: _Sink, place: Place) -> Walk[None]:
    """Take stored bytes up to the descriptor that fits them: only it says where they end."""
    while True:
        ahead = yield from stream.want(28)
        if ahead < 20:
            raise Bad(ENDS)
        at = stream.data.find(_DESCRIPTOR, stream.at)
        if at == stream.at:
            if _fits(stream.data[at : at + 28], (sink.crc, sink.size, sink.size)):
                return
            place.notes.step(_FALSE_MARK)
            sink.feed(stream.taken(1))
        elif at > 0:
            sink.feed(stream.taken(at - stream.at))
        else:
            sink.feed(stream.taken(stream.left - 3))


def _descriptor(stream: Stream, found: tuple[int, int, int]) -> Walk[None]:
    yield from stream.want(28)
    width = _fits(stream.data[stream.at : stream.at + 28], found)
    if not width:
        raise Bad("an entry's descriptor does not say its size and checksum")
    yield from stream.skip(width)


def _fits(data: bytes, found: tuple[int, int, int]) -> int:
    """Return the length of the descriptor at the start of `data`; 0 where it does not fit."""
    for form, width in (("<4s3I", 16), ("<4sI2Q", 24)):
        if len(data) < width + 4 or data[width : width + 4] not in (_LOCAL, _CENTRAL):
            continue
        if struct.unpack_from(form, data) == (_DESCRIPTOR, *found):
            return width
    return 0


def _listed(archive: _Archive, entry: _Entry) -> Walk[None]:
    stream = archive.stream
    head = yield from stream.exactly(42)
    fields = struct.unpack("<6H3I5H2I", head)
    _, _, flags, method, _, _, crc, packed, size, n, x, c, disk, _, attributes, offset = fields
    name = yield from stream.exactly(n)
    extra = yield from stream.exactly(x)
    size, packed, offset = _wide(extra, [size, packed, offset])
    said = _Entry(name, offset, flags, method, crc, packed, size)
    if said != entry or c or disk:
        shown = entry.name[:64].decode("utf-8", "replace")
        raise Bad(f"the central directory says something else of {shown} than its own header")
    if stat.S_ISLNK(attributes >> 16):
        raise Bad(f"{entry.name[:64].decode('utf-8', 'replace')} is a link")


def _end(archive: _Archive, mark: bytes, start: int, length: int) -> Walk[None]:
    stream, count = archive.stream, len(archive.entries)
    end64 = stream.offset - 4
    if mark == _END64:
        body = yield from stream.exactly(52)
        size, _, _, disk, first, here, total, said, offset = struct.unpack("<Q2H2I4Q", body)
        mark = yield from stream.exactly(4)
        if (size, disk, first, here, total, said, offset) != (
            44,
            0,
            0,
            count,
            count,
            length,
            start,
        ):
            raise Bad("its zip64 end says something else than its entries")
        locator = yield from stream.exactly(16)
        if mark != _LOCATOR or struct.unpack("<IQI", locator) != (0, end64, 1):
            raise Bad("its zip64 locator leads elsewhere")
        mark = yield from stream.exactly(4)
    if mark != _END:
        raise Bad("bytes lie between its entries that nobody lists")
    disk, first, here, total, said, offset, comment = struct.unpack(
        "<4H2IH", (yield from stream.exactly(18))
    )
    narrow = (min(count, 0xFFFF), min(count, 0xFFFF), min(length, _FULL), min(start, _FULL))
    loose = (here, total, said, offset) in (narrow, (0xFFFF, 0xFFFF, _FULL, _FULL))
    if disk or first or comment or not loose:
        raise Bad("its end record has a comment, or says something else than its entries")
    if (yield from stream.want(1)):
        raise Bad("bytes follow its end")


def _wide(extra: bytes, values: list[int]) -> list[int]:
    """Return the values with those that say 0xffffffff replaced by what the zip64 field says."""
    at = 0
    while at + 4 <= len(extra):
        kind, size = struct.unpack_from("<2H", extra, at)
        body = extra[at + 4 : at + 4 + size]
        at += 4 + size
        if kind == _ZIP64:
            wide = iter(struct.unpack(f"<{len(body) // 8}Q", body[: len(body) // 8 * 8]))
            return [next(wide, value) if value == _FULL else value for value in values]
    return values
