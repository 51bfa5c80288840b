"""Constant traffic through a cluster address, and who answered: what a caller sees of a rollout.

Each request is a connection of its own, as a new caller's; one more connection streams all the
time and begins anew when it is ended. Clocks are those of this machine, as are the records'.
"""

import http.client
import json
import threading
import time
from collections import Counter
from contextlib import closing, suppress
from dataclasses import dataclass

PACE = 0.05  # seconds from one request to the next
_PATIENCE = 5.0  # seconds for an answer, and between two lines of a stream
_PAUSE = 0.1  # seconds before a stream begins anew
_LINE = 4096


@dataclass(frozen=True, slots=True)
class Answer:
    """One request: who answered, or why nobody did."""

    at: float
    revision: str
    error: str = ""


@dataclass(slots=True)
class Stream:
    """One streaming connection, from its first line to the last that came."""

    revision: str
    first: float
    last: float


class Load:
    """Two threads; requests count from the first answer on."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._answers: list[Answer] = []
        self._streams: list[Stream] = []
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=work, daemon=True) for work in (self._request, self._stream)
        ]

    def start(self) -> None:
        """Begin to ask."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End, with the request that is under way."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def newest(self) -> str:
        """The revision that answered last; empty where nobody did."""
        return self._answers[-1].revision if self._answers else ""

    def streaming(self) -> str:
        """The revision whose stream was opened last; it may have ended."""
        return self._streams[-1].revision if self._streams else ""

    def answered(self, since: float) -> Counter[str]:
        """How many requests each revision answered since a moment."""
        return Counter(one.revision for one in self._since(since) if one.revision)

    def lost(self, since: float) -> list[Answer]:
        """The requests since a moment that nobody answered."""
        return [one for one in self._since(since) if not one.revision]

    def last_answer(self, revision: str, after: float, before: float) -> float | None:
        """When a revision answered a request for the last time between two moments."""
        times = [one.at for one in self._answers if one.revision == revision]
        return max((at for at in times if after <= at < before), default=None)

    def last_line(self, revision: str, after: float) -> float | None:
        """When the stream that a revision had open at a moment brought its last line."""
        streams = [one for one in self._streams if one.revision == revision]
        return max((one.last for one in streams if one.first < after <= one.last), default=None)

    def _since(self, since: float) -> list[Answer]:
        return [one for one in self._answers if one.at >= since]

    def _request(self) -> None:
        due = time.monotonic()
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            due = max(due, time.monotonic() - PACE) + PACE
            answer = self._ask()
            if answer.revision or self._answers:
                self._answers.append(answer)

    def _ask(self) -> Answer:
        try:
            body = get(self._address)
        except (OSError, http.client.HTTPException) as error:
            return Answer(time.time(), "", f"{type(error).__name__}: {error}")
        return Answer(time.time(), _short(json.loads(body)["revision"]))

    def _stream(self) -> None:
        while not self._stop.wait(_PAUSE):
            connection = http.client.HTTPConnection(self._address, timeout=_PATIENCE)
            # Nobody serves, or it was cut off: what matters of a stream is its last line.
            with closing(connection), suppress(OSError, http.client.HTTPException):
                connection.request("GET", "/stream")
                self._follow(connection.getresponse())

    def _follow(self, response: http.client.HTTPResponse) -> None:
        stream: Stream | None = None
        while not self._stop.is_set() and (line := response.readline(_LINE)):
            now = time.time()
            if stream is None:
                stream = Stream(_short(json.loads(line)["revision"]), now, now)
                self._streams.append(stream)
            stream.last = now


def get(address: str) -> str:
    """What `/` answers, on a connection of its own. Raises OSError, HTTPException."""
    connection = http.client.HTTPConnection(address, timeout=_PATIENCE)
    with closing(connection):
        connection.request("GET", "/", headers={"Connection": "close"})
        response = connection.getresponse()
        body = response.read(_LINE).decode()
        if response.status != http.HTTPStatus.OK:
            raise http.client.HTTPException(f"status {response.status}: {body}")
        return body


def _short(revision: str) -> str:
    """`press-scheduler-8e07dcb862` as people see it: `8e07dcb862`."""
    return revision.rpartition("-")[2]
