"""Reads the header of a NumPy array (.npy): plain numbers, or pickled objects in disguise."""

import math
import re
import struct

from interlock.evidence.formats.known import Known
from interlock.evidence.formats.notes import Place
from interlock.evidence.formats.stream import Bad, Stream, Walk

MAX_HEADER_BYTES = 64 * 1024
_PIECE = 64 * 1024
_PLAIN = re.compile(
    r"\{'descr': '[<>|=]([biufcSUV?])(\d{0,6})', 'fortran_order': (?:True|False), "
    r"'shape': \(((?:\d{1,18}, ?)*(?:\d{1,18})?)\),? \}[ ]*\n?"
)
_OBJECTS = re.compile(r"""['"][<>|=]?O\d*['"]""")


def walk(stream: Stream, place: Place) -> Walk[Known]:
    """Read the header; the file's length must then be what its shape needs."""
    head = yield from stream.exactly(8)
    wide = head[6] > 1
    (size,) = struct.unpack("<I" if wide else "<H", (yield from stream.exactly(4 if wide else 2)))
    if size > MAX_HEADER_BYTES:
        raise Bad(f"its header has {size} bytes, at most {MAX_HEADER_BYTES} are read")
    header = (yield from stream.exactly(size)).decode("latin-1")
    found = _PLAIN.fullmatch(header)
    if found:
        width = int(found[2] or 1) * (4 if found[1] == "U" else 1)
        shape = [int(each) for each in found[3].replace(" ", "").split(",") if each]
        return Known("npy", (stream.offset + math.prod(shape) * width,))
    if not _OBJECTS.search(header):
        raise Bad("its header is not that of an array of numbers")
    yield from _objects(stream, place.member("objects"))
    raise Bad("it holds Python objects, which are a pickle")


def _objects(stream: Stream, place: Place) -> Walk[None]:
    look = place.look()
    while piece := (yield from stream.some(_PIECE)):
        look.feed(piece)
    look.close()
