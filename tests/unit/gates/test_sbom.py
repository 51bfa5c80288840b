from typing import Any

import pytest

from interlock.api.facts import SPDX, Evidence
from interlock.api.reasons import Reason
from interlock.api.values import GateResult, Outcome, Purpose
from interlock.gates.sbom import evaluate
from support.facts import IMAGE, NOW, TREE, at, good_facts, subject
from support.policies import documents, good_policy
from support.proofs import bill, ml_bom, sbom


def judge(*evidence: Evidence, asked: dict[str, Any] | None = None, **facts: Any) -> GateResult:
    gates = documents()["gates"] | {"sbom": asked or {}}
    return evaluate(good_facts(evidence=list(evidence), **facts), good_policy(gates=gates))


def said(**changes: Any) -> Evidence:
    return sbom(sbom=bill(**changes))


def test_a_bill_with_nothing_unknown_passes() -> None:
    result = judge(sbom())
    assert (result.outcome, result.evidence) == (Outcome.PASS, (sbom().bundle,))
    assert result.message == "41 components in CycloneDX 1.6"


@pytest.mark.parametrize(
    ("changes", "got"),
    [
        ({"unidentified": 3}, "3"),
        ({"components": 0}, "0 components"),
        ({"describes": ["e7" * 32]}, "e7" * 32),
    ],
)
def test_a_bill_that_shows_too_little(changes: dict[str, Any], got: str) -> None:
    result = judge(said(**changes))
    assert (result.outcome, result.reason) == (Outcome.FAIL, Reason.SBOM_INCOMPLETE)
    assert result.got == got
    assert result.expected
    assert result.unblock


def test_policy_says_how_many_may_be_unknown() -> None:
    assert judge(said(unidentified=3), asked={"maxUnidentified": 3}).outcome is Outcome.PASS
    assert judge(said(unidentified=3), asked={"maxUnidentified": 2}).outcome is Outcome.FAIL


def test_a_document_about_this_image_says_so() -> None:
    assert judge(said(describes=["e7" * 32, IMAGE])).outcome is Outcome.PASS


def test_the_newest_of_a_format_decides() -> None:
    older = sbom(sbom=bill(unidentified=9), at=at(NOW, hours=-9))
    assert judge(older, sbom()).outcome is Outcome.PASS
    newer = sbom(sbom=bill(unidentified=9), at=NOW)
    for order in ((newer, sbom()), (sbom(), newer)):
        assert judge(*order).outcome is Outcome.FAIL


def test_of_two_at_once_the_one_that_knows_less_decides() -> None:
    worse = said(unidentified=1)
    for order in ((worse, sbom()), (sbom(), worse)):
        assert judge(*order).outcome is Outcome.FAIL


def test_a_newer_bill_of_one_format_does_not_hide_a_bad_one_of_another() -> None:
    said = bill(format="SPDX", version="2.3", unidentified=1)
    other = sbom(predicate_type=SPDX, sbom=said, at=at(NOW, hours=-9))
    assert judge(other, sbom()).outcome is Outcome.FAIL


def test_no_bill_is_no_pass() -> None:
    result = judge()
    assert (result.outcome, result.reason) == (Outcome.FAIL, Reason.EVIDENCE_MISSING)
    assert "SBOM of image sha256:5b5b" in result.message


@pytest.mark.parametrize(
    "changes",
    [
        {"subjects": [("oci-manifest", "aa" * 32)]},
        {"subjects": [("model-tree", IMAGE)]},
        {"predicate_type": "https://cyclonedx.org/vex"},
        {"sbom": None},
        {"identity": "mallory@x.example"},
    ],
)
def test_a_bill_of_something_else_or_by_somebody_else_is_none(changes: dict[str, Any]) -> None:
    assert judge(sbom(**changes)).outcome is Outcome.FAIL


MODEL = {"model": True}


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({"models": [TREE], "unlisted": 7}, Outcome.PASS),
        ({"models": ["e7" * 32], "unlisted": 0}, Outcome.PASS),
        ({"models": ["e7" * 32], "unlisted": 1, "unlisted_files": ["MLmodel"]}, Outcome.FAIL),
        ({"models": [], "unlisted": 0}, Outcome.FAIL),
    ],
)
def test_an_ml_bom_lists_the_model_or_each_of_its_files(
    changes: dict[str, Any], outcome: Outcome
) -> None:
    result = judge(sbom(), ml_bom(sbom=bill(**changes)), asked=MODEL)
    assert result.outcome is outcome
    assert (result.reason is Reason.SBOM_INCOMPLETE) is (outcome is Outcome.FAIL)


def test_the_ml_bom_is_about_the_model_and_asked_for_by_policy_only() -> None:
    assert judge(sbom()).outcome is Outcome.PASS
    assert judge(sbom(), asked=MODEL).reason is Reason.EVIDENCE_MISSING
    confused = ml_bom(subjects=[("oci-manifest", TREE)])
    assert judge(sbom(), confused, asked=MODEL).reason is Reason.EVIDENCE_MISSING
    assert judge(ml_bom(), asked=MODEL).reason is Reason.EVIDENCE_MISSING
    assert judge(sbom(), asked=MODEL, subject=subject(model=None)).outcome is Outcome.PASS


def test_both_bills_are_the_evidence() -> None:
    result = judge(sbom(), ml_bom(), asked=MODEL)
    assert set(result.evidence) == {sbom().bundle, ml_bom().bundle}


def test_what_is_not_pinned_cannot_be_judged() -> None:
    model = {"name": "press-scheduler", "version": "12"}
    assert judge(sbom(), asked=MODEL, subject=subject(model=model)).reason is Reason.PIN_MISSING
    assert judge(sbom(), subject=subject(image="r.example/a/b:1")).reason is Reason.PIN_MISSING


def test_a_way_back_needs_its_bill_too() -> None:
    assert judge(said(unidentified=1), purpose=Purpose.ROLLBACK).outcome is Outcome.FAIL
    assert judge(sbom(at=at(NOW, hours=-9000)), purpose=Purpose.ROLLBACK).outcome is Outcome.PASS
