"""A pickle that the reader takes for text, or for another one, where an unpickler runs it.

Unpicklers forgive what a description of the format does not: numbers with blanks, lines without an
end, frames that cut a name. Whatever both of CPython's run has to be found.
"""

import io
import pickle
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from support.hostile import findings
from support.pickles import PICKLES

_NAMES = (b"os", b"system", b"a\\u0062", b"\xc3\xa9", b"", b"1", b" 2", b"1_0", b"1\0x", b"0x1")
_INDEX = (b"\0", b"\1", b"\2")
TOKENS = [
    *(
        bytes([code])
        for code in b"()]}.012NRabdelostuQ\x81\x85\x86\x87\x88\x89\x8f\x90\x91\x92\x93\x94"
    ),
    *(letter + name + b"\n" for letter in (b"V", b"I", b"L", b"F", b"p", b"g") for name in _NAMES),
    *(b"S'" + name + b"'\n" for name in _NAMES[:2]),
    *(b"\x8c" + bytes([len(name)]) + name for name in _NAMES),
    *(b"X" + bytes([len(name), 0, 0, 0]) + name for name in _NAMES[:2]),
    *(code + index for code in (b"q", b"h") for index in _INDEX),
    *(b"\x95" + bytes([size]) + bytes(7) for size in (0, 3, 9, 17)),
    *(b"\x80" + bytes([protocol]) for protocol in (0, 2, 4)),
    *(b"cos\nsystem\n", b"(ios\nsystem\n", b"cos\nsystem\n)R", b"cos\nsystem\n)\x81", b"Pid\n"),
    *(b"C\2ab", b"K\1", b"M\1\1", b"J\1\1\1\1", b"G" + bytes(8), b"\x82\7", b"\xff"),
]


class Probe:
    """What takes the place of all that is imported, and notes whether it is used."""

    used: list[str] = []

    def __new__(cls, *_: Any, **__: Any) -> "Probe":
        cls.used.append("made")
        return object.__new__(cls)

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __setstate__(self, _: object) -> None:
        self.used.append("built")


class _Both:
    """Imports nothing, and notes what it was asked for."""

    def find_class(self, module: str, name: str) -> type[Probe]:
        self.asked.append(f"{module}.{name}")  # type: ignore[attr-defined]
        return Probe

    def persistent_load(self, _: object) -> str:
        return "os"


class InC(_Both, pickle.Unpickler):
    """CPython's faster one."""


class InPython(_Both, pickle._Unpickler):  # type: ignore[misc,name-defined]
    """The one that its documentation describes."""


def run(unpickler: Any) -> tuple[bool, set[str]]:
    """Whether it used what it imported, and what that is."""
    Probe.used.clear()
    unpickler.asked = []
    try:
        result = unpickler.load()
    except Exception:
        result = None
    acted = bool(Probe.used) or result is Probe
    return acted, set(unpickler.asked)


def _example(data: bytes) -> Any:
    return example(tokens=[data], cut=0)


@settings(max_examples=500)
@given(tokens=st.lists(st.sampled_from(TOKENS), min_size=1, max_size=14), cut=st.integers(0, 2))
@_example(PICKLES["memo numbered by itself and by hand"])
@_example(PICKLES["inst without a last newline"])
@_example(PICKLES["frame that cuts a name"])
@_example(PICKLES["number that only C reads"])
def test_what_an_unpickler_runs_is_found(tokens: list[bytes], cut: int) -> None:
    data = b"".join(tokens)
    data = data[: len(data) - cut]
    found = findings("readme.txt", data)
    for unpickler in (InC, InPython):
        for source in (io.BytesIO(data), io.BufferedReader(io.BytesIO(data))):
            acted, asked = run(unpickler(source))
            if not acted or any(each.endswith(".") or each.startswith(".") for each in asked):
                continue  # it imports nothing that could be: a name is empty
            assert found.pickles, asked
            assert found.pickles[0].fault or asked <= set(found.pickles[0].imports)
