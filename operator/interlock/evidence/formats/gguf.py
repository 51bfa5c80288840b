"""Reads a GGUF header: metadata, then tensors that lie within the file, one behind the other.

Lengths that nobody checked have been memory faults in its loaders (CVE-2024-21802 and others),
and its chat template is a program: Jinja that reaches for Python's internals runs code
(CVE-2024-34359).
"""

import math
import re
import struct
from dataclasses import dataclass

from interlock.evidence.formats.known import Known
from interlock.evidence.formats.notes import Place
from interlock.evidence.formats.stream import ENDS, Bad, Stream, Walk

MAX_KEYS = 10_000
MAX_TENSORS = 50_000
MAX_TEXT_BYTES = 1024 * 1024
MAX_DIMENSIONS = 4
MAX_ARRAYS = 4
"""Arrays in one another."""
_VERSIONS = (2, 3)
_STRING, _ARRAY = 8, 9
_WIDTH = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
_ALIGNMENT, _TEMPLATE = b"general.alignment", b"tokenizer.chat_template"
_UINT32 = 4
_LENGTH = struct.Struct("<Q").unpack_from
_INTERNALS = re.compile(rb"__\w+__|\|\s*attr\b|\\x5f|\\137")
_BLOCKS = {
    **{0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34)},
    **{9: (32, 36), 10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176)},
    **{14: (256, 210), 15: (256, 292), 16: (256, 66), 17: (256, 74), 18: (256, 98)},
    **{19: (256, 50), 20: (32, 18), 21: (256, 110), 22: (256, 82), 23: (256, 136)},
    **{24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8), 28: (1, 8), 29: (256, 56), 30: (1, 2)},
    **{34: (256, 54), 35: (256, 66), 39: (32, 17)},
}
"""ggml's type to elements and bytes of a block (ggml-quants)."""


@dataclass(slots=True)
class _Header:
    stream: Stream
    place: Place
    alignment: int = 32


def walk(stream: Stream, place: Place) -> Walk[Known]:
    """Read the header; the file's length must then be what its tensors need."""
    header = _Header(stream, place)
    _, version, tensors, keys = struct.unpack("<4sI2Q", (yield from stream.exactly(24)))
    if version not in _VERSIONS or keys > MAX_KEYS or tensors > MAX_TENSORS:
        raise Bad(f"version {version}, {keys} keys and {tensors} tensors are not read")
    names: set[bytes] = set()
    for _ in range(keys):
        yield from _pair(header, names)
    spans, names = [], set()
    for _ in range(tensors):
        spans.append((yield from _tensor(header, names)))
    start = _aligned(stream.offset, header.alignment)
    return Known("gguf", _sizes(spans, start, header.alignment))


def _pair(header: _Header, names: set[bytes]) -> Walk[None]:
    key = yield from _name(header, names, "key")
    kind = yield from _number(header.stream, 4)
    if key == _ALIGNMENT and kind == _UINT32:
        header.alignment = yield from _number(header.stream, 4)
        if not 1 <= header.alignment <= 65_536 or header.alignment & (header.alignment - 1):
            raise Bad(f"an alignment of {header.alignment} is no power of two")
    elif key.startswith(_TEMPLATE) and kind == _STRING:
        if _INTERNALS.search((yield from _text(header))):
            raise Bad("its chat template reaches for Python's internals")
    else:
        yield from _value(header, kind, 0)


def _value(header: _Header, kind: int, depth: int) -> Walk[None]:
    header.place.notes.step()
    if kind == _STRING:
        yield from header.stream.skip((yield from _number(header.stream, 8)))
    elif kind == _ARRAY and depth < MAX_ARRAYS:
        yield from _array(header, depth)
    elif kind in _WIDTH:
        yield from header.stream.skip(_WIDTH[kind])
    else:
        raise Bad(f"a value of type {kind} is not known")


def _array(header: _Header, depth: int) -> Walk[None]:
    kind = yield from _number(header.stream, 4)
    count = yield from _number(header.stream, 8)
    if kind in _WIDTH:
        yield from header.stream.skip(_WIDTH[kind] * count)
        return
    if kind == _STRING:
        yield from _texts(header, count)
        return
    for _ in range(count):
        yield from _value(header, kind, depth + 1)


def _texts(header: _Header, count: int) -> Walk[None]:
    """Pass so many texts by: a vocabulary has hundreds of thousands of them."""
    stream = header.stream
    while count:
        if (yield from stream.want(8)) < 8:
            raise Bad(ENDS)
        data, at, passed = stream.data, stream.at, 0
        while passed < count and at + 8 <= len(data):
            after = at + 8 + _LENGTH(data, at)[0]
            if after > len(data):
                break
            at, passed = after, passed + 1
        stream.at = at
        header.place.notes.step(passed // 2 + 1)
        if not passed:
            yield from stream.skip((yield from _number(stream, 8)))
        count -= passed or 1


def _tensor(header: _Header, names: set[bytes]) -> Walk[tuple[int, int]]:
    """Return where a tensor begins and ends, from the start of the data."""
    name = yield from _name(header, names, "tensor")
    count = yield from _number(header.stream, 4)
    if not 0 < count <= MAX_DIMENSIONS:
        raise Bad(f"the tensor {name[:64]!r} has {count} dimensions")
    sizes = struct.unpack(f"<{count}Q", (yield from header.stream.exactly(8 * count)))
    kind, offset = struct.unpack("<IQ", (yield from header.stream.exactly(12)))
    if kind not in _BLOCKS:
        raise Bad(f"the tensor {name[:64]!r} is of type {kind}, which is not known")
    elements, width = _BLOCKS[kind]
    if sizes[0] % elements or offset % header.alignment:
        raise Bad(f"the tensor {name[:64]!r} does not begin or end where a block does")
    return offset, offset + math.prod(sizes) // elements * width


def _sizes(spans: list[tuple[int, int]], start: int, alignment: int) -> tuple[int, ...]:
    end = 0
    for begin, until in sorted(spans):
        if begin != _aligned(end, alignment):
            raise Bad(f"a tensor begins at {begin}, the one before ends at {end}")
        end = until
    return start + end, start + _aligned(end, alignment)


def _name(header: _Header, names: set[bytes], what: str) -> Walk[bytes]:
    name = yield from _text(header)
    header.place.notes.step()
    if name in names:
        raise Bad(f"the {what} {name[:64]!r} occurs twice")
    if len(name) > 1024:
        raise Bad(f"a {what}'s name has {len(name)} bytes")
    names.add(name)
    return name


def _text(header: _Header) -> Walk[bytes]:
    size = yield from _number(header.stream, 8)
    if size > MAX_TEXT_BYTES:
        raise Bad(f"a text has {size} bytes, at most {MAX_TEXT_BYTES} are read")
    return (yield from header.stream.exactly(size))


def _number(stream: Stream, size: int) -> Walk[int]:
    return int.from_bytes((yield from stream.exactly(size)), "little")


def _aligned(offset: int, alignment: int) -> int:
    return offset + -offset % alignment
