"""Runs the compiled sample agent as a process of its own, the way a pod would tell it to."""

import contextlib
import http.client
import json
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from interlock_sandbox.agentimage import program
from interlock_sandbox.process import free_port

REVISION = "press-scheduler-9f3c51b6e0"
POD = f"{REVISION}-7d4b9c-x2x5q"
_PATIENCE = 10.0


def until(holds: Callable[[], bool]) -> bool:
    """Whether something became so, looking again and again."""
    deadline = time.monotonic() + _PATIENCE
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


@dataclass(frozen=True, slots=True)
class Running:
    """One agent; its log goes to a file."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    def connect(self) -> http.client.HTTPConnection:
        """A connection of its own, which stays open between requests."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=_PATIENCE)

    def ask(self, path: str, body: object = None) -> tuple[int, bytes]:
        """One answer on a new connection."""
        with contextlib.closing(self.connect()) as connection:
            method = "GET" if body is None else "POST"
            connection.request(method, path, None if body is None else json.dumps(body))
            answer = connection.getresponse()
            return answer.status, answer.read()

    def tell(self, fault: str) -> int:
        """Change how it behaves."""
        return self.ask("/control", {"fault": fault})[0]

    def metrics(self) -> dict[tuple[str, ...], float]:
        """All series by name and label values."""
        text = self.ask("/metrics")[1].decode()
        samples = (one for family in text_string_to_metric_families(text) for one in family.samples)
        return {(one.name, *one.labels.values()): one.value for one in samples}

    def lines(self) -> list[dict[str, Any]]:
        """What it logged, without a line that is being written."""
        return [json.loads(line) for line in self.log.read_text().splitlines(True) if line[-1:]]

    def says(self, message: str) -> bool:
        """Whether it logged this."""
        return any(line["msg"] == message for line in self.lines())


@contextmanager
def agent(folder: Path, **environment: str) -> Iterator[Running]:
    """An agent with this environment alone, once it serves or has ended; killed afterwards."""
    port = free_port()
    told = {"PORT": str(port), "POD_NAME": POD, "LINGER": "0s", "MODELS": str(folder / "none")}
    log = folder / f"agent-{port}.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [str(program())], env=told | environment, stdout=out, stderr=subprocess.STDOUT
        )
    running = Running(process, port, log)
    try:
        assert until(lambda: running.says("serving") or process.poll() is not None)
        yield running
    finally:
        process.kill()
        process.wait()
