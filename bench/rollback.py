"""How long a rollback takes: AgentRollback created → the Service names the older revision.

A real API server, a real controller process with its own account's rights, kwok pods, admission
policies in force. The clock starts before the request is sent and stops when a watch delivers the
Service with the changed selector. The policy of this benchmark has no gates and a bake of one
second; the verifier answers from memory, since a rollback never asks it.
"""

import http.client
import json
import os
import platform
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from interlock.api import names
from interlock_sandbox.install import install
from interlock_sandbox.sandbox import Sandbox
from support.controller import TEAMS
from support.engine import Engine, Pair, pairs, until
from support.kube import Api

WATCH_SECONDS = 3600
WAIT = 120.0


class Pointers:
    """What a watch said last of each agent's Service, and when."""

    def __init__(self, api: Api) -> None:
        self._seen: dict[str, tuple[str, float]] = {}
        self._changed = threading.Condition()
        self._connection = http.client.HTTPSConnection(api.host, context=api.context)
        path = f"/api/v1/services?watch=1&timeoutSeconds={WATCH_SECONDS}"
        self._connection.request("GET", path, headers=dict(api.headers))
        threading.Thread(target=self._read, daemon=True).start()

    def when(self, namespace: str, revision: str) -> float:
        """Wait until the Service of a namespace names a revision; return the moment."""
        with self._changed:
            found = self._changed.wait_for(
                lambda: self._seen.get(namespace, ("", 0.0))[0] == revision, WAIT
            )
            if not found:
                raise click.ClickException(f"{namespace} did not come to name {revision}")
            return self._seen[namespace][1]

    def _read(self) -> None:
        for line in self._connection.getresponse():
            now, service = time.perf_counter(), json.loads(line)["object"]
            if service["metadata"]["name"] != names.POINTER_SERVICE:
                continue
            revision = (service["spec"].get("selector") or {}).get(names.LABEL_REVISION, "")
            with self._changed:
                self._seen[service["metadata"]["namespace"]] = (revision, now)
                self._changed.notify_all()


@click.command()
@click.option("--agents", default="1,200", show_default=True, help="Sizes to measure at.")
@click.option("--runs", default=200, show_default=True, help="Rollbacks at each size.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object as the last line.")
def main(agents: str, runs: int, as_json: bool) -> None:
    """Measure rollbacks at several sizes, each on a control plane of its own."""
    sizes = [int(size) for size in agents.split(",")]
    rows = [measure(size, runs) for size in sizes]
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Linux {platform.release()}"
    click.echo(f"{machine}; bake 1 s, no gates")
    click.echo(f"{'agents':>7} {'runs':>5} {'p50 ms':>8} {'p99 ms':>8} {'max ms':>8}")
    for row in rows:
        click.echo(
            f"{row['value']:>7} {row['n']:>5} {row['p50']:>8} {row['p99']:>8} {row['max']:>8}"
        )
    if as_json:
        versions = {"python": platform.python_version(), "kubernetes": "1.37.1"}
        report = {"name": "rollback", "machine": machine, "versions": versions, "rows": rows}
        click.echo(json.dumps(report))


def measure(size: int, runs: int) -> dict[str, Any]:
    """Return one row: milliseconds from request to changed selector, with `size` agents."""
    with (
        Sandbox(("kubernetes",)) as sandbox,
        tempfile.TemporaryDirectory(prefix="interlock-bench-") as home,
    ):
        install(sandbox.kubeconfig)
        with Engine.prepare(sandbox, Path(home)).acting() as engine:
            began = time.monotonic()
            ready = pairs(engine, TEAMS[:size])
            click.echo(f"{size} agents ready after {time.monotonic() - began:.0f} s", err=True)
            times = _cycle(ready, runs, Pointers(engine.api))
    return {
        "measure": "AgentRollback created to Service selector changed",
        "n": len(times),
        "unit": "ms",
        "value": size,
        "p50": round(statistics.median(times), 1),
        "p99": round(statistics.quantiles(times, n=100)[98], 1) if len(times) > 1 else times[0],
        "max": round(max(times), 1),
    }


def _cycle(ready: Sequence[Pair], runs: int, pointers: Pointers) -> list[float]:
    """Roll each agent back in turn; whoever comes round again was released meanwhile."""
    times: list[float] = []
    while len(times) < runs:
        for number, pair in enumerate(ready[: runs - len(times)]):
            times.append(_roll_back(pair, f"r{len(times)}-{number}", pointers))
        if len(times) < runs:
            for pair in ready:
                _release(pair, f"l{len(times)}")
    return times


def _roll_back(pair: Pair, name: str, pointers: Pointers) -> float:
    agent = pair.agent
    pointers.when(agent.home, agent.revision(pair.new))
    began = time.perf_counter()
    agent.ask("AgentRollback", name, expect=pair.new)
    moved = pointers.when(agent.home, agent.revision(pair.old))
    return round((moved - began) * 1000, 2)


def _release(pair: Pair, name: str) -> None:
    """Let the newer revision serve again, and wait until there is a way back."""
    agent = pair.agent
    until(agent.status, lambda s: s.get("holds"), "the hold is shown", WAIT)
    agent.ask("AgentRelease", name, digest=pair.new)
    agent.until(
        "serves the newer again",
        lambda s: s["serving"] == pair.new and s["rollback"] == "warm",
        WAIT,
    )


if __name__ == "__main__":
    main()
