"""Constant load on one HTTP address, and a ledger of what became of each request.

Three kinds of clients, since a moved pointer means something else to each: new connections, a
connection that is kept and asked again and again, and a stream that never ends by itself.
"""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

RATE = 200.0
"""New connections a second; a client's ports last for 28,000 in a minute."""
PACE = 0.05
"""Seconds between two requests of a kept connection."""
PATIENCE = 10.0
"""Seconds after which an answer that did not come is a failure."""
ENOUGH = 64 * 1024
"""Bytes of an answer that are read at most."""

END = b"0\r\n"
"""The last chunk of a stream that was ended in good order."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One request on a connection of its own; times are this machine's, as in records."""

    sent: float
    ended: float
    revision: str = ""
    """Who answered; empty where nobody did."""
    status: int = 0
    error: str = ""

    @property
    def lost(self) -> bool:
        """Whether it got no answer at all. One that says 500 is an answer."""
        return bool(self.error)


@dataclass(slots=True)
class Held:
    """One connection that is kept open, or one stream."""

    opened: float
    revision: str = ""
    answers: int = 0
    closed: float | None = None
    error: str = ""
    """How it ended, where it ended in the middle of something."""


@dataclass
class Load:
    """What all clients met so far. Any thread may read it."""

    host: str
    port: int
    answers: list[Answer] = field(default_factory=list)
    kept: list[Held] = field(default_factory=list)
    streams: list[Held] = field(default_factory=list)

    @property
    def lost(self) -> list[Answer]:
        """Requests on new connections that nobody answered."""
        return [answer for answer in list(self.answers) if answer.lost]

    def revisions(self) -> list[str]:
        """Who answered new connections, by the moment of sending, each run of answers once."""
        found: list[str] = []
        for answer in sorted(self.answers, key=lambda one: one.sent):
            if answer.revision and answer.revision not in found[-1:]:
                found.append(answer.revision)
        return found

    def last_from(self, revision: str) -> float:
        """When the last answer of a revision to a new connection had come."""
        return max(answer.ended for answer in list(self.answers) if answer.revision == revision)

    def answered_by(self, revision: str, since: float = 0.0) -> int:
        """How many requests sent since then were answered by this revision."""
        return sum(one.revision == revision for one in list(self.answers) if one.sent >= since)

    def open_to(self, revision: str) -> int:
        """How many kept connections and streams still lead to a revision."""
        held = [*self.kept, *self.streams]
        return sum(one.revision == revision and one.closed is None for one in held)

    def left(self, revision: str) -> list[float]:
        """When kept connections and streams to a revision ended, those that have."""
        held = [*self.kept, *self.streams]
        return [one.closed for one in held if one.revision == revision and one.closed is not None]


@contextmanager
def load(
    host: str, port: int, rate: float = RATE, kept: int = 4, streams: int = 4
) -> Iterator[Load]:
    """Clients of an address for the duration of the block, in a thread of their own."""
    ledger, loop, stop = Load(host, port), asyncio.new_event_loop(), threading.Event()
    clients = _Clients(ledger, stop)
    work = [clients.fresh(rate)]
    work += [clients.again_and_again(clients.keep) for _ in range(kept)]
    work += [clients.again_and_again(clients.follow) for _ in range(streams)]
    thread = threading.Thread(target=loop.run_until_complete, args=(_all(work, stop),), daemon=True)
    thread.start()
    try:
        yield ledger
    finally:
        stop.set()
        thread.join(2 * PATIENCE)
        loop.close()


async def _all(work: list[Coroutine[Any, Any, None]], stop: threading.Event) -> None:
    tasks = [asyncio.create_task(one) for one in work]
    while not stop.is_set():
        await asyncio.sleep(PACE)
    await tasks[0]  # requests that were sent are waited for: they count
    for task in tasks[1:]:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@dataclass(frozen=True, slots=True)
