"""`kubectl interlock` with a real kubectl, against a real API server and an acting controller."""

import json
import subprocess
from collections.abc import Callable

import pytest

from interlock.api import names
from interlock_sandbox.sandbox import Sandbox
from support.controller import image
from support.engine import Agent, Pair
from support.kube import APPLY
from support.shell import Shell

Ask = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def terminal(installed: Sandbox) -> Shell:
    return Shell(installed.kubeconfig)


@pytest.fixture
def shell(terminal: Shell) -> Ask:
    """The administrator's terminal, about one agent."""
    return lambda agent, verb, *args: terminal(verb, agent.name, "-n", agent.team, *args)


def test_a_rollback_moves_traffic_and_a_release_lets_it_back(pair: Pair, shell: Ask) -> None:
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


def test_a_quarantine_and_a_restore(pair: Pair, shell: Ask) -> None:
    assert shell(pair.agent, "quarantine", "--reason", "odd orders").returncode == 0
    assert pair.agent.pointer() == "none"
    done = shell(pair.agent, "restore", "--reason", "explained")
    assert done.returncode == 0, done.stderr
    assert "restored; the gates run again" in done.stdout


def test_why_says_what_a_gate_says(fresh: Agent, shell: Ask) -> None:
    digest = fresh.serves("a")
    done = shell(fresh, "why")
    assert done.stdout.startswith(f"{fresh.name} serves {digest} (")
    assert "  pass   grants" in done.stdout
    tree = shell(fresh, "get").stdout.splitlines()
    assert tree[0].startswith(f"{fresh.name}  ready, tier low")
    assert tree[2] == f"├─ pointer   {digest}  1 of 1 pods ready"


def test_a_difference_names_what_changed(pair: Pair, shell: Ask) -> None:
    done = shell(pair.agent, "diff", pair.old, "serving")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0].startswith("  image  registry.example/")
    assert f"--- {pair.old} Deployment/<revision>" in done.stdout
    body = json.loads(shell(pair.agent, "diff", pair.old, "serving", "-o", "json").stdout)
    assert [change["field"] for change in body["content"]] == ["image"]


def test_a_pause_stops_promotions_until_it_is_lifted(fresh: Agent, shell: Ask) -> None:
    old = fresh.serves("a")
    done = shell(fresh, "pause", "--reason", "stock-taking")
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    fresh.want("b")
    fresh.until("waits", lambda status: "paused" in status["reason"])
    assert "paused stock-taking; kubectl interlock resume" in shell(fresh, "why").stdout
    named = shell(fresh, "resume", "-o", "name")
    assert named.stdout == f"agentdeployment.interlock.dev/{fresh.name}\n"
    assert fresh.healthy(old) != old


def test_a_pause_tells_what_git_makes_of_it(fresh: Agent, shell: Ask) -> None:
    spec = {"riskTier": "low", "image": image("agent", "a")}
    body = {
        "apiVersion": names.API_VERSION,
        "kind": "AgentDeployment",
        "metadata": {"name": fresh.name, "labels": {names.LABEL_SYNCED_BY: "agents"}},
    }

    def deliver(**more: object) -> None:
        whole = body | {"spec": spec | more}
        manager = names.SYNC_FIELD_MANAGER
        assert fresh.api.patch(fresh.path, whole, APPLY, fieldManager=manager, force="true").ok

    def paused() -> bool:
        return bool(fresh.api.get(fresh.path).body["spec"].get("paused"))

    deliver()
    assert "so git leaves this as it is" in shell(fresh, "pause", "--reason", "r").stderr
    deliver()
    assert paused()
    deliver(paused=False)
    assert "the syncer puts that back within 60s" in shell(fresh, "pause", "--reason", "r").stderr
    assert paused()
    deliver(paused=False)
    assert not paused()
