"""Controllers that are killed at a chosen write, each responsible for one agent alone.

Run as a program it imports everything once and then forks a controller for each line of its
input, a `Wish` as JSON: SIGKILL before or after the n-th request that changes something of the
agent; 0 is never. Each sees its own agent only and holds a Lease of its own, so that many cases
share one API server. Each counted write adds a byte to a file, which outlives the controller.
"""

import argparse
import asyncio
import gc
import json
import os
import re
import select
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import aiohttp

from interlock.cluster.client import Client
from interlock.cluster.lease import LeaseTimes
from interlock.handlers import controller, preflight
from support.engine import TESTS, WAIT, Agent, Engine, environment
from support.run_controller import log_plainly, options

PATIENT = LeaseTimes(duration=0.3, renew=0.2, deadline=30.0)
"""Nobody competes here, so a dead holder is given up at once and a slow one never."""
REAP = 0.02
"""Seconds between two looks for children that died."""
READS = frozenset({"GET"})
TEAM_KINDS = "agentdeployments|agentrollbacks|agentquarantines|agentreleases|agentbreakglasses"
HOME_KINDS = "services|pods|deployments|agentrevisions|gatedecisions|agenttransitions"
HOME_KINDS += "|agentadmissions"
_LISTED = re.compile(
    r"(/api/v1|/apis/apps/v1|/apis/interlock\.dev/v1alpha1)"
    rf"/(?:(?P<team>{TEAM_KINDS})|(?P<home>{HOME_KINDS})|(?P<spaces>namespaces))(?P<rest>\?|$)"
)


@dataclass(frozen=True, slots=True)
class Kill:
    """Which write a controller does not survive; only those whose `METHOD path` fits count."""

    write: int = 0
    when: str = "before"
    fits: str = ""


@dataclass(frozen=True, slots=True)
class Wish:
    """One controller: whose it is, how it reaches the API server, when it dies."""

    team: str
    home: str
    kubeconfig: str
    count: str
    kill: Kill


class Forge:
    """The process that forks controllers: what takes long to import is imported once."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        command = [sys.executable, "-m", "support.crash", f"--log={engine.log('crash')}"]
        command += [f"--config={engine.home / 'config.json'}"]
        self._process = subprocess.Popen(
            command,
            cwd=TESTS,
            env=environment(),
            text=True,
            bufsize=1,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._told: dict[int, SimpleQueue[int]] = {}
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def crasher(self) -> "Crasher":
        """One more place for a controller."""
        number = len(self._told)
        self._told[number] = SimpleQueue()
        return Crasher(self, number, self._told[number])

    def ask(self, number: int, wish: "Wish") -> None:
        """Have a controller forked."""
        assert self._process.stdin
        self._process.stdin.write(json.dumps([number, asdict(wish)]) + "\n")

    def close(self) -> None:
        """End the process; no controller runs any more."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait(2 * WAIT)
        self._reader.join(WAIT)
        self._process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            number, pid = map(int, line.split())
            self._told[number].put(pid)


class Crasher:
    """Has controllers forked, one at a time, each acting until it dies."""

    def __init__(self, forge: Forge, number: int, told: "SimpleQueue[int]") -> None:
        self._forge, self._number, self._told = forge, number, told
        self.pid = 0

    def start(self, agent: Agent, kill: Kill | None = None, kubeconfig: Path | None = None) -> None:
        """Start an agent's controller that will be killed at a write, or not at all."""
        self.count(agent).write_bytes(b"")
        reached = kubeconfig or self._forge.engine.kubeconfig
        count = str(self.count(agent))
        wish = Wish(agent.team, agent.home, str(reached), count, kill or Kill())
        self._forge.ask(self._number, wish)
        self.pid = self._told.get(timeout=2 * WAIT)

    def count(self, agent: Agent) -> Path:
        """The file with a byte for each write of the agent's last controller."""
        return self._forge.engine.home / f"{agent.home}.writes"

    def died(self, seconds: float) -> bool:
        """Wait so long for the controller to die by itself; say whether it did."""
        try:
            self._told.get(timeout=seconds)
        except Empty:
            return False
        self.pid = 0
        return True

    def kill(self) -> None:
        """Kill the controller that runs, if one does."""
        if self.pid:
            with suppress(ProcessLookupError):  # it died this very moment
                os.kill(self.pid, signal.SIGKILL)
            assert self.died(WAIT)


