"""`interlock approve` with the real git and ssh-keygen: what it pushes, the verifier accepts."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from interlock.api.values import Outcome
from interlock.cli import usergit
from interlock.evidence import approvals
from support import facts, policies
from support.approver import Desk, desk
from support.kube import until


@pytest.fixture
def team(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    return desk(tmp_path, monkeypatch)


async def test_two_people_approve_and_the_gate_passes(team: Desk) -> None:
    assert team.approve("quality-1", "--reason", "reviewed") == 0
    assert team.approve("ot-safety-1") == 0
    approved, denied = await team.read()
    assert denied == []
    assert sorted((one.person, one.role) for one in approved) == [
        ("ot-safety-1", "ot-safety"),
        ("quality-1", "quality"),
    ]
    assert team.judge(approved).outcome is Outcome.PASS


async def test_what_is_signed_names_place_and_predecessor(team: Desk) -> None:
    team.approve("quality-1", "--reason", "reviewed", "--valid", "8h", "--serving", "ab" * 32)
    (approval,), _ = await team.read()
    assert approval.predecessor == "ab" * 32
    assert (approval.repository, approval.ref, approval.path) == (
        policies.REPOSITORY,
        "refs/heads/main",
        facts.PATH,
    )
    assert (approval.clusters, approval.environment) == (["factory"], "production")
    assert approval.reason == "reviewed"
    assert facts.at(approval.not_before, hours=8) == approval.not_after


async def test_a_rejection_vetoes(team: Desk) -> None:
    team.approve("quality-1")
    team.say("reject", "ot-safety-1", "--reason", "no test of the press")
    approved, _ = await team.read()
    assert team.judge(approved).outcome is Outcome.FAIL


async def test_a_push_in_between_is_kept(team: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    others: list[str] = []
    real = usergit._run

    def run_(
        folder: Path, *args: str, stdin: bytes = b"", env: Mapping[str, str] | None = None
    ) -> Any:
        if args[0] == "push" and not others:
            ref = approvals.ref_of(facts.CONTENT)
            others.append(team.repo.commit({"other.dsse.json": b"{}"}, ref=ref))
        return real(folder, *args, stdin=stdin, env=env)

    monkeypatch.setattr(usergit, "_run", run_)
    assert team.approve("quality-1") == 0
    approved, denied = await team.read()
    assert [one.person for one in approved] == ["quality-1"]
    assert [one.location.rpartition(":")[2] for one in denied] == ["other.dsse.json"]


async def test_an_agent_may_hold_the_key(team: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    socket = team.home / "agent"
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.DEVNULL)
    try:
        until(socket.exists, "ssh-agent listens")
        monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
        subprocess.run(
            ["ssh-add", "-q", str(team.key("quality-1"))], check=True, capture_output=True
        )
        team.git("config", "user.signingKey", f"key::{policies.ssh_line('quality-1')}")
        assert team.approve("quality-1", "--key", str(public(team))) == 0
        assert [one.person for one in (await team.read())[0]] == ["quality-1"]
    finally:
        agent.terminate()
        agent.wait()


def public(team: Desk) -> Path:
    """The public half alone, as one who keeps the private key in an agent has it."""
    path = team.home / "only.pub"
    path.write_text(policies.ssh_line("quality-1") + "\n")
    return path


async def test_gits_signing_key_is_the_default(team: Desk) -> None:
    team.git("config", "user.signingKey", str(team.key("quality-1")))
    assert team.run("approve", "--serving", "none") == 0
    assert [one.person for one in (await team.read())[0]] == ["quality-1"]


def test_the_difference_to_what_serves_is_shown(
    team: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    team.commit(facts.spec(env={"LOG_LEVEL": "debug"}))
    assert team.approve("quality-1", "--serving", facts.CONTENT) == 0
    said = capsys.readouterr().out
    assert f"replaces {facts.CONTENT[:10]}." in said
    assert "  env.LOG_LEVEL  (none) → debug\n" in said
    assert said.count("→") == 1


def test_json_says_where_the_approval_lies(team: Desk, capfd: pytest.CaptureFixture[str]) -> None:
    assert team.approve("quality-1", "-o", "json") == 0
    said = json.loads(capfd.readouterr().out)
    assert said["ref"] == f"refs/approvals/{facts.CONTENT}"
    assert said["person"] == "quality-1"


def test_a_duration_that_is_none_is_usage(team: Desk) -> None:
    assert team.approve("quality-1", "--valid", "soon") == 2


def test_what_serves_already_needs_no_approval(
    team: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    assert team.approve("quality-1", "--serving", facts.CONTENT) == 1
    assert "there is nothing to approve" in capsys.readouterr().err


def test_an_approvals_repository_that_is_away_is_an_error(
    team: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    team.repo.path.rename(team.home / "gone")
    assert team.approve("quality-1") == 3
    assert "cannot be read" in capsys.readouterr().err


@pytest.mark.parametrize(
    "url",
    [
        "https://git.example/line-4/agents.git",
        "https://user:secret@Git.example/line-4/agents/",
        "git@git.example:line-4/agents.git",
        "ssh://git@git.example/line-4/agents",
    ],
)
def test_a_repository_is_the_same_however_it_is_spelled(url: str) -> None:
    assert usergit.place(url) == "git.example/line-4/agents"
