"""Walks an ONNX model's protobuf as it streams by: external data, custom operators, bounds.

Operators of a domain that no runtime brings need a library of somebody's; external data may name
any file of the machine that loads it (CVE-2024-27318, CVE-2024-5187). Tensors' bytes are passed
by, so that a model of gigabytes needs no memory.
"""

from dataclasses import dataclass, field

from interlock.evidence.formats.known import Known
from interlock.evidence.formats.names import plain
from interlock.evidence.formats.notes import Place
from interlock.evidence.formats.stream import ENDS, Bad, Stream, Walk

MAX_DEPTH = 64
MAX_TEXT_BYTES = 4096
MAX_OPERATORS = 1_000
"""Operators of other domains that are compared with the model's own functions."""
_BUILT_IN = frozenset({b"", b"ai.onnx", b"ai.onnx.ml", b"ai.onnx.training", b"com.microsoft"}) | {
    b"ai.onnx.preview",
    b"ai.onnx.preview.training",
    b"com.microsoft.nchwc",
}
_MESSAGES: dict[str, dict[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {13: "entry"},
    "entry": {},
}
"""onnx.proto: message and field to the message that it holds; all else is passed by."""
_TEXTS: dict[str, dict[int, str]] = {
    "model": {1: "nodes", 2: "producer"},
    "function": {1: "type", 10: "domain"},
    "node": {4: "type", 7: "domain"},
    "entry": {1: "key", 2: "value"},
}
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_SPECIAL = {kind: frozenset(_MESSAGES[kind]) | set(_TEXTS.get(kind, ())) for kind in _MESSAGES}
_LONGER = 0x80
"""From here on a byte of a number says that another follows."""
_BURST = 4096
_COST = 4
"""Steps that a field counts that is not just passed by."""
_LOCATION = b"location"
_PRODUCER = 2
"""In a TensorFlow model, field 2 is a graph; in a graph of its first version, field 1 a node."""


@dataclass(slots=True)
class _Model:
    stream: Stream
    place: Place
    graphs: int = 0
    used: set[tuple[bytes, bytes]] = field(default_factory=set)
    defined: set[tuple[bytes, bytes]] = field(default_factory=set)


@dataclass(slots=True)
class _Message:
    kind: str
    end: int | None
    depth: int
    texts: dict[str, bytes] = field(default_factory=dict)


def walk(stream: Stream, place: Place) -> Walk[Known]:
    """Walk the whole model. Raises Bad where it is none, or would load something else."""
    model = _Model(stream, place)
    yield from _message(model, "model", None, 0)
    if not model.graphs:
        raise Bad("it has no graph")
    foreign = sorted(model.used - model.defined)
    if foreign:
        domain, name = (each.decode("utf-8", "backslashreplace") for each in foreign[0])
        raise Bad(f"its operator {name} is of the domain {domain}, which needs a foreign library")
    return Known("onnx")


def _message(model: _Model, kind: str, end: int | None, depth: int) -> Walk[None]:
    """Walk one message up to `end`; the outermost one up to the file's."""
    if depth > MAX_DEPTH:
        raise Bad(f"messages lie more than {MAX_DEPTH} deep in one another")
    stream, message = model.stream, _Message(kind, end, depth)
    while (yield from _more(stream, end)):
        model.place.notes.step(_pass_plain(stream, end, _SPECIAL[kind]))
        if not (yield from _more(stream, end)):
            break
        model.place.notes.step(_COST)
        tag = yield from _varint(stream)
        if tag >> 3 in _SPECIAL[kind] and tag & 7 == _BYTES:
            yield from _special(model, message, tag >> 3)
        else:
            yield from stream.skip((yield from _size(stream, tag & 7)))
    if end is not None and stream.offset != end:
        raise Bad("a field reaches out of its message")
    _note(model, kind, message.texts)


def _special(model: _Model, message: _Message, number: int) -> Walk[None]:
    """Walk a field that is a message, or keep one that is a text."""
    stream = model.stream
    size = yield from _varint(stream)
    until = stream.offset + size
    if message.end is not None and until > message.end:
        raise Bad("a field reaches out of its message")
    if inner := _MESSAGES[message.kind].get(number):
        yield from _message(model, inner, until, message.depth + 1)
    elif size > MAX_TEXT_BYTES:
        raise Bad(f"a name has {size} bytes")
    else:
        text = yield from stream.exactly(size)
        if message.kind == "model" and not (number == _PRODUCER and _is_plain(text)):
            raise Bad("it can be read as a TensorFlow model, too")
        message.texts[_TEXTS[message.kind][number]] = text


def _is_plain(text: bytes) -> bool:
    return text.decode("utf-8", "replace").isprintable()


def _size(stream: Stream, wire: int) -> Walk[int]:
    """Return how many bytes a field has that is passed by."""
    if wire == _VARINT:
        yield from _varint(stream)
        return 0
    if wire == _BYTES:
        return (yield from _varint(stream))
    if wire not in (_FIXED32, _FIXED64):
        raise Bad(f"a field of wire type {wire} at {stream.offset}")
    return 4 if wire == _FIXED32 else 8


def _pass_plain(stream: Stream, end: int | None, special: frozenset[int]) -> int:
    """Pass short fields by that say nothing here; return how many. Most fields are such."""
    data, at, passed = stream.data, stream.at, 0
    stop = len(data) if end is None else min(len(data), at + end - stream.offset)
    while at + 1 < stop and passed < _BURST:
        tag, size = data[at], data[at + 1]
        wire = tag & 7
        if tag >= _LONGER or size >= _LONGER or wire not in (_VARINT, _BYTES):
            break
        after = at + 2 + (size if wire == _BYTES else 0)
        if after > stop or (wire == _BYTES and tag >> 3 in special):
            break
        at, passed = after, passed + 1
    stream.at = at
    return passed


def _more(stream: Stream, end: int | None) -> Walk[bool]:
    if end is not None:
        return stream.offset < end
    return bool(stream.left or (yield from stream.want(1)))


def _note(model: _Model, kind: str, texts: dict[str, bytes]) -> None:
    if kind == "graph":
        model.graphs += 1
    elif kind == "entry" and texts.get("key") == _LOCATION:
        _external(model.place, texts.get("value", b""))
    elif kind in ("node", "function"):
        operator = (texts.get("domain", b""), texts.get("type", b""))
        known = model.used if kind == "node" else model.defined
        if operator[0] not in _BUILT_IN and operator not in known:
            if len(known) >= MAX_OPERATORS:
                raise Bad(f"more than {MAX_OPERATORS} operators of other domains")
            known.add(operator)


def _external(place: Place, location: bytes) -> None:
    name = location.decode("utf-8", "replace")
    if not plain(name):
        raise Bad(f"its data would be read from {name[:80]!r}, which is no file of the model")
    folder = place.path.rpartition("/")[0]
    found = f"{folder}/{name}".lstrip("/")
    if found not in place.notes.refers:
        place.refer(found)


def _varint(stream: Stream) -> Walk[int]:
    if stream.left < 10:
        yield from stream.want(10)
    data, at = stream.data, stream.at
    value = shift = 0
    for place in range(at, min(at + 10, len(data))):
        byte = data[place]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            stream.at = place + 1
            return value
        shift += 7
    raise Bad(ENDS if len(data) < at + 10 else "a number has too many bytes")
