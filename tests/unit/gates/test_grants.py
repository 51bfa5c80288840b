from typing import Any

import pytest

from interlock.api.reasons import Reason
from interlock.api.values import Outcome
from interlock.gates.grants import evaluate
from support.facts import good_facts, subject
from support.policies import good_policy


def judged(**changes: Any) -> Any:
    return evaluate(good_facts(subject=subject(**changes)), good_policy())


def test_what_governance_granted_passes() -> None:
    assert judged().outcome is Outcome.PASS


def test_it_reads_nothing_but_the_subject() -> None:
    bare = good_facts(evidence=[], approvals=[], pins=[], change=None)
    assert evaluate(bare, good_policy()).outcome is Outcome.PASS


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"image": "other.example/agents/press@sha256:" + "5b" * 32}, "other.example/agents/press"),
        ({"model": {"name": "secret-model", "version": "1"}}, "default/secret-model"),
        ({"knowledge": [{"name": "payroll", "digest": "sha256:" + "0b" * 32}]}, "payroll"),
        (
            {"tools": [{"name": "t", "endpoint": "https://erp.svc", "effect": "read"}]},
            "https://erp.svc",
        ),
        ({"health": {"metrics": [{"name": "salaries", "query": "x", "max": 1}]}}, "salaries"),
    ],
)
def test_what_was_not_granted_is_named(changes: dict[str, Any], named: str) -> None:
    result = judged(**changes)
    assert (result.outcome, result.reason) == (Outcome.FAIL, Reason.NOT_GRANTED)
    assert named in result.message
    assert named in result.unblock[0]


def test_more_replicas_than_the_namespace_may_have_are_not_granted() -> None:
    assert judged(replicas=10).outcome is Outcome.PASS
    refused = judged(replicas=11)
    assert refused.outcome is Outcome.FAIL
    assert "11 replicas are more than the 10" in refused.message


def test_a_model_of_another_registry_is_another_model() -> None:
    assert judged(model={"registry": "lab", "name": "press-x"}).outcome is Outcome.FAIL


def test_a_model_volume_needs_a_grant_of_its_own() -> None:
    volume = "registry.example/agents/press@sha256:" + "7c" * 32
    assert judged(model={"name": "press-x", "volume": volume}).outcome is Outcome.FAIL


def test_a_tier_below_the_least_of_the_namespace_is_refused() -> None:
    result = judged(riskTier="low")
    assert result.outcome is Outcome.FAIL
    assert result.message == "risk tier low is below high, the least for line-4"


def test_a_tier_above_the_least_passes() -> None:
    assert judged(riskTier="safety").outcome is Outcome.PASS


def test_an_unknown_namespace_is_granted_nothing() -> None:
    stranger = subject().model_copy(update={"namespace": "line-9"})
    result = evaluate(good_facts(subject=stranger), good_policy())
    assert result.outcome is Outcome.FAIL
    assert "line-9" in result.message
