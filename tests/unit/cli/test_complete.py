"""TAB offers commands, agents and revisions, and nothing at all where the cluster is slow."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from interlock.api import names
from interlock.cli import complete, exits
from interlock.cli.kubectl import collection
from interlock.cli.plugin import COMMANDS, interlock
from support.fakekubectl import FakeKubectl

AGENTS = collection("agentdeployments", "line-4")
REVISIONS = collection("agentrevisions", names.agent_namespace("line-4", "press"))
Offer = Callable[..., list[str]]


@pytest.fixture
def kubectl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeKubectl:
    fake = FakeKubectl(tmp_path)
    monkeypatch.setenv("KUBECTL", str(fake.program))
    rows: list[dict[str, Any]] = [
        {"metadata": {"name": name}, "status": {"serving": "a71e0c93d2"}}
        for name in ("press", "print", "weld")
    ]
    fake.get(AGENTS, {"items": rows})
    found = {"metadata": {"creationTimestamp": "T"}, "spec": {"digest": "a71e0c93d2" * 6}}
    fake.get(REVISIONS, {"items": [found]})
    return fake


@pytest.fixture
def offer(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Offer:
    """What kubectl is answered."""

    def ask(*words: str) -> list[str]:
        monkeypatch.setattr(sys, "argv", ["kubectl_complete-interlock", *words])
        complete.main()
        return capsys.readouterr().out.splitlines()

    return ask


def test_kubectl_gets_the_commands_and_is_told_that_files_are_none(offer: Offer) -> None:
    lines = offer("")
    assert [line.partition("\t")[0] for line in lines[:-1]] == list(COMMANDS)
    assert lines[-1] == ":4"


def test_agents_are_offered_with_what_they_serve(kubectl: FakeKubectl, offer: Offer) -> None:
    assert offer("why", "-n", "line-4", "pr") == [
        "press\tserves a71e0c93d2",
        "print\tserves a71e0c93d2",
        ":4",
    ]


def test_revisions_of_the_named_agent_are_offered(kubectl: FakeKubectl, offer: Offer) -> None:
    assert offer("diff", "press", "") == [
        "serving\twhat serves",
        "candidate\twhat is wanted",
        "a71e0c93d2\tT",
        ":4",
    ]
    assert offer("rollback", "press", "--to", "a7") == ["a71e0c93d2\tT", ":4"]


def test_a_cluster_that_says_no_offers_nothing(kubectl: FakeKubectl, offer: Offer) -> None:
    kubectl.get(AGENTS, "Error from server (Forbidden): not yours")
    assert offer("why", "") == [":4"]


def test_a_kubectl_that_hangs_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, offer: Offer
) -> None:
    hanging = tmp_path / "hanging"
    hanging.write_text("#!/bin/sh\nexec sleep 60\n")
    hanging.chmod(0o755)
    monkeypatch.setenv("KUBECTL", str(hanging))
    monkeypatch.setattr(complete, "PATIENCE", 0.01)
    assert offer("why", "-n", "line-4", "") == [":4"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_a_script(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert exits.main(interlock, "kubectl interlock", ["completion", shell]) == 0
    assert "_KUBECTL_INTERLOCK_COMPLETE" in capsys.readouterr().out


def test_bash_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from interlock.cli.plugin import main; main()"],
        env={
            "_KUBECTL_INTERLOCK_COMPLETE": "bash_complete",
            "COMP_WORDS": "kubectl-interlock qua",
            "COMP_CWORD": "1",
            "PYTHONPATH": ":".join(sys.path),
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "plain,quarantine\n"
