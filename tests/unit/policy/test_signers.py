"""Who may say what: exact identities, patterns, what the certificate says of the build, keys."""

from datetime import datetime
from typing import Any, get_args

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa, x448
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from interlock.api import facts
from interlock.api.facts import Evidence
from interlock.evidence import leaf
from interlock.policy import signers
from interlock.policy.parse import PolicyError
from support.policies import BUILDER, ISSUER, TRAINER, documents, good_policy

DAY = "2026-11-20T12:00:00Z"
CI = "https://ci.example/line-4/agents/.ci/build.yaml@refs/heads/main"
TRUSTED = good_policy().trust.signers


def pem(private: Any = None) -> str:
    key = private or ec.generate_private_key(ec.SECP256R1())
    encoded: bytes = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return encoded.decode()


KEY = pem()


def evidence(kind: str = facts.OMS, **changes: Any) -> Evidence:
    whole: dict[str, Any] = {
        "bundle": "b" * 64,
        "location": "run",
        "predicate_type": kind,
        "subjects": [],
        "identity": TRAINER,
        "issuer": ISSUER,
        "at": DAY,
    }
    return Evidence.model_validate(whole | changes)


def built(**changes: Any) -> Evidence:
    return evidence(facts.COSIGN, **({"identity": CI} | changes))


def trusting(*entries: dict[str, Any]) -> list[signers.Signer]:
    trust = documents()["trust"] | {"signers": list(entries)}
    return good_policy(trust=trust).trust.signers


def builder(**changes: Any) -> dict[str, Any]:
    return {"role": "builder", "identity": CI, "issuer": ISSUER} | changes


@pytest.mark.parametrize(
    ("shown", "allowed"),
    [
        (evidence(), True),
        (evidence(facts.TRAINING), True),
        (evidence(facts.COSIGN, identity=BUILDER), True),
        (evidence(facts.COSIGN), False),
        (evidence(facts.VULNS), False),
        (evidence("https://example/unknown"), False),
        (evidence(identity=TRAINER.upper()), False),
        (evidence(issuer="https://oidc.example/"), False),
        (evidence(issuer=""), False),
    ],
)
def test_signers_are_matched_exactly_and_by_role(shown: Evidence, allowed: bool) -> None:
    assert signers.allowed(TRUSTED, shown) is allowed


@pytest.mark.parametrize(
    ("change", "allowed"),
    [
        ({"notBefore": DAY}, True),
        ({"notBefore": "2026-11-20T12:00:01Z"}, False),
        ({"notAfter": DAY}, True),
        ({"notAfter": "2026-11-20T11:59:59Z"}, False),
        ({"compromisedSince": "2026-11-20T12:00:01Z"}, True),
        ({"compromisedSince": DAY}, False),
    ],
)
def test_a_signer_counts_at_its_time(change: dict[str, Any], allowed: bool) -> None:
    assert signers.allowed(trusting(builder(**change)), built()) is allowed


@pytest.mark.parametrize(
    "again",
    [
        builder(),
        builder(role="trainer"),
        builder(identity="https://ci.example/line-4/agents/.ci/*@refs/heads/main"),
    ],
)
def test_a_second_entry_does_not_heal_a_compromise(again: dict[str, Any]) -> None:
    entries = trusting(builder(compromisedSince=DAY), again)
    assert not signers.allowed(entries, built())


def test_a_compromised_pattern_takes_all_that_it_covers_along() -> None:
    wide = builder(
        role="trainer",
        identity="https://ci.example/line-4/*/.ci/build.yaml@refs/heads/*",
        extensions={"buildTrigger": "push"},
        compromisedSince=DAY,
    )
    assert not signers.allowed(trusting(builder(), wide), built())


