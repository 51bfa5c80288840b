"""Walks a pickle opcode by opcode and lists what loading it would import; runs none of it.

Every file is walked, whatever it seems to be: a pickle needs no magic bytes. It is one as soon as
it begins with a protocol, or calls or returns something that it imported. Deny-lists of imports
have all been passed by, so the list is complete or says that it is not.
"""

import re

from interlock.evidence.formats.machine import MAX_NAME, Machine
from interlock.evidence.formats.notes import Place, look_into
from interlock.evidence.formats.opcodes import LENGTHS, LINE, OPCODES, TEXTS, Opcode
from interlock.evidence.formats.sniff import HEAD, hides
from interlock.evidence.formats.stream import ENDS, Bad, Limit, Stream, Walk

MAX_LINE = 1024 * 1024
NEWEST_PROTOCOL = 5
_LONGEST = 9
"""Bytes of the longest opcode whose argument has a fixed size."""
_BURST = 4096
_COST, _LINE_COST = 4, 6
"""Steps that an opcode counts that does more than put or take values, or reads a line."""
_INTEGER = re.compile(rb"[\s+0-9a-fA-FxXoObB_L-]*")
_FLOAT = re.compile(rb"[\s+0-9a-zA-Z_.-]*")
_NUMBERS = {"FLOAT": _FLOAT} | dict.fromkeys(("INT", "LONG", "PUT", "GET"), _INTEGER)
"""More than any unpickler takes for a number: a walk must not end before theirs does."""
_PUTS = frozenset({"PUT", "BINPUT", "LONG_BINPUT"})
_GETS = frozenset({"GET", "BINGET", "LONG_BINGET"})
_EXTENSIONS = frozenset({"EXT1", "EXT2", "EXT4"})
_BYTES = frozenset({"BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"}) | {
    "BINSTRING",
    "SHORT_BINSTRING",
}


class Found:
    """What a walk has learned so far; it stands also where the walk breaks."""

    def __init__(self) -> None:
        self.machine = Machine()
        self.whole = False
        """Whether pickles are all that the file holds."""
        self.begun = False
        """Whether it began with a protocol, and went on with an opcode."""
        self.unfinished = False
        """Whether a limit of ours, or a surprise, ended the walk while all was well-formed."""

    @property
    def is_pickle(self) -> bool:
        """Whether an unpickler would do something with it, were it whole or broken."""
        return self.whole or self.begun or self.unfinished or self.machine.acted


def walk(stream: Stream, place: Place, found: Found) -> Walk[None]:
    """Follow all pickles of a file, one behind the other. Raises Bad where that is not all."""
    try:
        yield from _all(stream, place, found)
    except Exception as error:
        found.unfinished = isinstance(error, Limit) or not isinstance(error, Bad)
        raise


def _all(stream: Stream, place: Place, found: Found) -> Walk[None]:
    yield from _one(stream, place, found)
    while (yield from stream.want(1)):
        found.machine.blame("bytes follow its end")
        found.machine.restart()
        try:
            yield from _one(stream, place, found)
        except Limit:
            raise
        except Bad as bad:
            raise Bad(f"bytes that are no pickle follow its end ({bad})") from None
    found.whole = True


def _one(stream: Stream, place: Place, found: Found) -> Walk[None]:
    start, notes, machine = stream.offset, place.notes, found.machine
    protocol, frame = False, 0
    while True:
        if stream.left < _LONGEST and not (yield from stream.want(_LONGEST)):
            raise Bad(ENDS)
        end = len(stream.data) - _LONGEST
        end = min(end, frame - stream.offset + stream.at) if frame else end
        stream.at, steps = machine.run(stream.data, stream.at, end, _BURST)
        notes.step(steps)
        frame = _framed(stream, frame, machine)
        code, first = OPCODES[stream.data[stream.at]], stream.offset == start
        if code is None:
            raise Bad(f"the byte {stream.data[stream.at]:#04x} at {stream.offset} is no opcode")
        stream.at += 1
        found.begun = found.begun or (protocol and not first)
        notes.step(_LINE_COST if code.argument == LINE else _COST)
        if code.argument < 0:
            yield from _long(stream, code, place, machine)
        else:
            argument = stream.taken(code.argument)
            protocol = _short(code, argument, machine) or protocol
        frame = _framed(stream, frame, machine)
        if code.name == "FRAME":
            if frame:
                machine.blame("a frame begins in another")
            frame = stream.offset + int.from_bytes(argument, "little")
        if code.name == "STOP":
            return


def _framed(stream: Stream, frame: int, machine: Machine) -> int:
    """Return where the frame ends, 0 past that. C reads another line where one reaches out of it.

    CPython drops what it has of a line at its frame's end, so that `numpy.` and `os` are `os`.
    """
    if not frame or stream.offset < frame:
        return frame
    if stream.offset > frame:
        machine.blame("an opcode reaches out of its frame")
    return 0


