"""The stack and memo of an unpickler that runs nothing: it only keeps the names on them.

`STACK_GLOBAL` imports what two strings on the stack name, and these may come by way of the memo,
of `DUP` or of a detour; so the stack is followed. What only running would tell is a fault.
"""

import re

from interlock.api.content import MAX_NAMED
from interlock.evidence.formats.opcodes import CALLS, PLAIN, Opcode
from interlock.evidence.formats.stream import Bad, Limit

MAX_NAME = 128
MAX_TEXTS = 100_000
MAX_MARKS = 50_000
_MODULE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)
_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)


class Machine:
    """What loading one pickle stream would import."""

    def __init__(self) -> None:
        self.imports: list[str] = []
        self.fault = ""
        self.acted = False
        """Whether something that was imported is called, or would be returned."""
        self._imported = False
        self._known: set[str] = set()
        self._texts = 0
        self.restart()

    def restart(self) -> None:
        """Forget the stack, for the next pickle of the same file."""
        self._stack: list[str | None] = []
        self._marks: list[int] = []
        self._memo: dict[int, str] = {}
        self._memoized = 0
        self._dense = True

    def run(self, data: bytes, at: int, end: int, most: int) -> tuple[int, int]:
        """Apply plain opcodes up to `end`; return where another kind stands, and how many passed.

        Most opcodes of a large pickle put a value on the stack or take some: this is their loop.
        """
        stack, floor, steps = self._stack, self._marks[-1] if self._marks else 0, 0
        while at < end and steps < most:
            plain = PLAIN[data[at]]
            if plain is None:
                break
            width, pops, pushes = plain
            if pops:
                if len(stack) - pops < floor:
                    break
                del stack[-pops:]
            if pushes:
                stack.append(None)
            at += width
            steps += 1
        return at, steps

    def apply(self, code: Opcode) -> None:
        """Do what an opcode does to the stack. Raises Bad where the stack has not what it takes."""
        name = code.name
        if name == "MARK":
            if len(self._marks) >= MAX_MARKS:
                raise Limit(f"more than {MAX_MARKS} marks lie on the stack")
            self._marks.append(len(self._stack))
            return
        if name == "POP" and self._marks and self._marks[-1] == len(self._stack):
            self._marks.pop()
            return
        if code.to_mark:
            self._to_mark(code)
        floor = self._marks[-1] if self._marks else 0
        if len(self._stack) - code.pops < floor:
            raise Bad(f"{name} finds too little on the stack")
        kept = self._stack[-1] if name in _KEEPING else None
        if code.pops:
            del self._stack[-code.pops :]
        if code.pushes:
            self._stack.extend([kept] * code.pushes)
        if name in CALLS or name == "STOP":
            self.acted = self.acted or self._imported

    def text(self, value: bytes | None) -> None:
        """Put a string on the stack; None for one that is no name or was not kept."""
        self._stack.append(self._kept(value))

    def put(self, index: int) -> None:
        """Keep what lies on top under a number."""
        if not self._stack or (self._marks and self._marks[-1] == len(self._stack)):
            raise Bad("the memo is given nothing")
        if index > self._memoized:
            self._dense = False
        elif index == self._memoized:
            self._memoized += 1
        top = self._stack[-1]
        if top is None:
            self._memo.pop(index, None)
        else:
            self._memo[index] = top

    def memoize(self) -> None:
        """Keep what lies on top under the next number."""
        if not self._dense:
            self.blame("its memo is numbered by itself and by hand")
        self.put(self._memoized)

    def get(self, index: int) -> None:
        """Put what was kept under a number on top again."""
        self._stack.append(self._memo.get(index))

    def named(self) -> None:
        """Import what the two strings on top name."""
        floor = self._marks[-1] if self._marks else 0
        if len(self._stack) - floor < 2:
            raise Bad("STACK_GLOBAL finds too little on the stack")
        name, module = self._stack.pop(), self._stack.pop()
        self._stack.append(None)
        if module is None or name is None:
            self._imported = True
            self.blame("it imports something that only running it would tell")
        else:
            self.bring(module, name)

    def bring(self, module: str, name: str, *, called: bool = False) -> None:
        """Take note of an import, and whether it is called at once."""
        self._imported = True
        self.acted = self.acted or called
        if not _MODULE.fullmatch(module):
            self.blame(f"it imports from {module[:64]!r}, which is no module's name")
        if not _NAME.fullmatch(name):
            self.blame(f"it imports {name[:64]!r}, which reaches through attributes")
        full = f"{module}.{name}"
        if full in self._known:
            return
        if len(self._known) >= MAX_NAMED:
            self.blame(f"it imports more than {MAX_NAMED} names")
            return
        self._known.add(full)
        self.imports.append(full)

    def extension(self) -> None:
        """Import what a number stands for in somebody's `copyreg`."""
        self._imported = True
        self._stack.append(None)
        self.blame("it imports by a number of the extension registry")

    def blame(self, why: str) -> None:
        """Say why the list of imports is not the whole truth; the first reason stands."""
        self.fault = self.fault or why

    def _to_mark(self, code: Opcode) -> None:
        if not self._marks:
            raise Bad(f"{code.name} finds no mark on the stack")
        mark = self._marks.pop()
        if len(self._stack) - mark < code.above:
            raise Bad(f"{code.name} finds too little above the mark")
        del self._stack[mark:]

    def _kept(self, value: bytes | None) -> str | None:
        if value is None or len(value) > MAX_NAME or self._texts >= MAX_TEXTS:
            return None
        try:
            found = value.decode()
        except UnicodeDecodeError:
            return None
        self._texts += 1
        return found


_KEEPING = frozenset({"DUP"})
