"""Approve, then push: what was pushed afterwards is another content, which nobody approved."""

from pathlib import Path

import pytest

from interlock.api.values import Outcome
from interlock.evidence import approvals
from interlock.gates import change_approval
from support import facts, policies
from support.approver import Desk, desk
from support.signedvotes import quorum

PUSHED = facts.spec(env={"LOG_LEVEL": "debug"})
THERE = facts.subject(env={"LOG_LEVEL": "debug"})


@pytest.fixture
def team(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    made = desk(tmp_path, monkeypatch)
    assert made.approve("quality-1") == 0
    assert made.approve("ot-safety-1") == 0
    return made


async def test_the_pushed_content_has_no_approvals(team: Desk) -> None:
    team.commit(PUSHED)
    assert team.judge((await team.read())[0]).outcome is Outcome.PASS
    assert await team.read(THERE.digest) == ([], [])


async def test_the_approvals_are_copied_to_the_ref_of_what_was_pushed(team: Desk) -> None:
    old, new = approvals.ref_of(facts.CONTENT), approvals.ref_of(THERE.digest)
    team.repo.git("update-ref", new, team.repo.git("rev-parse", old))
    found, denied = await team.read(THERE.digest)
    assert found == []
    assert {one.code for one in denied} == {"WrongSubject"}


def test_approvals_that_reach_the_gate_all_the_same_do_not_count_there() -> None:
    """At each judgement the digest is computed anew from what the object says then."""
    judged = facts.good_facts(subject=THERE, approvals=quorum())
    result = change_approval.evaluate(judged, policies.good_policy())
    assert result.outcome is Outcome.WAIT
    assert result.message.startswith("0 of 2")


def test_the_command_approves_what_is_committed_and_not_what_was_reviewed_before(
    team: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    team.commit(PUSHED)
    capsys.readouterr()
    assert team.approve("quality-2", "--dry-run", "--serving", facts.CONTENT) == 0
    said = capsys.readouterr().out
    assert "env.LOG_LEVEL  (none) → debug" in said
    assert f"Approve {THERE.digest[:10]}" in said
    assert "So far" not in said
