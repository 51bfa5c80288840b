"""What is noted about one file of a model while it streams by, and how much work it may cause.

A file of a few bytes may ask for work without end: archives in archives, streams that expand a
thousandfold, millions of opcodes. One budget holds for a file with all that lies in it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from interlock.api.content import MAX_NAMED, Fault, Pickle
from interlock.evidence.formats.stream import ENDS, Bad, Limit, Stream, Walk
from interlock.evidence.http import shown

MAX_DEPTH = 6
"""Archives and compressed streams in one another."""
MEMBER_STEPS = 60
"""What a look at a file costs that lies in another, were it empty: 10,000 of them are too many."""
MAX_STEPS = 600_000
"""Opcodes, fields and entries that are followed in one file."""
MAX_EXPANDED_BYTES = 128 * 1024**2
"""What compressed streams of one file may expand to, in bytes that cost as much as deflate's."""
_SHOWN = 256

T = TypeVar("T")


@dataclass(slots=True)
class Notes:
    """What was found in one file, in the order in which it was found."""

    faults: list[Fault] = field(default_factory=list)
    pickles: list[Pickle] = field(default_factory=list)
    loaders: list[str] = field(default_factory=list)
    code: list[str] = field(default_factory=list)
    loose: list[str] = field(default_factory=list)
    refers: list[str] = field(default_factory=list)
    more: int = 0
    steps: int = 0
    expanded: int = 0

    def step(self, count: int = 1) -> None:
        """Count work. Raises Limit past the cap."""
        self.steps += count
        if self.steps > MAX_STEPS:
            raise Limit(f"it has more than {MAX_STEPS} parts, and no more are followed")

    def expand(self, cost: int) -> None:
        """Count what a compressed stream became. Raises Bad past the cap."""
        self.expanded += cost
        if self.expanded > MAX_EXPANDED_BYTES:
            raise Bad("it expands to more than is looked at")


class Looker(Protocol):
    """Looks at one file, or at something that lies in it."""

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes."""

    def close(self) -> str:
        """Note what was found and return the format."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a reader is: in the file itself, or so deep in archives."""

    path: str
    notes: Notes
    looker: "Callable[[Place], Looker]"
    """Makes what looks at a member: archives lie in archives."""
    depth: int = 0

    def member(self, name: str) -> "Place":
        """Return the place of something in it. Raises Limit if it is one too many or too deep."""
        self.notes.step(MEMBER_STEPS)
        if self.depth >= MAX_DEPTH:
            raise Limit(f"archives lie more than {MAX_DEPTH} deep in one another")
        return Place(f"{self.path}!/{shown(name, 256)}", self.notes, self.looker, self.depth + 1)

    def look(self) -> Looker:
        """Return what looks at this place's bytes."""
        return self.looker(self)

    def fault(self, format_: str, why: str) -> None:
        """Note that this is not what it claims to be."""
        self._keep(self.notes.faults, Fault(path=self._shown, format=format_, why=shown(why, 512)))

    def pickle(self, imports: list[str], fault: str) -> None:
        """Note that this is a pickle."""
        named = [shown(each, _SHOWN) for each in imports[:MAX_NAMED]]
        found = Pickle(path=self._shown, imports=named, fault=shown(fault, 512))
        self._keep(self.notes.pickles, found)

    def code(self) -> None:
        """Note that this is code."""
        self._keep(self.notes.code, self._shown)

    def refer(self, path: str) -> None:
        """Note that loading it reads another file of the model."""
        self._keep(self.notes.refers, path)

    def name(self, listed: list[str], value: str) -> None:
        """Note something else that is named in it."""
        self._keep(listed, shown(value, _SHOWN))

    @property
    def file(self) -> str:
        """The file's own name, without what it lies in."""
        return self.path.rpartition("/")[2]

    @property
    def _shown(self) -> str:
        return self.path if len(self.path) <= 1024 else f"…{self.path[-1000:]}"

    def _keep(self, listed: list[T], found: T) -> None:
        if len(listed) < MAX_NAMED:
            listed.append(found)
        else:
            self.notes.more += 1


def look_into(stream: Stream, size: int, place: Place) -> Walk[None]:
    """Have so many bytes looked at as what lies at `place`."""
    look = place.look()
    while size:
        piece = yield from stream.some(size)
        if not piece:
            raise Bad(ENDS)
        look.feed(piece)
        size -= len(piece)
    look.close()
