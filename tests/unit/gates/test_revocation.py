from typing import Any

import pytest

from interlock.api.reasons import Reason
from interlock.api.values import Outcome, Purpose
from interlock.gates.revocation import evaluate
from support.facts import (
    BEHAVIOUR,
    CONTENT,
    IMAGE,
    PROMPT,
    TREE,
    VOLUME,
    good_facts,
    image_signature,
    model_signature,
    scan_evidence,
)
from support.policies import BUILDER, ISSUER, good_policy


def revoking(*digests: str) -> Any:
    return good_policy(
        revocations={"digests": [{"digest": d, "reason": "leaked"} for d in digests], "signers": []}
    )


def test_what_nobody_revoked_passes() -> None:
    assert evaluate(good_facts(), good_policy()).outcome is Outcome.PASS


@pytest.mark.parametrize("purpose", list(Purpose))
@pytest.mark.parametrize("digest", [CONTENT, BEHAVIOUR, IMAGE, TREE, VOLUME, PROMPT])
def test_any_digest_of_the_subject_can_be_revoked(digest: str, purpose: Purpose) -> None:
    result = evaluate(good_facts(purpose=purpose), revoking(digest))
    assert (result.outcome, result.reason) == (Outcome.FAIL, Reason.REVOKED)
    assert "leaked" in result.message


def test_a_revoked_bundle_fails_what_rests_on_it() -> None:
    assert evaluate(good_facts(), revoking(image_signature().bundle)).reason is Reason.REVOKED


def test_a_revoked_signature_of_the_model_fails_it_though_it_names_no_tree_of_ours() -> None:
    signed = model_signature(subjects=[("model", "ab" * 32)])
    facts = good_facts(evidence=[signed, image_signature(), scan_evidence()])
    assert evaluate(facts, good_policy()).outcome is Outcome.PASS
    assert evaluate(facts, revoking(signed.bundle)).reason is Reason.REVOKED


def test_a_revoked_bundle_that_was_replaced_harms_nobody() -> None:
    fresh = image_signature(location="oci:other")
    facts = good_facts(evidence=[model_signature(), image_signature(), fresh, scan_evidence()])
    assert evaluate(facts, revoking(image_signature().bundle)).outcome is Outcome.PASS


def test_a_revoked_signer_fails_what_rests_on_it() -> None:
    entry = {"identity": BUILDER, "issuer": ISSUER, "reason": "laptop stolen"}
    policy = good_policy(revocations={"digests": [], "signers": [entry]})
    result = evaluate(good_facts(), policy)
    assert result.reason is Reason.REVOKED
    assert "laptop stolen" in result.message


def test_a_revoked_stranger_s_bundle_harms_nobody() -> None:
    entry = {"identity": "mallory", "issuer": ISSUER, "reason": "hostile"}
    policy = good_policy(revocations={"digests": [], "signers": [entry]})
    facts = good_facts(evidence=[image_signature(identity="mallory")])
    assert evaluate(facts, policy).outcome is Outcome.PASS
