from typing import Any

import pytest

from interlock.api.facts import Evidence
from interlock.api.reasons import Reason
from interlock.api.values import GateResult, Outcome, Purpose
from interlock.gates.training_record import evaluate
from support.facts import NOW, TREE, at, good_facts, subject
from support.policies import documents, good_policy
from support.proofs import DATASET, trained, training

OTHER = "e7" * 32


def judge(*evidence: Evidence, data: tuple[str, ...] = (DATASET,), **facts: Any) -> GateResult:
    gates = documents()["gates"] | {"trainingRecord": {"datasets": list(data)}}
    return evaluate(good_facts(evidence=list(evidence), **facts), good_policy(gates=gates))


def test_a_model_trained_on_allowed_data_passes() -> None:
    result = judge(training())
    assert (result.outcome, result.evidence) == (Outcome.PASS, (training().bundle,))
    assert "run-7" in result.message
    assert judge(training(), data=(OTHER, DATASET)).outcome is Outcome.PASS


def test_data_that_nobody_allowed_is_named() -> None:
    result = judge(training(training=trained(datasets=[DATASET, OTHER])))
    assert (result.outcome, result.reason) == (Outcome.FAIL, Reason.DATA_NOT_ALLOWED)
    assert (result.got, result.expected) == (OTHER, DATASET)
    assert result.unblock


def test_where_policy_names_no_data_any_that_is_named_will_do() -> None:
    assert judge(training(training=trained(datasets=[OTHER])), data=()).outcome is Outcome.PASS
    assert judge(data=()).reason is Reason.EVIDENCE_MISSING


def test_the_newest_record_decides() -> None:
    newer = training(at=NOW, training=trained(datasets=[OTHER]))
    for order in ((newer, training()), (training(), newer)):
        assert judge(*order).reason is Reason.DATA_NOT_ALLOWED


@pytest.mark.parametrize(
    "changes",
    [
        {"subjects": [("model-tree", "aa" * 32)]},
        {"subjects": [("oci-manifest", TREE)]},
        {"predicate_type": "https://interlock.dev/attestation/training/v2"},
        {"training": None},
        {"identity": "mallory@x.example"},
    ],
)
def test_a_record_of_something_else_or_by_somebody_else_is_none(changes: dict[str, Any]) -> None:
    assert judge(training(**changes)).outcome is Outcome.FAIL


def test_a_record_does_not_age() -> None:
    old = training(at=at(NOW, hours=-90_000))
    assert judge(old).expires is None
    assert judge(old, purpose=Purpose.ROLLBACK).outcome is Outcome.PASS


def test_without_a_model_or_its_pin_there_is_nothing_to_judge() -> None:
    assert judge(subject=subject(model=None)).outcome is Outcome.NOT_APPLICABLE
    loose = subject(model={"name": "press-scheduler", "version": "12"})
    assert judge(training(), subject=loose).reason is Reason.PIN_MISSING
