"""Walks PNG and JPEG from their first byte to their last: pictures, with nothing behind them."""

import zlib

from interlock.evidence.formats.known import Known
from interlock.evidence.formats.notes import Place
from interlock.evidence.formats.stream import Bad, Stream, Walk

_PIECE = 64 * 1024
_END_OF_IMAGE = b"\xff\xd9"


def png(stream: Stream, place: Place) -> Walk[Known]:
    """Walk the chunks up to IEND, which is the file's end."""
    yield from stream.skip(8)
    kind = b""
    while kind != b"IEND":
        place.notes.step(4)
        head = yield from stream.exactly(8)
        size, kind = int.from_bytes(head[:4], "big"), head[4:]
        crc = zlib.crc32(kind)
        while size:
            piece = yield from stream.some(min(size, _PIECE))
            if not piece:
                raise Bad("it ends in the middle of a chunk")
            crc, size = zlib.crc32(piece, crc), size - len(piece)
        if int.from_bytes((yield from stream.exactly(4)), "big") != crc:
            raise Bad(f"the checksum of its chunk {kind!r} does not hold")
    if (yield from stream.want(1)):
        raise Bad("bytes follow its end")
    return Known("image")


def jpeg(stream: Stream, _place: Place) -> Walk[Known]:
    """Pass all by; the file's last marker ends the image."""
    last = b""
    while piece := (yield from stream.some(_PIECE)):
        last = (last + piece)[-2:]
    if last != _END_OF_IMAGE:
        raise Bad("bytes follow the end of the image")
    return Known("image")
