"""`kubectl interlock` with a real kubectl, against a real API server and an acting controller."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from interlock_sandbox.sandbox import Sandbox
from support.engine import Agent, Pair


class Shell:
    """Somebody's terminal."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._env = os.environ | {
            "KUBECONFIG": str(sandbox.kubeconfig),
            "KUBECTL": shutil.which("kubectl", path=_path()) or "kubectl",
        }

    def __call__(self, agent: Agent, verb: str, *args: str) -> subprocess.CompletedProcess[str]:
        """Run `kubectl interlock <verb>` about an agent."""
        code = "from interlock.cli.plugin import main; main()"
        words = [sys.executable, "-c", code, verb, agent.name, "-n", agent.team, *args]
        return subprocess.run(words, capture_output=True, check=False, text=True, env=self._env)


def _path() -> str:
    beside = os.path.dirname(sys.executable)  # the wheel that brings kubectl puts it there
    return f"{beside}{os.pathsep}{os.environ['PATH']}"


@pytest.fixture
def shell(installed: Sandbox) -> Shell:
    return Shell(installed)


def test_a_rollback_moves_traffic_and_a_release_lets_it_back(pair: Pair, shell: Shell) -> None:
    done = shell(pair.agent, "rollback", "--reason", "rejects up")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == f"{pair.agent.name}: {pair.new} → {pair.old}"
    assert [line.split(" ms ")[1].split(" (")[0] for line in lines[2:4]] == [
        "recorded",
        "traffic moved",
    ]
    assert pair.agent.pointer() == pair.agent.revision(pair.old)

    again = shell(pair.agent, "rollback", "--reason", "r", "--expect", pair.new)
    assert again.returncode == 1
    assert f"{pair.old} serves, the request expected {pair.new}" in again.stderr

    pair.agent.until("shows the hold", lambda status: bool(status.get("holds")))
    why = shell(pair.agent, "why")
    assert f"held   {pair.new}: requested" in why.stdout

    released = shell(pair.agent, "release", "--reason", "fixed the sensor")
    assert released.returncode == 0, released.stderr
    assert "released; the gates run again" in released.stdout
    pair.agent.until("serves again", lambda status: status.get("serving") == pair.new)

    history = json.loads(shell(pair.agent, "history", "-o", "json").stdout)["items"]
    types = [one["spec"]["type"] for one in history]
    assert types[-3:] == ["Rollback", "Release", "Promotion"]


def test_a_quarantine_and_a_restore(pair: Pair, shell: Shell) -> None:
    assert shell(pair.agent, "quarantine", "--reason", "odd orders").returncode == 0
    assert pair.agent.pointer() == "none"
    done = shell(pair.agent, "restore", "--reason", "explained")
    assert done.returncode == 0, done.stderr
    assert "restored; the gates run again" in done.stdout


def test_why_says_what_a_gate_says(fresh: Agent, shell: Shell) -> None:
    digest = fresh.serves("a")
    done = shell(fresh, "why")
    assert done.stdout.startswith(f"{fresh.name} serves {digest} (")
    assert "  pass   grants" in done.stdout
    assert shell(fresh, "get").stdout.splitlines()[1].split()[:3] == [fresh.name, "True", digest]