class _Clients:
    ledger: Load
    stop: threading.Event

    async def fresh(self, rate: float) -> None:
        """A new connection for each request, at a constant pace whatever became of the others."""
        under_way: set[asyncio.Task[None]] = set()
        due = time.monotonic()
        while not self.stop.is_set():
            task = asyncio.create_task(self._one())
            under_way.add(task)
            task.add_done_callback(under_way.discard)
            due = max(due + 1 / rate, time.monotonic() - 1)  # a stall is not made up for at once
            await asyncio.sleep(due - time.monotonic())
        await asyncio.gather(*under_way)

    async def _one(self) -> None:
        sent = time.time()
        try:
            async with asyncio.timeout(PATIENCE):
                status, body = await self._ask_once()
            answer = Answer(sent, time.time(), _revision(body), status)
        except (OSError, EOFError, ValueError) as error:
            answer = Answer(sent, time.time(), error=f"{type(error).__name__}: {error}")
        self.ledger.answers.append(answer)

    async def _ask_once(self) -> tuple[int, bytes]:
        reader, writer = await asyncio.open_connection(self.ledger.host, self.ledger.port)
        try:
            writer.write(_request("/", "close"))
            return _parsed(await _whole(reader))
        finally:
            await _close(writer)

    async def again_and_again(self, client: Callable[[Held], Coroutine[Any, Any, None]]) -> None:
        """Have one client of a kind, and another one when its connection has ended."""
        while not self.stop.is_set():
            one = Held(time.time())
            try:
                await client(one)
            except (OSError, EOFError, ValueError) as error:
                one.error = f"{type(error).__name__}: {error}"
            one.closed = time.time()
            await asyncio.sleep(PACE)

    async def keep(self, one: Held) -> None:
        """Ask again and again over one connection, until the other side ends it."""
        reader, writer = await asyncio.open_connection(self.ledger.host, self.ledger.port)
        try:
            while not reader.at_eof():
                writer.write(_request("/", "keep-alive"))
                async with asyncio.timeout(PATIENCE):
                    last, body = await _framed(reader)
                self._seen(self.ledger.kept, one, _revision(body))
                if last:
                    return
                await asyncio.sleep(PACE)
        finally:
            await _close(writer)

    async def follow(self, one: Held) -> None:
        """Read one stream line by line, until it ends."""
        reader, writer = await asyncio.open_connection(self.ledger.host, self.ledger.port)
        try:
            writer.write(_request("/stream", "keep-alive"))
            while True:
                async with asyncio.timeout(PATIENCE):
                    line = await reader.readline()
                if line in (b"", END):
                    return
                if line.startswith(b"{"):
                    self._seen(self.ledger.streams, one, _revision(line))
        finally:
            await _close(writer)

    @staticmethod
    def _seen(held: list[Held], one: Held, revision: str) -> None:
        one.revision = revision or one.revision
        one.answers += 1
        if one.answers == 1:
            held.append(one)


def _request(path: str, connection: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: agent\r\nConnection: {connection}\r\n\r\n".encode()


async def _whole(reader: asyncio.StreamReader) -> bytes:
    data = b""
    while part := await reader.read(ENOUGH):
        data += part
        if len(data) > ENOUGH:
            raise ValueError("the answer is too long")
    return data


def _parsed(data: bytes) -> tuple[int, bytes]:
    head, found, body = data.partition(b"\r\n\r\n")
    if not found:
        raise EOFError(f"closed after {len(data)} bytes, before the end of the headers")
    if len(body) < _length(head):
        raise EOFError("closed in the middle of the answer")
    return int(head.split(maxsplit=2)[1]), body


async def _framed(reader: asyncio.StreamReader) -> tuple[bool, bytes]:
    """One answer of a kept connection, and whether it is the last one."""
    head = await reader.readuntil(b"\r\n\r\n")
    return b"connection: close" in head.lower(), await reader.readexactly(_length(head))


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            return int(value)
    return 0


def _revision(body: bytes) -> str:
    with suppress(ValueError, AttributeError):
        return str(json.loads(body).get("revision", ""))
    return ""


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
