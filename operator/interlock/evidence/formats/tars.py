"""Walks a tar archive's plain files and folders; links, devices and sparse files are refused."""

import tarfile

from interlock.evidence.formats.names import Names
from interlock.evidence.formats.notes import MEMBER_STEPS, Place, look_into
from interlock.evidence.formats.sniff import is_tar
from interlock.evidence.formats.stream import Bad, Stream, Walk

MAX_EXTENDED_BYTES = 8 * 1024
_BLOCK = tarfile.BLOCKSIZE
_PATH = b"path"
_MISLEADING = (b"size", b"hdrcharset", b"GNU.sparse")
"""Keys by which readers would take other bytes, or another name."""


def walk(stream: Stream, place: Place) -> Walk[None]:
    """Walk a whole archive."""
    names, longer = Names(), ""
    while any(block := (yield from stream.exactly(_BLOCK))):
        place.notes.step(MEMBER_STEPS)
        if not is_tar(block):
            raise Bad("a header's checksum does not hold")
        info = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        if info.type in (tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME):
            if longer:
                raise Bad("two extended headers lead one entry")
            longer = yield from _longer(stream, info)
            continue
        name = names.take((longer or info.name).encode("utf-8", "surrogateescape"))
        longer = ""
        if info.type == tarfile.DIRTYPE and not info.size:
            continue
        if info.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or info.size < 0:
            raise Bad(f"{name} is neither a plain file nor a folder")
        yield from look_into(stream, info.size, place.member(name))
        yield from stream.skip(-info.size % _BLOCK)
    yield from _zeros(stream)


def _longer(stream: Stream, info: tarfile.TarInfo) -> Walk[str]:
    """Return the path that an extended header gives to the next entry."""
    if not 0 < info.size <= MAX_EXTENDED_BYTES:
        raise Bad(f"an extended header has {info.size} bytes")
    data = yield from stream.exactly(info.size + -info.size % _BLOCK)
    data = data[: info.size]
    if info.type == tarfile.GNUTYPE_LONGNAME:
        return data.rstrip(b"\0").decode("utf-8", "surrogateescape")
    return _path(data).decode("utf-8", "surrogateescape")


def _path(data: bytes) -> bytes:
    """Return the path of pax records (`<length> <key>=<value>\\n`), empty where none has one."""
    path, (*records, rest) = b"", data.split(b"\n")
    for record in records:
        length, _, said = record.partition(b" ")
        key, _, value = said.partition(b"=")
        if length != b"%d" % (len(record) + 1) or key.startswith(_MISLEADING):
            raise Bad("an extended header says more than a path")
        if key == _PATH and path:
            raise Bad("an extended header has two paths")
        path = value if key == _PATH else path
    if rest:
        raise Bad("an extended header ends in the middle")
    return path


def _zeros(stream: Stream) -> Walk[None]:
    while piece := (yield from stream.some(_BLOCK * 128)):
        if piece.count(0) != len(piece):
            raise Bad("bytes follow its end")
