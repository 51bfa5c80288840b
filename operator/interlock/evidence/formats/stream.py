"""Readers that wait for their bytes: a file is looked at while it streams by, never kept whole.

A reader is a generator. It takes bytes of its `Stream` and yields where it must wait for more, so
that one pass over the network feeds the hash and every reader at once, in bounded memory.
"""

from collections.abc import Callable, Generator
from typing import Generic, TypeVar

T = TypeVar("T")
Walk = Generator[None, None, T]
"""A reader under way: it yields where it needs more bytes, and returns what it found."""


class Bad(Exception):
    """The bytes are not what they claim to be; the message says why, for a sentence."""


class Limit(Bad):
    """A limit of ours ended the reading; the bytes may go on as they began."""


ENDS = "it ends in the middle"


class Stream:
    """The bytes of one file, in the pieces that a reader asks for."""

    __slots__ = ("_base", "_have", "_parts", "at", "data", "ended", "wanted")

    def __init__(self) -> None:
        self.data = b""
        """What is at hand; a fast reader may look at it directly and move `at`."""
        self.at = 0
        self.ended = False
        self.wanted = 0
        """How many bytes the reader waits for."""
        self._base = 0
        self._parts: list[bytes] = []
        self._have = 0

    @property
    def left(self) -> int:
        """How many bytes are at hand."""
        return len(self.data) - self.at

    @property
    def offset(self) -> int:
        """How many bytes were taken since the file's start."""
        return self._base + self.at

    def add(self, chunk: bytes) -> bool:
        """Take more of the file; return whether the reader's wish is met."""
        self._parts.append(chunk)
        self._have += len(chunk)
        if self.left + self._have < self.wanted:
            return False
        self._join()
        return True

    def end(self) -> None:
        """Say that the file has ended."""
        self._join()
        self.ended = True

    def want(self, size: int) -> Walk[int]:
        """Wait for so many bytes; return how many are at hand, fewer only at the file's end."""
        while self.left < size and not self.ended:
            self.wanted = size
            yield
        self.wanted = 0
        return self.left

    def exactly(self, size: int) -> Walk[bytes]:
        """Take so many bytes. Raises Bad where the file has fewer."""
        if self.left < size and (yield from self.want(size)) < size:
            raise Bad(ENDS)
        found = self.data[self.at : self.at + size]
        self.at += size
        return found

    def taken(self, size: int) -> bytes:
        """Take so many bytes of those at hand. Raises Bad where the file has fewer."""
        found = self.data[self.at : self.at + size]
        if len(found) < size:
            raise Bad(ENDS)
        self.at += size
        return found

    def some(self, limit: int) -> Walk[bytes]:
        """Take at least one byte and at most `limit`; none at the file's end."""
        if not self.left:
            yield from self.want(1)
        found = self.data[self.at : self.at + limit]
        self.at += len(found)
        return found

    def skip(self, size: int) -> Walk[None]:
        """Pass so many bytes by. Raises Bad where the file has fewer."""
        while size:
            if not self.left and not (yield from self.want(1)):
                raise Bad(ENDS)
            step = min(size, self.left)
            self.at += step
            size -= step

    def _join(self) -> None:
        self._parts.insert(0, self.data[self.at :])
        self._base += self.at
        self.data, self.at = b"".join(self._parts), 0
        self._parts.clear()
        self._have = 0


class Reading(Generic[T]):
    """A reader with its stream: it goes on whenever its bytes have come."""

    def __init__(self, walk: Callable[[Stream], Walk[T]]) -> None:
        self.result: T | None = None
        self.fault: str | None = None
        self.done = False
        self._stream = Stream()
        self._walk = walk(self._stream)

    def push(self, chunk: bytes) -> None:
        """Give it more bytes; they are dropped once it is done."""
        if not self.done and self._stream.add(chunk):
            self._go()

    def end(self) -> T | None:
        """Say that the file has ended; return what was found, None where `fault` says why not."""
        if not self.done:
            self._stream.end()
            self._go()
        return self.result

    def _go(self) -> None:
        try:
            next(self._walk)
        except StopIteration as end:
            self._finish(end.value, None)
        except Bad as bad:
            self._finish(None, str(bad))
        except Exception as error:  # whatever a reader did not think of is the file's fault
            self._finish(None, f"it cannot be read ({type(error).__name__})")

    def _finish(self, result: T | None, fault: str | None) -> None:
        self.result, self.fault, self.done = result, fault, True
        self._stream = Stream()
