from typing import Any

import pytest

from interlock.api.facts import Denied, Evidence
from interlock.api.reasons import Reason
from interlock.api.values import GateResult, Outcome, Purpose
from interlock.gates.provenance import evaluate
from support import proofs
from support.facts import NOW, at, change, good_facts, subject
from support.policies import documents, good_policy
from support.proofs import built, provenance

STRICT = {
    "builders": [{"id": "https://ci.example/builders/*", "identity": "builder@*"}],
    "buildTypes": [proofs.BUILD_TYPE],
    "sources": [proofs.SOURCE],
    "parameters": {"workflow.ref": "refs/heads/*"},
}


def judge(*evidence: Evidence, asked: dict[str, Any] | None = None, **facts: Any) -> GateResult:
    gates = documents()["gates"] | {"provenance": STRICT if asked is None else asked}
    return evaluate(good_facts(evidence=list(evidence), **facts), good_policy(gates=gates))


def said(**changes: Any) -> Evidence:
    return provenance(provenance=built(**changes))


def test_the_allowed_builder_source_and_branch_pass() -> None:
    result = judge(provenance())
    assert (result.outcome, result.evidence) == (Outcome.PASS, (provenance().bundle,))
    assert proofs.BUILDER_ID in result.message
    assert result.expires is None


@pytest.mark.parametrize(
    ("changes", "got"),
    [
        ({"builder": "https://ci.example/builders/x/y"}, "https://ci.example/builders/x/y"),
        ({"build_type": "https://other.example"}, "https://other.example"),
        ({"source": "git+https://git.example/fork@refs/heads/main"}, None),
        ({"source": ""}, "none"),
        ({"parameters": {"workflow.ref": "refs/heads/a/b"}}, "refs/heads/a/b"),
        ({"parameters": {"workflow\\.ref": "refs/heads/main"}}, "none"),
        ({"parameters": {}}, "none"),
    ],
)
def test_another_origin_is_named_and_refused(changes: dict[str, Any], got: str | None) -> None:
    result = judge(said(**changes))
    assert (result.outcome, result.reason) == (Outcome.FAIL, Reason.PROVENANCE_MISMATCH)
    assert result.got == (got or changes["source"])
    assert result.got in result.message
    assert result.expected
    assert result.unblock


def test_empty_lists_ask_only_for_a_trusted_statement() -> None:
    odd = said(builder="https://x.example", source="", parameters={})
    assert judge(odd, asked={}).outcome is Outcome.PASS
    assert judge(asked={}).reason is Reason.EVIDENCE_MISSING


def test_one_good_statement_is_enough_whatever_else_was_signed() -> None:
    other = provenance(provenance=built(builder="https://x.example"), at=NOW)
    for order in ((other, provenance()), (provenance(), other)):
        assert judge(*order).outcome is Outcome.PASS


def test_the_newest_of_the_bad_ones_is_named() -> None:
    older = provenance(provenance=built(builder="https://old.example"), at=at(NOW, hours=-9))
    newer = provenance(provenance=built(builder="https://new.example"))
    assert judge(older, newer).got == "https://new.example"


def test_a_signer_speaks_for_its_own_builder_only() -> None:
    """SLSA: a weaker builder must not be able to call itself a stronger one."""
    strong = {"id": proofs.BUILDER_ID, "identity": "strong@line-4.example"}
    weak = {"id": "https://ci.example/weak", "identity": "builder@line-4.example"}
    result = judge(provenance(), asked={"builders": [strong, weak]})
    assert (result.reason, result.got) == (Reason.PROVENANCE_MISMATCH, proofs.BUILDER_ID)
    assert result.expected == "https://ci.example/weak"
    assert judge(provenance(), asked={"builders": [strong]}).outcome is Outcome.FAIL
    own = {"id": proofs.BUILDER_ID, "identity": "builder@line-4.example"}
    assert judge(provenance(), asked={"builders": [strong, own]}).outcome is Outcome.PASS


COMMIT = {"approvedCommit": True}


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({"commit": proofs.COMMIT}, Outcome.PASS),
        ({"contains": [proofs.COMMIT]}, Outcome.PASS),
        ({"contains": ["e7" * 20]}, Outcome.FAIL),
        ({}, Outcome.FAIL),
    ],
)
def test_the_commit_may_have_to_be_in_the_approved_change(
    changes: dict[str, Any], outcome: Outcome
) -> None:
    assert judge(provenance(), asked=COMMIT, change=change(**changes)).outcome is outcome


def test_no_commit_and_no_change_are_no_match() -> None:
    assert judge(said(commit=""), asked=COMMIT).got == "no commit"
    assert judge(said(commit=""), asked=COMMIT, change=change(contains=[""])).got == "no commit"
    assert judge(provenance(), asked=COMMIT, change=None).got == "no change"


def test_a_way_back_is_not_asked_for_a_file_that_has_moved_on() -> None:
    back: dict[str, Any] = {"purpose": Purpose.ROLLBACK, "change": None}
    assert judge(provenance(), asked=COMMIT, **back).outcome is Outcome.PASS
    assert judge(said(builder="https://x.example"), **back).outcome is Outcome.FAIL


@pytest.mark.parametrize(
    "changes",
    [
        {"subjects": [("oci-manifest", "aa" * 32)]},
        {"subjects": [("model-tree", "5b" * 32)]},
        {"subjects": [("agent-content", "5b" * 32)]},
        {"predicate_type": "https://slsa.dev/provenance/v0.2"},
        {"provenance": None},
    ],
)
def test_a_statement_about_something_else_is_none(changes: dict[str, Any]) -> None:
    assert judge(provenance(**changes)).outcome is Outcome.FAIL


def test_other_tools_name_an_image_by_its_repository() -> None:
    named = provenance(subjects=[("registry.example/agents/press", "5b" * 32)])
    assert judge(named).outcome is Outcome.PASS


def test_the_wrong_signer_is_named() -> None:
    assert judge(provenance(identity="mallory@x.example")).reason is Reason.WRONG_SIGNER


def test_a_denied_bundle_is_named() -> None:
    denied = Denied(bundle="d0" * 32, location="x", code="BadPredicate", got="a", expected="b")
    assert judge(denied=[denied]).reason is Reason.EVIDENCE_DENIED


def test_an_unpinned_image_cannot_be_judged() -> None:
    unpinned = subject(image="registry.example/agents/press-scheduler:1.4.2")
    assert judge(provenance(), subject=unpinned).reason is Reason.PIN_MISSING
