from typing import Any

import pytest

from interlock.api.facts import Denied, Evidence, FileDifference, ModelSignature
from interlock.api.reasons import Reason
from interlock.api.values import GateResult, Outcome
from interlock.gates import image_signature as image_gate
from interlock.gates import model_signature as model_gate
from support.facts import NOW, at, good_facts, image_signature, model_signature, subject
from support.policies import documents, good_policy

CHANGED = ModelSignature(
    files=7,
    differs=[FileDifference(path="weights.safetensors", got="9f2c" * 16, expected="41ab" * 16)],
)


def model(*evidence: Evidence, **facts: Any) -> GateResult:
    return model_gate.evaluate(good_facts(evidence=list(evidence), **facts), good_policy())


def image(*evidence: Evidence, **facts: Any) -> GateResult:
    return image_gate.evaluate(good_facts(evidence=list(evidence), **facts), good_policy())


def test_a_trainer_s_signature_over_all_files_passes() -> None:
    result = model(model_signature())
    assert result.outcome is Outcome.PASS
    assert result.evidence == (model_signature().bundle,)


def test_a_changed_file_is_named_with_both_digests() -> None:
    result = model(model_signature(model=CHANGED))
    assert result.reason is Reason.SIGNATURE_MISMATCH
    assert result.message == (
        "file weights.safetensors is 9f2c…, the signature says 41ab…; the registry's bytes "
        "changed after signing. Register and sign the model again, or restore the file."
    )


@pytest.mark.parametrize(
    ("compared", "said"),
    [
        (ModelSignature(files=7, unsigned=["extra.pkl"]), "there but not signed: extra.pkl"),
        (ModelSignature(files=7, missing=["gone.bin"]), "signed but not there: gone.bin"),
        (
            ModelSignature(files=7, missing=["a.bin"], unsigned=["b.bin"]),
            "signed but not there: a.bin; there but not signed: b.bin",
        ),
        (ModelSignature(files=0), "the signature names no file"),
    ],
)
def test_extra_missing_and_renamed_files_are_named(compared: ModelSignature, said: str) -> None:
    result = model(model_signature(model=compared))
    assert result.reason is Reason.SIGNATURE_MISMATCH
    assert result.message.startswith(said)


@pytest.mark.parametrize("changes", [{"identity": "mallory@evil.example"}, {"issuer": "https://x"}])
def test_another_identity_or_issuer_is_named_with_the_expected_one(changes: dict[str, Any]) -> None:
    for result in (model(model_signature(**changes)), image(image_signature(**changes))):
        assert (result.outcome, result.reason) == (Outcome.FAIL, Reason.WRONG_SIGNER)
        assert next(iter(changes.values())) in result.got
        assert "@line-4.example (https://oidc.example)" in result.expected


def test_a_builder_may_not_sign_models() -> None:
    assert model(model_signature(identity="builder@line-4.example")).outcome is Outcome.FAIL


def test_nothing_signed_is_unsigned() -> None:
    assert model().reason is Reason.UNSIGNED
    assert image().reason is Reason.UNSIGNED


def test_a_denied_bundle_is_named_with_its_reason() -> None:
    denied = Denied(
        bundle="d0" * 32,
        location="mlflow:run/x.sigstore.json",
        code="BadCertificate",
        got="an expired certificate",
        expected="a valid one",
    )
    result = model(denied=[denied])
    assert result.reason is Reason.EVIDENCE_DENIED
    assert "mlflow:run/x.sigstore.json: BadCertificate, got an expired certificate" in (
        result.message
    )


def test_a_denied_approval_says_nothing_about_signatures() -> None:
    denied = Denied(
        bundle="d0" * 32, location="refs/approvals/x:y", code="c", got="g", expected="e"
    )
    assert image(denied=[denied]).reason is Reason.UNSIGNED


def test_an_agent_without_a_model_needs_no_model_signature() -> None:
    result = model(subject=subject(model=None))
    assert result.outcome is Outcome.NOT_APPLICABLE


def test_a_signature_of_another_image_does_not_count() -> None:
    other = image_signature(subjects=[("oci-manifest", "aa" * 32)])
    assert image(other).reason is Reason.UNSIGNED


def test_an_image_without_a_digest_cannot_be_judged() -> None:
    loose = subject(image="registry.example/agents/press-scheduler:1.4.2")
    assert image(image_signature(), subject=loose).reason is Reason.PIN_MISSING


@pytest.mark.parametrize("since", [None, at(NOW, hours=-3)])
def test_a_revoked_signer_counts_nothing_from_that_moment(since: str | None) -> None:
    entry = {"identity": "builder@line-4.example", "issuer": "https://oidc.example", "reason": "r"}
    revoked = {"digests": [], "signers": [entry | ({"since": since} if since else {})]}
    policy = good_policy(revocations=revoked)
    result = image_gate.evaluate(good_facts(), policy)
    assert (result.outcome, result.reason) == (Outcome.FAIL, Reason.REVOKED)


def test_what_a_signer_signed_before_it_was_lost_still_counts() -> None:
    entry = {"identity": "builder@line-4.example", "issuer": "https://oidc.example", "reason": "r"}
    policy = good_policy(revocations={"digests": [], "signers": [entry | {"since": NOW}]})
    assert image_gate.evaluate(good_facts(), policy).outcome is Outcome.PASS


def test_a_signer_s_key_lost_long_ago_is_known_from_trust_too() -> None:
    trust = documents()["trust"]
    trust["signers"][1]["compromisedSince"] = at(NOW, hours=-3)
    result = image_gate.evaluate(good_facts(), good_policy(trust=trust))
    assert result.reason is Reason.WRONG_SIGNER
