"""An old content with its old approvals is brought back: a downgrade to what was vulnerable."""

from pathlib import Path
from typing import Any

import pytest

from interlock.api.values import GateResult, Outcome
from interlock.gates import change_approval
from support import facts, policies
from support.approver import Desk, desk
from support.signedvotes import quorum, vote

NEXT = "0b" * 32
OLD = quorum(predecessor="0a" * 32)
SPENT = [each.nonce for each in OLD]


def judge(approvals: list[Any], **context: Any) -> GateResult:
    judged = facts.good_facts(approvals=approvals, context=facts.context(**context))
    return change_approval.evaluate(judged, policies.good_policy())


@pytest.mark.parametrize(
    ("context", "why"),
    [
        ({"spent": SPENT, "predecessors": ["0a" * 32]}, "already spent"),
        ({"serving": NEXT, "predecessors": [NEXT]}, "which does not serve"),
        ({"serving": NEXT, "predecessors": [NEXT], "spent": SPENT}, "which does not serve"),
    ],
)
def test_neither_spent_nor_overtaken_approvals_count_again(
    context: dict[str, Any], why: str
) -> None:
    result = judge(OLD, **context)
    assert result.outcome is Outcome.WAIT
    assert why in result.message


def test_they_count_once() -> None:
    assert judge(OLD, predecessors=["0a" * 32]).outcome is Outcome.PASS


def test_a_copy_in_a_new_envelope_is_as_spent_as_the_first() -> None:
    """The person signs the same statement again, or an attacker wraps it anew: one nonce."""
    again = [vote("quality-1", "quality", reason="again", predecessor="0a" * 32), OLD[1]]
    assert again[0].envelope != OLD[0].envelope
    assert judge(again, spent=SPENT, predecessors=["0a" * 32]).outcome is Outcome.WAIT


async def test_they_still_lie_in_git_when_the_file_is_reverted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Git forgets nothing, so what was promoted is remembered by the records."""
    team: Desk = desk(tmp_path, monkeypatch)
    assert team.approve("quality-1") == 0
    assert team.approve("ot-safety-1") == 0
    team.commit(facts.spec(port=9090))
    team.commit(facts.spec())
    votes, _ = await team.read()
    assert team.judge(votes).outcome is Outcome.PASS  # for a roll-out after nothing
    now = facts.at(max(vote.not_before for vote in votes), seconds=1)
    serving = facts.subject(port=9090).digest
    judged = facts.good_facts(
        approvals=votes, now=now, context=facts.context(serving=serving, predecessors=[serving])
    )
    assert change_approval.evaluate(judged, team.policy).outcome is Outcome.WAIT


def test_one_that_ended_does_not_begin_again() -> None:
    ended = quorum(notBefore=facts.at(facts.NOW, hours=-9), notAfter=facts.at(facts.NOW, hours=-1))
    assert "expired" in judge(ended).message
