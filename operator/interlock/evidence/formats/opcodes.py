"""The pickle machine's opcodes, of which only the effect on the stack counts here.

The table is made of `pickletools`, the standard library's own description of them.
"""

import pickletools
from dataclasses import dataclass

LINE = -1
"""The argument ends at a newline."""
LENGTHS = {-2: (1, False), -3: (4, True), -4: (4, False), -5: (8, False)}
"""Argument size to bytes of the length that leads it, and whether that is signed."""


@dataclass(frozen=True, slots=True)
class Opcode:
    """One opcode: how long its argument is, and what it takes from the stack and puts there."""

    name: str
    argument: int
    """Bytes; LINE or a key of LENGTHS where the argument says it."""
    pops: int
    to_mark: bool
    """Whether it takes all down to the last mark, and then `pops` more."""
    above: int
    """Values that it needs above the mark."""
    pushes: int


def _table() -> list[Opcode | None]:
    table: list[Opcode | None] = [None] * 256
    for each in pickletools.opcodes:
        before = [value.name for value in each.stack_before]
        marked = "mark" in before
        below = before[: before.index("mark")] if marked else before
        above = len(before) - len(below) - 2 if marked else 0
        argument = each.arg.n if each.arg else 0
        pushes = len(each.stack_after)
        code = Opcode(each.name, argument, len(below), marked, max(above, 0), pushes)
        table[ord(each.code)] = code
    return table


OPCODES = _table()
CALLS = frozenset({"REDUCE", "BUILD", "INST", "OBJ", "NEWOBJ", "NEWOBJ_EX"})
"""What runs something that was imported."""
TEXTS = frozenset({"STRING", "UNICODE", "BINSTRING", "SHORT_BINSTRING"}) | {
    "BINUNICODE",
    "SHORT_BINUNICODE",
    "BINUNICODE8",
}

_NOTED = (
    CALLS
    | {"STOP", "MEMOIZE", "STACK_GLOBAL", "PROTO", "FRAME", "MARK", "POP", "DUP"}
    | {f"{width}{name}" for width in ("", "BIN", "LONG_BIN") for name in ("PUT", "GET")}
)


def _plain(code: Opcode | None) -> tuple[int, int, int] | None:
    """Return bytes, pops and pushes of an opcode that does nothing but that."""
    if code is None or code.argument < 0 or code.to_mark or code.name in _NOTED:
        return None
    if code.name.startswith("EXT") or code.pushes > 1:
        return None
    return 1 + code.argument, code.pops, code.pushes


PLAIN = [_plain(code) for code in OPCODES]
"""By byte: those opcodes that only put values on the stack, or take them."""
