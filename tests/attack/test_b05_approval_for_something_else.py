"""An approval is for one content, in one place, after one predecessor, for a while and for once."""

from typing import Any

import pytest

from interlock.api.values import Outcome
from interlock.gates.change_approval import evaluate
from support.facts import NOW, approval, at, context, good_facts, quality, safety, subject
from support.policies import good_policy
from support.signedvotes import vote


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"environment": "test"}, "for environment test, not production"),
        ({"namespace": "line-5"}, "for namespace line-5, not line-4"),
        ({"clusters": ["lab", "factory-2"]}, "for another cluster than factory"),
        ({"clusters": ["*"]}, "for another cluster than factory"),
        ({"repository": "https://git.example/mine.git"}, "for https://git.example/mine.git"),
        ({"ref": "refs/heads/mine"}, "refs/heads/mine"),
        ({"path": "agents/other.yaml"}, "agents/other.yaml"),
        ({"predecessor": "ab" * 32}, "replaces abab…, which does not serve"),
        ({"subject": "ab" * 32}, "for content abab…"),
        ({"not_after": NOW}, "expired"),
        ({"not_before": at(NOW, seconds=1)}, "holds from"),
        ({"not_before": at(NOW, hours=-72), "not_after": at(NOW, hours=500)}, "expired"),
    ],
)
def test_it_does_not_count_here(changes: dict[str, Any], why: str) -> None:
    facts = good_facts(approvals=[quality(**changes), safety()])
    result = evaluate(facts, good_policy())
    assert result.outcome is Outcome.WAIT
    assert why in result.message


@pytest.mark.parametrize(
    "changes",
    [
        {"environment": "test"},
        {"namespace": "lab"},
        {"clusters": ["lab"]},
        {"repository": "https://git.example/line-4/fork.git"},
        {"ref": "refs/heads/next"},
        {"path": "agents/copy.yaml"},
    ],
)
def test_all_of_it_is_signed_and_read_back_as_it_was_signed(changes: dict[str, Any]) -> None:
    """The same bytes in a fork, on another branch or in another environment are not approved."""
    copied = vote("quality-1", "quality", **changes)
    for field, value in changes.items():
        assert getattr(copied, field) == value
    result = evaluate(
        good_facts(approvals=[copied, vote("ot-safety-1", "ot-safety")]), good_policy()
    )
    assert result.outcome is Outcome.WAIT
    whole = [vote("quality-1", "quality"), vote("ot-safety-1", "ot-safety")]
    assert evaluate(good_facts(approvals=whole), good_policy()).outcome is Outcome.PASS


def test_an_approval_that_was_spent_is_not_played_again() -> None:
    facts = good_facts(context=context(spent=[quality().nonce]))
    result = evaluate(facts, good_policy())
    assert result.outcome is Outcome.WAIT
    assert "already spent" in result.message


def test_after_one_more_push_the_approvals_are_for_the_content_before() -> None:
    pushed = subject(env={"LOG_LEVEL": "debug"})
    result = evaluate(good_facts(subject=pushed), good_policy())
    assert result.outcome is Outcome.WAIT
    assert result.message.startswith("0 of 2")


@pytest.mark.parametrize("field", ["environment", "namespace", "clusters"])
def test_a_rejection_for_another_place_is_no_veto_here(field: str) -> None:
    """Or whoever may veto in the lab could stop the factory."""
    elsewhere: Any = ["lab"] if field == "clusters" else "lab"
    no = approval("sre-1", "sre", decision="reject", **{field: elsewhere})
    result = evaluate(good_facts(approvals=[quality(), safety(), no]), good_policy())
    assert result.outcome is Outcome.PASS
