"""How long a rollback takes: from creating an AgentRollback to the changed Service selector.

Everything is real but the node and the verifier: etcd, API server with Interlock's policies in
force, controller manager, scheduler, and the controller as its own process with its own account.
The pods are kwok's. The clock starts just before the request is sent and stops when a watch on
Services delivers the changed selector, so it holds everything that an SRE would wait for.
"""

import argparse
import http.client
import json
import math
import os
import platform
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))  # the verifier's double lives there

from interlock.api import names
from interlock_sandbox.install import install
from interlock_sandbox.sandbox import Sandbox
from support.controller import TEAMS
from support.engine import Engine, Pair, pairs, until
from support.kube import OURS, Api

MEASURE = "AgentRollback created to Service selector changed"
BUDGET = {"p50": 20.0, "p99": 75.0}
"""Milliseconds."""
POLICY = "the benchmark's own: no gates that need people, bake 1 s, recheck 1 s, verifier's double"
LONGEST = 30.0
"""Seconds after which a rollback is called lost."""


class Pointers:
    """Where each agent's Service points, as a watch tells it, and when it was told."""

    def __init__(self, api: Api) -> None:
        self._seen: dict[str, tuple[str, float]] = {}
        self._news = threading.Condition()
        self._response = self._open(api)
        threading.Thread(target=self._read, daemon=True).start()

    def moved(self, home: str, to: str) -> float:
        """Wait until the pointer of a namespace names `to`; return when that was told."""
        deadline = time.monotonic() + LONGEST
        with self._news:
            while self._seen.get(home, ("", 0.0))[0] != to:
                if not self._news.wait(deadline - time.monotonic()):
                    raise TimeoutError(f"the pointer of {home} does not name {to}")
            return self._seen[home][1]

    def _open(self, api: Api) -> http.client.HTTPResponse:
        self._connection = http.client.HTTPSConnection(api.host, context=api.context)
        query = f"watch=true&fieldSelector=metadata.name%3D{names.POINTER_SERVICE}"
        self._connection.request("GET", f"/api/v1/services?{query}", headers=dict(api.headers))
        return self._connection.getresponse()

    def _read(self) -> None:
        while line := self._response.readline():
            now = time.perf_counter()
            service = json.loads(line)["object"]
            selector = (service.get("spec") or {}).get("selector") or {}
            with self._news:
                place = service["metadata"].get("namespace", "")
                self._seen[place] = (selector.get(names.LABEL_REVISION, ""), now)
                self._news.notify_all()


class Requests:
    """Creates requests over one open connection, as a client in a loop would."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._connection = http.client.HTTPSConnection(api.host, context=api.context)

    def create(self, pair: Pair, kind: str, name: str, **spec: Any) -> float:
        """Create a request; return when it was sent."""
        agent = pair.agent
        body = {
            "apiVersion": names.API_VERSION,
            "kind": kind,
            "metadata": {"name": name, "namespace": agent.team},
            "spec": {"agent": agent.name, "reason": "benchmark"} | spec,
        }
        path = f"{OURS}/namespaces/{agent.team}/{kind.lower()}s"
        headers = {"Content-Type": "application/json"} | dict(self._api.headers)
        data = json.dumps(body)
        sent = time.perf_counter()
        self._connection.request("POST", path, data, headers)
        response = self._connection.getresponse()
        answer = response.read()
        if response.status != http.client.CREATED:
            raise RuntimeError(f"{kind} was refused: {answer[:300].decode(errors='replace')}")
        return sent


@dataclass(frozen=True, slots=True)
class Row:
    """The times of all runs at one number of agents, in milliseconds."""

    agents: int
    times: Sequence[float]

    def at(self, share: float) -> float:
        """The time that this share of the runs did not exceed (nearest rank)."""
        ordered = sorted(self.times)
        return ordered[max(0, math.ceil(share * len(ordered)) - 1)]

    def as_json(self) -> dict[str, Any]:
        """The row as all benchmarks print it."""
        return {
            "measure": f"{MEASURE}, {self.agents} agents",
            "n": len(self.times),
            "unit": "ms",
            "p50": round(self.at(0.5), 1),
            "p99": round(self.at(0.99), 1),
            "max": round(self.at(1.0), 1),
        }


def measure(agents: int, runs: int) -> Row:
    """Roll back `runs` times, one after the other, among so many agents."""
    with Sandbox(("kubernetes",)) as sandbox, tempfile.TemporaryDirectory() as home:
        install(sandbox.kubeconfig)
        with Engine.prepare(sandbox, Path(home)).acting() as engine:
            started = time.monotonic()
            ready = pairs(engine, TEAMS[:agents], seconds=60 + 3 * agents)
            say(f"{agents} agents with two healthy revisions after {_since(started)}")
            started = time.monotonic()
            row = Row(agents, _roll_back(engine, ready, runs))
            say(f"{runs} rollbacks at {agents} agents after {_since(started)}")
            return row


def _roll_back(engine: Engine, ready: Sequence[Pair], runs: int) -> list[float]:
    pointers, requests = Pointers(engine.api), Requests(engine.api)
    times = []
    for run in range(runs):
        pair = ready[run % len(ready)]
        agent = pair.agent
        pointers.moved(agent.home, agent.revision(pair.new))
        until(agent.status, lambda status: status["rollback"] == "warm", "a warm target")
        sent = requests.create(pair, "AgentRollback", f"back-{run}", expect=pair.new)
        moved = pointers.moved(agent.home, agent.revision(pair.old))
        times.append((moved - sent) * 1000)
        until(agent.status, lambda status: status["gate"] == "Held", "the hold")
        if run + len(ready) < runs:  # its turn comes again
            requests.create(pair, "AgentRelease", f"free-{run}", digest=pair.new)
    return times


def say(text: str) -> None:
    """Tell a person how far it is."""
    print(f"  {text}", file=sys.stderr, flush=True)


def machine() -> str:
    """What it ran on, and how busy that was."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(":")[2].strip() for line in lines if "model name" in line), "")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    load = os.getloadavg()[0]
    name = model or platform.machine()
    return f"{name}, {os.cpu_count()} CPUs, {memory:.0f} GiB, load {load:.1f}"


def versions() -> dict[str, str]:
    """What ran."""
    python = platform.python_version()
    return {"interlock": version("interlock"), "python": python, "kopf": version("kopf")}


def _since(started: float) -> str:
    return f"{time.monotonic() - started:.0f} s"


def _table(rows: Sequence[Row]) -> None:
    print(f"{MEASURE}\n{machine()}\npolicy: {POLICY}\n")
    print(f"{'agents':>8}{'runs':>8}{'p50 ms':>10}{'p99 ms':>10}{'max ms':>10}")
    for row in rows:
        shown = row.as_json()
        print(
            f"{row.agents:>8}{shown['n']:>8}"
            f"{shown['p50']:>10.1f}{shown['p99']:>10.1f}{shown['max']:>10.1f}"
        )
    print(f"{'budget':>8}{'':>8}{BUDGET['p50']:>10.1f}{BUDGET['p99']:>10.1f}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--agents", default="1,200", help="numbers of agents, default 1,200")
    parser.add_argument("--runs", type=int, default=200, help="rollbacks at each, default 200")
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")
    given = parser.parse_args()
    rows = [measure(int(count), given.runs) for count in given.agents.split(",")]
    _table(rows)
    if given.json:
        found = [row.as_json() for row in rows]
        about = {"name": "rollback", "machine": machine(), "versions": versions()}
        print(json.dumps(about | {"rows": found}))


if __name__ == "__main__":
    main()
