"""How long `kubectl interlock` takes: each command as its own process, as an SRE starts it.

Everything is real but the node and the verifier. The clock starts just before kubectl is started
and stops when it has ended, so it holds kubectl's own start, its search for the plugin, Python, and
every request. `pause` and `resume` also hold kubectl's discovery. The commands run one at a time.
"""

import os
import subprocess
import sys
import time
from collections.abc import Sequence

from benchlib.agents import POLICY, TEAMS, controller
from benchlib.report import Row, parser, report, say
from interlock_sandbox.sandbox import Sandbox
from support.engine import Pair, pairs
from support.shell import kubectl_program

TEAM = TEAMS[0]
READY = 120.0
"""Seconds for an agent with two healthy revisions."""
HELP_BUDGET, BUDGET = 200, 500
"""Milliseconds."""
NOTES = (
    POLICY,
    f"budget: --help {HELP_BUDGET} ms, a command that asks the cluster {BUDGET} ms (p50)",
)


def commands(pair: Pair) -> dict[str, tuple[str, ...]]:
    """What is measured. `rollback` is in the benchmark rollback."""
    name = pair.agent.name
    return {
        "--help": ("--help",),
        "get": ("get",),
        "get NAME": ("get", name),
        "why": ("why", name),
        "history": ("history", name),
        "diff": ("diff", name, pair.old, pair.new),
        "pause": ("pause", name, "--reason", "benchmark"),
        "resume": ("resume", name),
        "rollback --no-wait": ("rollback", name, "--no-wait", "--reason", "benchmark"),
    }


def measure(runs: int) -> list[Row]:
    """Start each command so many times beside a working controller."""
    with Sandbox(("kubernetes",)) as sandbox, controller(sandbox) as engine:
        pair = pairs(engine, [TEAM], READY)[0]
        env = _environment(str(sandbox.kubeconfig))
        rows = []
        for label, words in commands(pair).items():
            place = () if label == "--help" else ("-n", TEAM)
            # Not what serves: the controller refuses it, and the next run finds the same state.
            expect = ("--expect", "0" * 10) if words[0] == "rollback" else ()
            times = [_milliseconds([*words, *place, *expect], env) for _ in range(runs + 1)][1:]
            rows.append(Row(f"kubectl interlock {label}", runs, "ms", times))
            say(f"{label}: p50 {rows[-1].at(0.5):.0f} ms")
        return rows


def _milliseconds(words: Sequence[str], env: dict[str, str]) -> float:
    command = [kubectl_program(), "interlock", *words]
    started = time.perf_counter()
    done = subprocess.run(command, env=env, capture_output=True, check=False, text=True)
    took = (time.perf_counter() - started) * 1000
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr[:500]}")
    return took


def _environment(kubeconfig: str) -> dict[str, str]:
    """The SRE's: kubectl and the plugin on PATH, and a login."""
    path = f"{os.path.dirname(sys.executable)}{os.pathsep}{os.environ['PATH']}"
    return os.environ | {"KUBECONFIG": kubeconfig, "PATH": path}


def main() -> None:
    """Measure and print."""
    options = parser(__doc__)
    options.add_argument("--runs", type=int, default=20, help="starts of each, default 20")
    given = options.parse_args()
    report("kubectl", measure(given.runs), NOTES, given)


if __name__ == "__main__":
    main()
