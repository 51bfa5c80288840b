"""Pickles that attack whoever loads them, written opcode by opcode by one who knows scanners.

What they import is a module that only a test makes: `trap`, which leaves a file behind where it is
imported, and where its function is called. Nothing else happens if one of them is ever loaded.
"""

import struct
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

TRACE = "interlock-was-here"
_COMMAND = f"touch {TRACE}".encode()


def set_trap(folder: Path) -> Path:
    """Write the module that they import into `folder`; return what it leaves where it is used."""
    trace = folder / TRACE
    leave = f"open({str(trace)!r}, 'a').close()"
    (folder / "trap.py").write_text(f"{leave}\n\n\ndef system(*_):\n    {leave}\n")
    return trace


@pytest.fixture(autouse=True)
def nothing_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail each test of a module that imports this, where it ran anything of what it looked at."""
    trace = set_trap(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    yield
    assert not trace.exists()
    assert "trap" not in sys.modules


def short(text: bytes) -> bytes:
    """SHORT_BINUNICODE."""
    return b"\x8c" + bytes([len(text)]) + text


_ARGUMENT = short(_COMMAND) + b"\x85"
_REDUCE = b"ctrap\nsystem\n" + _ARGUMENT + b"R."
GLOBAL = b"\x80\x02" + _REDUCE
STACK_GLOBAL = b"\x80\x04" + short(b"trap") + short(b"system") + b"\x93" + _ARGUMENT + b"R."
BENIGN = b"\x80\x02}."

PICKLES: dict[str, bytes] = {
    "global": GLOBAL,
    "global without a protocol": _REDUCE,
    "global in text": b"ctrap\nsystem\n(S'" + _COMMAND + b"'\ntR.",
    "stack global": STACK_GLOBAL,
    "stack global in a frame": b"\x80\x04\x95" + struct.pack("<Q", 64) + STACK_GLOBAL[2:],
    "inst": b"(S'" + _COMMAND + b"'\nitrap\nsystem\n.",
    "obj": b"(ctrap\nsystem\n" + short(_COMMAND) + b"o.",
    "build": b"\x80\x02ctrap\nsystem\n)\x81}X\x01\x00\x00\x00ahb.",
    "newobj": b"\x80\x02ctrap\nsystem\n" + _ARGUMENT + b"\x81.",
    "newobj with keywords": b"\x80\x04ctrap\nsystem\n" + _ARGUMENT + b"}\x92.",
    "extension registry": b"\x80\x02\x82\x07" + _ARGUMENT + b"R.",
    "extension registry, wide": b"\x80\x02\x84\x07\x00\x00\x00" + _ARGUMENT + b"R.",
    "name from the memo": (
        b"\x80\x04"
        + short(b"system")
        + b"\x940"
        + short(b"trap")
        + b"\x940h\x01h\x00\x93"
        + _ARGUMENT
        + b"R."
    ),
    "name put by hand": b"Vsystem\np7\n0Vtrap\ng7\n\x93" + _ARGUMENT + b"R.",
    "name put over another": (
        b"\x80\x04Vpath\nq\x000Vsystem\nq\x000Vtrap\nh\x00\x93" + _ARGUMENT + b"R."
    ),
    "name with an escape": b"\x80\x04V\\u0074rap\nVsystem\n\x93" + _ARGUMENT + b"R.",
    "memo filled with what is no name": (
        b"\x80\x04"
        + short(b"dtype")
        + b"q\x000X"
        + struct.pack("<I", 200)
        + b"a" * 200
        + b"q\x000"
        + short(b"numpy")
        + b"h\x00\x93."
    ),
    "name doubled": b"\x80\x04" + short(b"trap") + b"2\x93" + _ARGUMENT + b"R.",
    "name that is computed": (
        b"\x80\x04cbuiltins\nstr\n" + short(b"trap") + b"\x85R" + short(b"system") + b"\x93."
    ),
    "attribute of a harmless module": (
        b"\x80\x04" + short(b"collections") + short(b"abc.sys.modules") + b"\x93."
    ),
    "imports and returns": b"ctrap\nsystem\n.",
    "second pickle": BENIGN + GLOBAL,
    "third pickle": BENIGN + b"I1\n." + GLOBAL,
    "bytes behind the end": BENIGN + b"\xff\xff",
    "broken behind the call": GLOBAL[:-1] + b"\xff",
    "cut off": GLOBAL[:-2],
    "cut off in an argument": b"\x80\x04\x8e" + struct.pack("<Q", 2**62) + b"x",
    "pickle in bytes": (b"\x80\x03C" + bytes([len(GLOBAL)]) + GLOBAL + b"c_pickle\nloads\n\x86."),
    "packed pickle in bytes": b"\x80\x03B"
    + struct.pack("<I", len(zlib.compress(GLOBAL)))
    + zlib.compress(GLOBAL)
    + b".",
    "stack that is empty": b"\x80\x02ctrap\nsystem\nRRR.",
    "mark that is gone": b"\x80\x02(1ctrap\nsystem\n(S'x'\ntR.",
    "persistent": b"\x80\x02X\x01\x00\x00\x00aQctrap\nsystem\n" + _ARGUMENT + b"R.",
    "number that only C reads": b"I1\0text\n0" + _REDUCE,
    "number with blanks": b"I 1 \n0L 0x1_0L\n0F 1e5 \n0" + _REDUCE,
    "memo number with blanks": b"Vtrap\np 1_0\n0g10\n0" + _REDUCE,
    "memo numbered by itself and by hand": b"Va\nq\xc4\x940" + _REDUCE,
    "inst without a last newline": b"(S'" + _COMMAND + b"'\nitrap\nsystem!",
    "frame that cuts a name": (
        b"\x80\x04\x95" + struct.pack("<Q", 7) + b"cnumpy.trap\nsystem\n" + _ARGUMENT + b"R."
    ),
    "frame in a frame": (
        b"\x80\x04\x95" + struct.pack("<Q", 40) + b"N0\x95" + struct.pack("<Q", 3) + _REDUCE
    ),
    "plain data": BENIGN,
}
"""Ways to an import, and to hide one, by name."""
FAR_PICKLES: dict[str, bytes] = {
    "after many lines": b"I1\n0" * 110_000 + _REDUCE,
    "after a long line": b"V" + b"a" * (2 << 20) + b"\n0" + _REDUCE,
    "after a long number": b"I" + b" " * (2 << 20) + b"1\n0" + _REDUCE,
    "after a long memo number": b"Va\np" + b" " * (2 << 20) + b"1\n0" + _REDUCE,
    "after a number and what C does not read": b"F1\0" + b"x" * (2 << 20) + b"\n0" + _REDUCE,
    "after a long name that persists": b"P" + b"a" * (2 << 20) + b"\n0" + _REDUCE,
    "after many marks": b"(" * 60_000 + _REDUCE,
}
"""Imports that lie further away than a pickle is followed."""
