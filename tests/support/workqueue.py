"""A real queue over HTTP for agents that act by themselves, with a ledger of who did what when.

Its own monotonic clock is the only one that counts: agents may lie about theirs.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise

MAX_BODY = 4096


@dataclass(frozen=True, slots=True)
class Write:
    """What one agent did with one item; `taken` and `written` are the queue's own times."""

    item: str
    revision: str
    pod: str
    began: str
    ended: str
    taken: float
    written: float


@dataclass
class Queue:
    """The items that were taken and written so far. All methods may be called from any thread."""

    url: str = ""
    supply: int | None = None
    """How many items there are; None is without end."""
    failures: int = 0
    """How many of the next writes are answered with 503, as if the network had broken."""
    _taken: dict[str, float] = field(default_factory=dict)
    _writes: list[Write] = field(default_factory=list)
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def take(self) -> str | None:
        """Hand out the next item, or None if there is none."""
        with self._changed:
            if self.supply is not None and len(self._taken) >= self.supply:
                return None
            item = f"item-{len(self._taken) + 1}"
            self._taken[item] = time.monotonic()
            self._changed.notify_all()
            return item

    def write(self, said: dict[str, str]) -> HTTPStatus:
        """Book what an agent says that it did."""
        with self._changed:
            if self.failures:
                self.failures -= 1
                return HTTPStatus.SERVICE_UNAVAILABLE
            item = said["id"]
            if item not in self._taken or any(each.item == item for each in self._writes):
                return HTTPStatus.CONFLICT
            told = (said["revision"], said["pod"], said["began"], said["ended"])
            write = Write(item, *told, self._taken[item], time.monotonic())
            self._writes.append(write)
            self._changed.notify_all()
            return HTTPStatus.NO_CONTENT

    @property
    def writes(self) -> tuple[Write, ...]:
        """All writes in the order in which they came."""
        with self._changed:
            return tuple(self._writes)

    @property
    def open(self) -> frozenset[str]:
        """The items that were taken and not written."""
        with self._changed:
            return frozenset(self._taken) - {write.item for write in self._writes}

    @property
    def revisions(self) -> tuple[str, ...]:
        """Who wrote, in order, each run of writes by one revision once."""
        names = [write.revision for write in self.writes]
        return tuple(names[:1] + [new for old, new in pairwise(names) if new != old])

    def overlapping(self) -> tuple[tuple[Write, Write], ...]:
        """Pairs of writes by two revisions of which one began before the other had ended."""
        found: list[tuple[Write, Write]] = []
        held: list[Write] = []
        for new in sorted(self.writes, key=lambda write: write.taken):
            held = [old for old in held if old.written > new.taken]
            found += [(old, new) for old in held if old.revision != new.revision]
            held.append(new)
        return tuple(found)

    def interleaved(self) -> bool:
        """Whether a revision wrote again after another one had taken its place."""
        return len(self.revisions) != len(set(self.revisions))

    def wait(self, holds: Callable[["Queue"], bool], seconds: float = 10.0) -> bool:
        """Wait until something is so, looking at each change; whether it came."""
        with self._changed:
            return self._changed.wait_for(lambda: holds(self), seconds)


@contextmanager
def serving(queue: Queue | None = None, host: str = "127.0.0.1") -> Iterator[Queue]:
    """A queue at `queue.url` while the block runs; `host` is an address that the agents reach."""
    queue = queue or Queue()
    server = ThreadingHTTPServer((host, 0), _handler(queue))
    queue.url = f"http://{host}:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield queue
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(queue: Queue) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 30
        disable_nagle_algorithm = True  # else each answer waits for the one before to be seen

        def handle(self) -> None:
            with suppress(ConnectionError):  # an agent that is killed says no goodbye
                super().handle()

        def do_POST(self) -> None:
            size = int(self.headers.get("Content-Length", "0"))
            if size > MAX_BODY:
                self.close_connection = True
                return self._answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            body = self.rfile.read(size)
            if self.path == "/take":
                item = queue.take()
                if item is None:
                    return self._answer(HTTPStatus.NO_CONTENT)
                return self._answer(HTTPStatus.OK, json.dumps({"id": item}).encode())
            if self.path == "/write":
                return self._answer(queue.write(json.loads(body)))
            return self._answer(HTTPStatus.NOT_FOUND)

        def _answer(self, status: HTTPStatus, body: bytes = b"") -> None:
            self.send_response(status)
            if status is not HTTPStatus.NO_CONTENT:
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Tests show what matters."""

    return Handler
