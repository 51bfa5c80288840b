"""What an auditor asks of the log, offline: is it whole, in order, and is each record genuine?

The log holds nothing that says where it should end. Whoever wants to know that no end was cut off
keeps the head of an earlier verification and gives it to the next.
"""

from dataclasses import dataclass, field
from pathlib import Path

from interlock.audit.chain import FIRST, Entry, Line, decode, read_lines
from interlock.audit.records import Keyring, in_place, record_digest

MAX_PROBLEMS = 100
"""After so many it is clear enough; reading stops."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One place where the log is not what was written."""

    line: int
    """From 1."""
    message: str


@dataclass(frozen=True, slots=True)
class Report:
    """What a verification found."""

    lines: int
    head: str
    """Digest of the last line; the next verification can be given it."""
    problems: tuple[Problem, ...]

    @property
    def intact(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


def verify(path: Path, keyring: Keyring, *, head: str = FIRST) -> Report:
    """Check chain, sequence and every signature; the line with digest `head` must be there.

    Raises OSError where the file cannot be read.
    """
    reader = _Reader(keyring)
    heads_seen = head == FIRST
    with path.open("rb") as file:
        for data in read_lines(file):
            reader.read(data)
            heads_seen = heads_seen or reader.head == head
            if len(reader.problems) >= MAX_PROBLEMS:
                reader.say("reading stopped here: too much is wrong")
                break
    if not heads_seen:
        reader.say(f"the line {head} that the log had before is gone: its end was cut or rewritten")
    return Report(reader.number, reader.head, tuple(reader.problems))


@dataclass(slots=True)
class _Reader:
    keyring: Keyring
    number: int = 0
    seq: int = 0
    head: str = FIRST
    broken: bool = False
    """Whether the line before could not be read, so that nobody knows its digest."""
    records: dict[str, str] = field(default_factory=dict)
    events: set[tuple[str, str]] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)

    def say(self, message: str) -> None:
        self.problems.append(Problem(self.number, message))

    def read(self, data: bytes) -> None:
        self.number += 1
        if not data.endswith(b"\n"):
            self.say("it has no end: a torn write, or bytes were cut off")
        try:
            line = decode(data.removesuffix(b"\n"))
        except ValueError as error:
            self.say(str(error))
            self.seq, self.broken = self.seq + 1, True
            return
        self._place(line)
        self._record(line.entry)

    def _place(self, line: Line) -> None:
        if line.seq != self.seq:
            self.say(f"it is number {line.seq}, expected {self.seq}: lines were moved or removed")
        if line.prev != self.head and not self.broken:
            self.say(f"it follows the line {line.prev}, the line before it is {self.head}")
        self.seq, self.head, self.broken = line.seq + 1, line.digest, False

    def _record(self, entry: Entry) -> None:
        about = f"{entry.kind} {entry.namespace}/{entry.name}"
        if (entry.uid, entry.event) in self.events:
            self.say(f"{entry.event} of {about} is there twice")
        self.events.add((entry.uid, entry.event))
        if entry.event == "Created":
            self._created(entry, about)
        elif self.records.get(entry.uid) != entry.record_digest:
            self.say(f"{entry.event} of {about} belongs to no record before it")
        elif not self._part_valid(entry):
            self.say(f"the signature of {entry.event} of {about} does not hold")

    def _created(self, entry: Entry, about: str) -> None:
        self.records[entry.uid] = entry.record_digest
        if not self.keyring.valid(entry.kind, entry.record):
            self.say(f"the signature of {about} does not hold, or no known key made it")
        if not in_place(entry.kind, entry.namespace, entry.name, entry.record):
            self.say(f"what was signed as another record is shown as {about}")
        if record_digest(entry.kind, entry.record) != entry.record_digest:
            self.say(f"the digest given for {about} is not that of the record")

    def _part_valid(self, entry: Entry) -> bool:
        check = {"End": self.keyring.valid_end, "Healthy": self.keyring.valid_healthy}
        return check[entry.event](entry.record_digest, entry.record)
