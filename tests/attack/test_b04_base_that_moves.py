"""The base of a change moves under its approvals: they were given for another step than this."""

from pathlib import Path

import pytest

from interlock.api.values import Outcome
from interlock.gates import change_approval
from support import facts, policies
from support.approver import Desk, desk
from support.signedvotes import quorum

BEFORE, MEANWHILE = "0a" * 32, "0b" * 32


@pytest.mark.parametrize(
    ("serving", "outcome"), [(BEFORE, Outcome.PASS), (MEANWHILE, Outcome.WAIT)]
)
def test_another_promotion_in_between_makes_them_stale(serving: str, outcome: Outcome) -> None:
    context = facts.context(serving=serving, predecessors=[serving])
    judged = facts.good_facts(approvals=quorum(predecessor=BEFORE), context=context)
    result = change_approval.evaluate(judged, policies.good_policy())
    assert result.outcome is outcome
    assert (outcome is Outcome.PASS) or "which does not serve" in result.message


def test_approvals_of_a_first_roll_out_do_not_replace_what_came_meanwhile() -> None:
    context = facts.context(serving=MEANWHILE, predecessors=[MEANWHILE])
    judged = facts.good_facts(approvals=quorum(predecessor="none"), context=context)
    assert change_approval.evaluate(judged, policies.good_policy()).outcome is Outcome.WAIT


async def test_what_main_gained_in_the_same_file_is_another_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clean merge of two reviewed changes is a third one that nobody has seen."""
    team: Desk = desk(tmp_path, monkeypatch)
    team.commit(facts.spec(port=9090))
    assert team.approve("quality-1") == 0
    both = {"port": 9090, "env": {"FROM": "main"}}
    team.commit(facts.spec(**both))
    assert await team.read(facts.subject(**both).digest) == ([], [])
    assert len((await team.read(facts.subject(port=9090).digest))[0]) == 1


def test_the_approver_sees_the_step_from_what_serves_and_not_from_the_branch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    team: Desk = desk(tmp_path, monkeypatch)
    team.commit(facts.spec(env={"FROM": "main"}))
    team.commit(facts.spec(env={"FROM": "main"}, port=9090))
    assert team.approve("quality-1", "--dry-run", "--serving", facts.CONTENT) == 0
    said = capsys.readouterr().out
    assert "env.FROM" in said
    assert "port" in said
