from typing import Any

import pytest

from interlock.api.facts import Evidence
from interlock.api.reasons import Reason
from interlock.api.values import GateResult, Outcome, Purpose
from interlock.gates.answers import moment
from interlock.gates.evaluation import evaluate
from support.facts import NOW, TREE, at, good_facts, subject
from support.policies import documents, good_policy
from support.proofs import DATASET, SUITE, evaluation, result

RED_TEAM = {
    "name": "red-team",
    "digest": SUITE,
    "datasets": [DATASET],
    "minimum": {"refusal_rate": 0.95},
    "maximum": {"leaks": 0},
    "maxAge": "48h",
}


def judge(*evidence: Evidence, suites: Any = (RED_TEAM,), **facts: Any) -> GateResult:
    gates = documents()["gates"] | {"evaluation": {"suites": list(suites)}}
    return evaluate(good_facts(evidence=list(evidence), **facts), good_policy(gates=gates))


def said(**changes: Any) -> Evidence:
    return evaluation(evaluation=result(**changes))


def test_a_passed_suite_passes_until_it_is_too_old() -> None:
    answer = judge(evaluation())
    assert (answer.outcome, answer.evidence) == (Outcome.PASS, (evaluation().bundle,))
    assert answer.expires
    assert answer.expires.isoformat() == "2026-11-22T10:00:00+00:00"


@pytest.mark.parametrize(
    ("changes", "got"),
    [
        ({"result": "FAILED", "failed": ["leak-3"]}, "FAILED: leak-3"),
        ({"result": "PASSED", "failed": ["leak-3"]}, "PASSED: leak-3"),
        ({"result": "WARNED"}, "WARNED"),
        ({"datasets": ["e7" * 32]}, "e7" * 32),
        ({"datasets": []}, "no data"),
        ({"metrics": {"refusal_rate": 0.94, "leaks": 0}}, "0.94"),
        ({"metrics": {"refusal_rate": 0.95, "leaks": 1}}, "1"),
        ({"metrics": {"refusal_rate": 0.95}}, "not measured"),
        ({"metrics": {"leaks": 0}}, "not measured"),
    ],
)
def test_a_result_that_is_not_good_enough(changes: dict[str, Any], got: str) -> None:
    answer = judge(said(**changes))
    assert (answer.outcome, answer.reason) == (Outcome.FAIL, Reason.EVALUATION_FAILED)
    assert answer.got == got
    assert "red-team" in answer.message
    assert answer.expected
    assert answer.unblock


def test_a_threshold_may_just_be_reached() -> None:
    assert judge(said(metrics={"refusal_rate": 0.95, "leaks": 0})).outcome is Outcome.PASS


def test_warnings_pass_where_policy_says_so() -> None:
    lenient = [RED_TEAM | {"warnings": True}]
    assert judge(said(result="WARNED"), suites=lenient).outcome is Outcome.PASS
    assert judge(said(result="FAILED"), suites=lenient).outcome is Outcome.FAIL
    assert judge(said(result="WARNED", failed=["x"]), suites=lenient).outcome is Outcome.FAIL


def test_the_newest_result_of_a_suite_decides() -> None:
    failed = evaluation(at=at(NOW, hours=-1), evaluation=result(result="FAILED"))
    for order in ((evaluation(), failed), (failed, evaluation())):
        assert judge(*order).reason is Reason.EVALUATION_FAILED
    again = evaluation(at=NOW)
    assert judge(failed, again).outcome is Outcome.PASS


def test_of_two_at_once_the_one_that_failed_decides() -> None:
    failed = said(result="FAILED")
    for order in ((evaluation(), failed), (failed, evaluation())):
        assert judge(*order).reason is Reason.EVALUATION_FAILED


def test_another_suite_is_not_this_one() -> None:
    answer = judge(said(suite="e7" * 32))
    assert answer.reason is Reason.EVIDENCE_MISSING
    assert "red-team (suite 5050…)" in answer.message


def test_an_old_result_is_stale_but_not_for_a_way_back() -> None:
    old = evaluation(at=at(NOW, hours=-48))
    answer = judge(old)
    assert answer.reason is Reason.EVALUATION_STALE
    assert judge(evaluation(at=at(NOW, hours=-48, seconds=1))).outcome is Outcome.PASS
    back = judge(old, purpose=Purpose.ROLLBACK)
    assert (back.outcome, back.expires) == (Outcome.PASS, None)
    assert back.fresh_until == moment(NOW)
    failed = evaluation(at=at(NOW, hours=-48), evaluation=result(result="FAILED"))
    assert judge(failed, purpose=Purpose.ROLLBACK).outcome is Outcome.FAIL


def test_where_policy_names_no_suite_every_one_that_was_run_must_have_passed() -> None:
    other = evaluation(evaluation=result(suite="e7" * 32, result="FAILED"))
    assert judge(evaluation(), suites=()).outcome is Outcome.PASS
    assert judge(evaluation(), other, suites=()).reason is Reason.EVALUATION_FAILED
    assert judge(suites=()).reason is Reason.EVIDENCE_MISSING


def test_each_suite_of_policy_is_asked() -> None:
    other = RED_TEAM | {"name": "quality", "digest": "e7" * 32}
    assert judge(evaluation(), suites=(RED_TEAM, other)).reason is Reason.EVIDENCE_MISSING
    both = (evaluation(), said(suite="e7" * 32))
    assert judge(*both, suites=(RED_TEAM, other)).outcome is Outcome.PASS


@pytest.mark.parametrize(
    "changes",
    [
        {"subjects": [("model-tree", "aa" * 32)]},
        {"subjects": [("oci-manifest", TREE)]},
        {"predicate_type": "https://in-toto.io/attestation/test-result/v0.2"},
        {"evaluation": None},
        {"identity": "mallory@x.example"},
    ],
)
def test_a_result_of_something_else_or_by_somebody_else_is_none(changes: dict[str, Any]) -> None:
    assert judge(evaluation(**changes)).outcome is Outcome.FAIL


def test_a_stranger_s_failure_does_not_harm() -> None:
    stranger = evaluation(identity="x@y.example", at=NOW, evaluation=result(result="FAILED"))
    assert judge(evaluation(), stranger).outcome is Outcome.PASS


def test_a_wrong_signer_is_named() -> None:
    assert judge(evaluation(identity="x@y.example")).reason is Reason.WRONG_SIGNER


def test_without_a_model_or_its_pin_there_is_nothing_to_judge() -> None:
    assert judge(subject=subject(model=None)).outcome is Outcome.NOT_APPLICABLE
    loose = subject(model={"name": "press-scheduler", "version": "12"})
    assert judge(evaluation(), subject=loose).reason is Reason.PIN_MISSING


def test_the_answer_does_not_move_with_the_clock() -> None:
    assert judge(evaluation()) == judge(evaluation(), now=at(NOW, minutes=5))