def narrowed(url: str, team: str, home: str) -> str:
    """Return the URL of a list or watch, cut down to what concerns one agent."""
    found = _LISTED.search(url)
    if found is None:
        return url
    path, rest = url[: found.start()] + found[1], url[found.end() - len(found["rest"]) :]
    if found["spaces"]:
        query = rest.removeprefix("?")
        return f"{path}/namespaces?fieldSelector=metadata.name%3D{home}" + (query and f"&{query}")
    kind = found["team"] or found["home"]
    return f"{path}/namespaces/{team if found['team'] else home}/{kind}{rest}"


def _narrow(team: str, home: str) -> None:
    """Let this process see one agent, under a Lease of its own."""
    original = aiohttp.ClientSession._request

    async def request(self: aiohttp.ClientSession, method: str, url: Any, **rest: Any) -> Any:
        wide = str(url)
        url = narrowed(wide, team, home) if method.upper() == "GET" else wide
        return await original(self, method, url, **rest)

    async def ready(_: Client) -> list[str]:
        return []

    aiohttp.ClientSession._request = request  # type: ignore[method-assign]
    controller.LEASE_NAME = f"interlock-{team}"
    preflight.check = preflight.obstacles = ready  # type: ignore[assignment]


def _arm(wish: Wish) -> None:
    original = Client._request
    file = os.open(wish.count, os.O_WRONLY | os.O_APPEND)
    kill, made = wish.kill, 0

    async def counted(self: Client, method: str, path: str, **rest: Any) -> dict[str, Any]:
        nonlocal made
        dry = "dryRun" in (rest.get("query") or {})
        theirs = wish.home in path or f"/namespaces/{wish.team}/" in path
        counts = re.search(kill.fits, f"{method} {path}")
        if method in READS or dry or not theirs or not counts:
            return await original(self, method, path, **rest)
        made += 1
        mine = made
        os.write(file, b".")
        if mine == kill.write and kill.when == "before":
            _die(method, path, kill.when)
        answer = await original(self, method, path, **rest)
        if mine == kill.write and kill.when == "after":
            _die(method, path, kill.when)
        return answer

    Client._request = counted  # type: ignore[method-assign]


def _die(method: str, path: str, when: str) -> None:
    print(f"killed {when} {method} {path}", file=sys.stderr, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)


def _run(wish: Wish, config: Path) -> None:
    _narrow(wish.team, wish.home)
    _arm(wish)
    asyncio.run(controller.run(options(config, Path(wish.kubeconfig), PATIENT)))


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--log", type=Path, required=True)
    given = parser.parse_args()
    with given.log.open("ab") as log:
        os.dup2(log.fileno(), sys.stderr.fileno())
    log_plainly()
    gc.freeze()
    children: dict[int, int] = {}
    waiting = b""
    while True:
        if select.select([0], [], [], REAP)[0]:
            data = os.read(0, 65536)
            if not data:
                return
            *lines, waiting = (waiting + data).split(b"\n")
            for line in lines:
                number, wish = json.loads(line)
                children[_fork(wish, given.config)] = number
                print(number, list(children)[-1], flush=True)
        _reap(children)


def _fork(wish: dict[str, Any], config: Path) -> int:
    child = os.fork()
    if not child:
        _run(Wish(**wish | {"kill": Kill(**wish["kill"])}), config)
        os._exit(0)
    return child


def _reap(children: dict[int, int]) -> None:
    while children:
        pid, _ = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        print(children.pop(pid), 0, flush=True)


if __name__ == "__main__":
    _main()