@pytest.mark.parametrize(
    ("extensions", "allowed"),
    [
        ({"sourceRepositoryRef": "refs/heads/main", "buildTrigger": "push"}, True),
        ({"sourceRepositoryRef": "refs/heads/main"}, False),
        ({"sourceRepositoryRef": "refs/heads/main", "buildTrigger": "pull_request"}, False),
        ({"sourceRepositoryRef": "refs/pull/1", "buildTrigger": "push"}, False),
        ({}, False),
    ],
)
def test_each_extension_asked_for_must_be_there_and_fit(
    extensions: dict[str, str], allowed: bool
) -> None:
    wanted = {"sourceRepositoryRef": "refs/heads/*", "buildTrigger": "push"}
    entries = trusting(builder(extensions=wanted))
    assert signers.allowed(entries, built(extensions=extensions)) is allowed


def test_a_signer_can_be_kept_to_some_of_its_role_s_statements() -> None:
    entries = trusting(builder(predicateTypes=[facts.PROVENANCE]))
    assert signers.allowed(entries, evidence(facts.PROVENANCE, identity=CI))
    assert not signers.allowed(entries, built())


def test_a_key_is_a_signer_of_its_own_class() -> None:
    entries = trusting({"role": "builder", "key": KEY})
    identity = signers.key_identity(KEY)
    assert signers.allowed(entries, built(identity=identity, issuer=""))
    assert not signers.allowed(entries, built(identity=identity, issuer=ISSUER))
    assert not signers.allowed(entries, built(identity=signers.key_identity(pem()), issuer=""))
    assert not signers.allowed(entries, built())
    assert entries[0].shown == identity


def test_a_certificate_that_names_a_key_is_no_key() -> None:
    """Whoever may choose an identity must not choose one that a pattern or a key is for."""
    identity = signers.key_identity(KEY)
    entries = trusting(builder(identity=identity))
    assert not signers.allowed(entries, built(identity=identity, issuer=""))


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"role": "builder"}, "identity and issuer, or a key"),
        ({"role": "builder", "identity": CI}, "identity and issuer, or a key"),
        ({"role": "builder", "issuer": ISSUER}, "identity and issuer, or a key"),
        (builder(key=KEY), "and not both"),
        ({"role": "builder", "issuer": ISSUER, "key": KEY}, "identity and issuer"),
        ({"role": "builder", "key": KEY, "extensions": {"buildTrigger": "push"}}, "no certificate"),
        (builder(identity="*"), "leaves the host open"),
        (builder(issuer="https://*.example/"), "leaves the host open"),
        (builder(extensions={"sourceRepositoryURI": "*/*/*/agents"}), "leaves the host open"),
        (builder(extensions={"sourceRepositoryUri": "x"}), "sourceRepositoryUri"),
        (builder(predicateTypes=[facts.VULNS]), "a builder signs no"),
        ({"role": "builder", "key": "x"}, "no public key in PEM"),
        ({"role": "builder", "key": pem(rsa.generate_private_key(65537, 2048))}, "3072 bits"),
        ({"role": "builder", "key": pem(ec.generate_private_key(ec.SECP256K1()))}, "P-256"),
        ({"role": "builder", "key": pem(x448.X448PrivateKey.generate())}, "P-256"),
    ],
)
def test_an_entry_that_means_something_else_is_refused(entry: dict[str, Any], said: str) -> None:
    with pytest.raises(PolicyError, match=r"trust\.yaml: signers\.0") as refused:
        trusting(entry)
    assert said in str(refused.value)


def test_good_keys_are_taken() -> None:
    for private in (
        ec.generate_private_key(ec.SECP384R1()),
        ed25519.Ed25519PrivateKey.generate(),
        rsa.generate_private_key(65537, 3072),
    ):
        assert trusting({"role": "scanner", "key": pem(private)})


def test_another_kind_of_key_is_none() -> None:
    with pytest.raises(ValueError, match="P-256"):
        signers.managed_key(pem(dsa.generate_private_key(2048)))


def test_every_claim_that_policy_may_ask_for_is_read_from_certificates() -> None:
    assert set(leaf.CLAIMS.values()) == set(get_args(signers.Claim))


def test_moments_are_compared_as_moments() -> None:
    later = datetime.fromisoformat(DAY).isoformat()
    assert signers.allowed(trusting(builder(notAfter=later)), built())
