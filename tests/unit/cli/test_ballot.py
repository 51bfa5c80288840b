"""What would count nothing is said before anybody signs: who, where, in which role, about what."""

import json
from pathlib import Path
from typing import Any

import pytest

from interlock.api.values import Outcome
from interlock.cli import ballot
from interlock.evidence.git import GitUnavailable
from support import facts, policies
from support.approver import Desk, desk
from support.fakekubectl import FakeKubectl

FREEZE = {
    "name": "year-end",
    "environments": ["production"],
    "schedule": "0 0 20 12 *",
    "duration": "400h",
    "timeZone": "Europe/Berlin",
    "reason": "nobody is there",
    "overrideRole": "sre",
}


@pytest.fixture
def team(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    return desk(tmp_path, monkeypatch)


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Any:
    def read() -> str:
        captured = capsys.readouterr()
        return captured.out + captured.err

    return read


async def test_another_environment_than_was_meant(team: Desk, said: Any) -> None:
    assert team.approve("quality-1", "--environment", "staging") == 1
    assert "whose environment is production, not staging" in said()
    assert await team.read() == ([], [])
    assert team.approve("quality-1", "--environment", "production") == 0


def test_a_namespace_that_governance_does_not_know(team: Desk, said: Any) -> None:
    text = team.file.read_text().replace("namespace: line-4", "namespace: line-9")
    team.file.write_text(text)
    team.git("-c", "user.name=d", "-c", "user.email=d@x.example", "commit", "-qam", "move")
    assert team.approve("quality-1") == 1
    assert "governance does not know namespace line-9" in said()


def test_a_file_with_references_that_may_move(team: Desk, said: Any) -> None:
    prompts = [{"name": "system", "version": "3"}]
    team.commit(facts.spec(prompts=prompts, image="registry.example/agents/press-scheduler:1"))
    assert team.approve("quality-1") == 1
    assert "without a digest: image, prompts[system].digest" in (text := said())
    assert "interlock pin" in text
    assert team.say("reject", "quality-1", "--reason", "not pinned") == 0


def test_whoever_wrote_the_change_does_not_approve_it(team: Desk, said: Any) -> None:
    team.write(facts.spec(port=9090))
    who = ("-c", "user.name=q", "-c", f"user.email={policies.email('quality-1')}")
    team.git(*who, "commit", "-qam", "mine")
    assert team.approve("quality-1") == 1
    assert "quality-1 took part in this change" in (text := said())
    assert "Ask another member of quality" in text
    assert team.approve("quality-2") == 0


def test_whoever_wrote_an_earlier_change_may_approve_this_one(team: Desk) -> None:
    team.write(facts.spec(port=9090))
    who = ("-c", "user.name=q", "-c", f"user.email={policies.email('quality-1')}")
    team.git(*who, "commit", "-qam", "mine")
    team.commit(facts.spec(port=9091))
    serving = facts.subject(port=9090).digest
    assert team.approve("quality-1", "--serving", serving) == 0


def test_a_history_that_cannot_be_read_is_an_error(
    team: Desk, said: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hangs(*_: object) -> None:
        raise GitUnavailable("git rev-list gave no result within 20 s")

    monkeypatch.setattr(ballot.authors, "change", hangs)
    assert team.approve("quality-1") == 3
    assert "whose hands were on the change cannot be read: git rev-list" in said()


def test_the_author_may_still_say_no(team: Desk) -> None:
    team.write(facts.spec(port=9090))
    who = ("-c", "user.name=q", "-c", f"user.email={policies.email('quality-1')}")
    team.git(*who, "commit", "-qam", "mine")
    assert team.say("reject", "quality-1", "--reason", "I was wrong") == 0


async def test_saying_no_needs_no_cluster(
    team: Desk, said: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECTL", str(team.home / "no-such-kubectl"))
    key = str(team.key("ot-safety-1"))
    assert team.run("approve", "--key", key) == 2
    assert "Give --serving" in said()
    assert team.run("reject", "--key", key, "--reason", "stop") == 0
    assert "what serves cannot be read" in said()
    assert [one.decision for one in (await team.read())[0]] == ["reject"]


def test_what_the_cluster_serves_is_the_predecessor(
    team: Desk, said: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake = FakeKubectl(tmp_path)
    monkeypatch.setenv("KUBECTL", str(fake.program))
    assert team.run("approve", "--key", str(team.key("quality-1")), "--dry-run") == 0
    assert "is new; nothing runs" in said()


async def test_any_role_may_say_no_and_only_those_that_are_asked_yes(team: Desk) -> None:
    assert team.approve("sre-1") == 1
    assert team.say("reject", "sre-1", "--reason", "the line is down") == 0
    (vote,), _ = await team.read()
    assert (vote.role, vote.decision) == ("sre", "reject")
    assert team.judge([vote]).outcome is Outcome.FAIL


def test_a_no_in_a_role_that_is_not_theirs(team: Desk, said: Any) -> None:
    args = ("--role", "ot-safety", "--reason", "no")
    assert team.say("reject", "quality-1", *args) == 1
    assert "quality-1 does not hold the role ot-safety; they hold quality" in said()


@pytest.mark.parametrize("command", ["reject", "revoke"])
def test_a_no_has_a_reason(team: Desk, command: str) -> None:
    assert team.say(command, "quality-1") == 2


async def test_what_nobody_approved_cannot_be_taken_back(team: Desk, said: Any) -> None:
    team.approve("ot-safety-1")
    assert team.say("revoke", "quality-1", "--reason", "no") == 1
    assert "nothing to take back: quality-1 has not approved" in said()
    assert len((await team.read())[0]) == 1


async def test_an_approval_is_taken_back(team: Desk) -> None:
    team.approve("quality-1")
    team.approve("ot-safety-1")
    assert team.say("revoke", "quality-1", "--reason", "the test was wrong") == 0
    votes, _ = await team.read()
    assert sorted(vote.decision for vote in votes) == ["approve", "approve", "revoke"]
    assert team.judge(votes).outcome is Outcome.FAIL


def test_what_was_said_so_far_is_shown(team: Desk, said: Any) -> None:
    assert team.approve("quality-1", "--reason", "looks\u00a0fine") == 0
    said()
    assert team.approve("ot-safety-1", "--dry-run") == 0
    text = said()
    assert "So far:\n  quality-1 (quality) approved " in text
    assert "looks\\u00a0fine" in text
    assert "\u00a0" not in text


@pytest.mark.parametrize("reason", ["looks\u202efine", "r" * 1025])
def test_a_reason_that_the_verifier_would_not_read(team: Desk, reason: str) -> None:
    assert team.approve("quality-1", "--reason", reason) == 2


def test_a_stranger_in_a_known_name_is_not_shown_as_that_person(team: Desk, said: Any) -> None:
    from interlock.evidence import approvals
    from support.sshkeys import envelope, statement

    data = envelope(statement("ot-safety-1", "ot-safety"), policies.ssh_key("mallory"))
    ref = approvals.ref_of(facts.CONTENT)
    team.repo.commit({"ot-safety-1.x.dsse.json": data, "junk": b"{"}, ref=ref)
    assert team.approve("quality-1", "--dry-run") == 0
    text = said()
    assert "ot-safety-1 (ot-safety) approved" not in text
    assert "(not counted) ot-safety-1.x.dsse.json: approve by SHA256:" in text
    assert "(not counted) junk: Malformed: " in text


async def test_a_dry_run_signs_and_pushes_nothing(
    team: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    assert team.approve("quality-1", "--dry-run", "-o", "json") == 0
    body = json.loads(capsys.readouterr().out)
    assert (body["file"], body["commit"]) == ("", "")
    assert (body["person"], body["role"], body["strength"]) == ("quality-1", "quality", "signed")
    assert {"field": "port", "old": "", "new": "8080"} not in body["changes"]
    assert any(one["field"] == "image" for one in body["changes"])
    assert await team.read() == ([], [])


async def test_a_freeze_is_lifted_by_its_own_role(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: Any
) -> None:
    team = desk(tmp_path, monkeypatch, freezes={"freezes": [FREEZE]})
    assert team.approve("quality-1", "--override", "year-end") == 1
    assert "may be lifted by a member of sre; quality-1 may not" in said()
    assert team.approve("sre-1", "--override", "easter") == 1
    assert "no freeze easter concerns line-4 (year-end)" in said()
    assert team.approve("sre-1", "--override", "year-end") == 0
    (vote,), _ = await team.read()
    assert (vote.role, vote.overrides) == ("sre", ["year-end"])


def test_two_ways_to_sign_are_one_too_many(team: Desk, said: Any) -> None:
    token = team.home / "token"
    token.write_text("x")
    assert team.approve("quality-1", "--sigstore", str(token)) == 2
    assert "give one" in said()
    assert team.approve("quality-1", "--identity-token-file", str(token)) == 2
    assert "give both or neither" in said()


@pytest.fixture
def forge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A clone whose remote is a real repository that governance names."""
    url = f"file://{tmp_path / 'upstream.git'}"
    spaces = policies.documents()["namespaces"]
    spaces["namespaces"][policies.NAMESPACE]["repositories"][0]["url"] = url
    team = desk(tmp_path, monkeypatch, namespaces=spaces)
    team.git("clone", "--quiet", "--bare", str(team.clone), str(tmp_path / "upstream.git"))
    team.git("remote", "set-url", "origin", url)
    return team


@pytest.mark.parametrize("ref", ["refs/pull/7/head", "refs/merge-requests/7/head"])
async def test_a_pull_request_is_approved_without_checking_it_out(
    forge: Desk, said: Any, ref: str
) -> None:
    forge.git("switch", "--quiet", "--create", "change")
    forge.commit(facts.spec(port=9090))
    forge.git("push", "--quiet", "origin", f"HEAD:{ref}")
    forge.git("switch", "--quiet", "main")
    assert forge.approve("quality-1", "--pull", "7", "--serving", facts.CONTENT) == 0
    assert "  port  (none) → 9090\n" in said()
    content = facts.subject(port=9090).digest
    assert [one.subject for one in (await forge.read(content))[0]] == [content]
    assert await forge.read() == ([], [])


def test_a_pull_request_that_is_none(forge: Desk, said: Any) -> None:
    assert forge.approve("quality-1", "--pull", "9") == 1
    assert "has a pull request 9" in said()


def test_a_pull_request_of_a_fork(forge: Desk, said: Any) -> None:
    fork = forge.home / "fork.git"
    forge.git("clone", "--quiet", "--bare", str(forge.clone), str(fork))
    forge.git("push", "--quiet", str(fork), "HEAD:refs/pull/7/head")
    forge.git("remote", "add", "mine", str(fork))
    assert forge.approve("quality-1", "--pull", "7") == 1
    assert "no remote of this clone that governance names" in said()


def test_a_pull_request_without_the_file(forge: Desk, said: Any) -> None:
    forge.git("rm", "--quiet", facts.PATH)
    forge.git("-c", "user.name=d", "-c", "user.email=d@x.example", "commit", "-qm", "gone")
    forge.git("push", "--quiet", "origin", "HEAD:refs/pull/7/head")
    assert forge.approve("quality-1", "--pull", "7") == 1
    assert f"the pull request has no file {facts.PATH}" in said()
