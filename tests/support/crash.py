"""Controllers that are killed at a chosen write, as many as a test likes and each in a moment.

Run as a program it imports everything once and then forks a controller for each line of its
input: `{"only": [...], "write": n, "when": "before" | "after"}` sends SIGKILL to itself before or
after the n-th request that changes something and whose path holds one of `only`; 0 is never. For
each line it prints the child's pid, and when the child has ended how many such writes it made.
"""

import argparse
import asyncio
import json
import os
import select
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from interlock.cluster.client import Client
from interlock.cluster.lease import LeaseTimes
from interlock.handlers.controller import run
from support.engine import TESTS, WAIT, Engine, environment
from support.run_controller import log_plainly, options

PATIENT = LeaseTimes(duration=0.3, renew=0.2, deadline=30.0)
"""Nobody competes here, so a dead holder is given up at once and a slow one never."""
READS = frozenset({"GET"})


@dataclass(frozen=True, slots=True)
class Kill:
    """Which write a controller does not survive."""

    only: tuple[str, ...]
    write: int
    when: str


class Crasher:
    """Forks controllers, one at a time, each acting until it dies."""

    def __init__(self, engine: Engine) -> None:
        command = [sys.executable, "-m", "support.crash", f"--log={engine.log('crash')}"]
        command += [f"--config={engine.home / 'config.json'}", f"--kubeconfig={engine.kubeconfig}"]
        self._process = subprocess.Popen(
            command,
            cwd=TESTS,
            env=environment(),
            text=True,
            bufsize=1,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._pid = 0

    def start(self, kill: Kill | None = None) -> None:
        """Start a controller that will be killed at a write, or not at all."""
        wish = kill or Kill((), 0, "before")
        assert self._process.stdin
        self._process.stdin.write(
            json.dumps({"only": wish.only, "write": wish.write, "when": wish.when}) + "\n"
        )
        self._pid = int(self._line(WAIT) or 0)

    def died(self, seconds: float) -> bool:
        """Wait so long for the controller to die by itself; say whether it did."""
        if self._line(seconds) is None:
            return False
        self._pid = 0
        return True

    def kill(self) -> None:
        """Kill the controller that runs, if one does."""
        if self._pid:
            os.kill(self._pid, signal.SIGKILL)
            assert self.died(WAIT)

    def close(self) -> None:
        """End everything."""
        self.kill()
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(WAIT)
        assert self._process.stdout
        self._process.stdout.close()

    def _line(self, seconds: float) -> str | None:
        stream = self._process.stdout
        assert stream
        if not select.select([stream], [], [], seconds)[0]:
            return None
        line = stream.readline()
        assert line, "the crasher ended; see its log"
        return line.strip()


def _arm(only: list[str], write: int, when: str) -> None:
    original = Client._request
    made = 0

    async def counted(self: Client, method: str, path: str, **rest: Any) -> dict[str, Any]:
        nonlocal made
        dry = "dryRun" in (rest.get("query") or {})
        if method in READS or dry or not any(part in path for part in only):
            return await original(self, method, path, **rest)
        made += 1
        mine = made
        if mine == write and when == "before":
            _die(method, path, when)
        answer = await original(self, method, path, **rest)
        if mine == write and when == "after":
            _die(method, path, when)
        return answer

    Client._request = counted  # type: ignore[method-assign]


def _die(method: str, path: str, when: str) -> None:
    print(f"killed {when} {method} {path}", file=sys.stderr, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--kubeconfig", type=Path, required=True)
    parser.add_argument("--log", type=Path, required=True)
    given = parser.parse_args()
    with given.log.open("ab") as log:
        os.dup2(log.fileno(), sys.stderr.fileno())
    log_plainly()
    for line in sys.stdin:
        wish = json.loads(line)
        child = os.fork()
        if not child:
            _arm(**wish)
            asyncio.run(run(options(given.config, given.kubeconfig, PATIENT)))
            os._exit(0)
        print(child, flush=True)
        _, how = os.waitpid(child, 0)
        print(how, flush=True)


if __name__ == "__main__":
    _main()