def _short(code: Opcode, argument: bytes, machine: Machine) -> bool:
    """Apply an opcode with an argument of fixed size; return whether it names a protocol."""
    name = code.name
    if name in _PUTS:
        machine.put(int.from_bytes(argument, "little"))
    elif name in _GETS:
        machine.get(int.from_bytes(argument, "little"))
    elif name in _EXTENSIONS:
        machine.extension()
    elif name == "MEMOIZE":
        machine.memoize()
    elif name == "STACK_GLOBAL":
        machine.named()
    elif name == "PROTO":
        if argument[0] > NEWEST_PROTOCOL:
            raise Bad(f"pickle protocol {argument[0]} is not known")
        return True
    else:
        machine.apply(code)
    return False


def _long(stream: Stream, code: Opcode, place: Place, machine: Machine) -> Walk[None]:
    """Apply an opcode whose argument says itself how long it is."""
    name = code.name
    if code.argument == LINE:
        yield from _lines(stream, name, code, machine)
        return
    width, signed = LENGTHS[code.argument]
    size = int.from_bytes((yield from stream.exactly(width)), "little", signed=signed)
    if size < 0 and name == "BINSTRING":
        size += 1 << 32  # C's reader takes it for a large one
    if size < 0:
        raise Bad(f"{name} has a negative length")
    if name in TEXTS:
        if size <= MAX_NAME:
            machine.text((yield from stream.exactly(size)))
            return
        machine.text(None)
    else:
        machine.apply(code)
    if name in _BYTES:
        yield from _nested(stream, size, place, machine)
    else:
        yield from stream.skip(size)


def _lines(stream: Stream, name: str, code: Opcode, machine: Machine) -> Walk[None]:
    line = yield from _line(stream, name)
    number = _number(line)
    if name in _NUMBERS and not _NUMBERS[name].fullmatch(number):
        raise Bad(f"{name} has an argument that is no number")
    if name in ("GLOBAL", "INST"):
        member = yield from _line(stream, name)
        machine.apply(code)
        machine.bring(_decoded(line), _decoded(member), called=name == "INST")
    elif name == "PUT":
        machine.put(_index(number))
    elif name == "GET":
        machine.get(_index(number))
    elif name in TEXTS:
        machine.text(_plain(line, quoted=name == "STRING"))
    else:
        machine.apply(code)


def _number(line: bytes) -> bytes:
    """Return a line up to where C's reading of a number ends."""
    return line.partition(b"\0")[0]


def _index(number: bytes) -> int:
    try:
        return int(number)
    except ValueError:
        raise Bad("the memo is asked for what is no number") from None


def _line(stream: Stream, name: str) -> Walk[bytes]:
    """Take a line. The last one of a file needs no newline: unpicklers drop its last byte then."""
    wanted = 1
    while True:
        ahead = yield from stream.want(wanted)
        end = stream.data.find(b"\n", stream.at, stream.at + MAX_LINE)
        if end >= 0:
            found = stream.data[stream.at : end]
            stream.at = end + 1
            return found
        if 1 < ahead < wanted:
            return stream.taken(ahead)[:-1]
        if ahead < wanted:
            raise Bad(ENDS)
        if ahead >= MAX_LINE:
            raise _endless(name, stream.data[stream.at : stream.at + MAX_LINE])
        wanted = ahead + 1


def _endless(name: str, line: bytes) -> Bad:
    """Return whether our limit ends a line, or that it is no argument of this opcode."""
    number = name in _NUMBERS and _NUMBERS[name].fullmatch(_number(line))
    if number or name in TEXTS or (name == "PERSID" and line.isascii()):
        return Limit(f"a line has more than {MAX_LINE} bytes")
    return Bad(f"{name} has an argument that is too long for one")


def _nested(stream: Stream, size: int, place: Place, machine: Machine) -> Walk[None]:
    """Pass bytes by, and look into them where they begin like something that hides a pickle."""
    before = len(place.notes.pickles)
    ahead = yield from stream.want(min(size, HEAD))
    if hides(stream.data[stream.at : stream.at + min(size, ahead, HEAD)]):
        yield from look_into(stream, size, place.member(f"bytes at {stream.offset}"))
        if len(place.notes.pickles) > before:
            machine.blame("its bytes hold another pickle")
    else:
        yield from stream.skip(size)


def _plain(line: bytes, *, quoted: bool) -> bytes | None:
    """Return a text as it stands; None where an escape would make another of it."""
    if b"\\" in line:
        return None
    if not quoted:
        return line
    line = line.strip()
    if len(line) < 2 or line[:1] != line[-1:] or line[:1] not in (b"'", b'"'):
        raise Bad("STRING has an argument without quotes")
    return line[1:-1]


def _decoded(name: bytes) -> str:
    return name.decode("utf-8", "backslashreplace")
