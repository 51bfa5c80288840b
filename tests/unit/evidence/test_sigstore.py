"""The wrapper around sigstore: what a good bundle proves, and that every bad one is a value."""

import datetime as dt
import hashlib
import json
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from interlock.api import facts
from interlock.evidence import leaf
from interlock.evidence.sigstore import Refusal, SigstoreVerifier, Verified
from interlock.evidence.statement import Refused
from interlock_sandbox.sigstore import Instance, LeafKey, LogVersion, Recipe, Window
from support import signed

DAY = dt.timedelta(days=1)
GOOD = signed.signed_image()


def refusal(bundle: bytes, now: dt.datetime | None = None) -> Refusal:
    answer = signed.verifier().verify(bundle, now or signed.now())
    assert isinstance(answer, Refusal), answer
    return answer


@pytest.mark.parametrize("version", LogVersion)
def test_a_good_bundle_says_who_signed_what_when(version: LogVersion) -> None:
    at = signed.now() - DAY
    claims = {"source_repository_uri": "https://git.example/line-4/agents"}
    recipe = Recipe(
        identity="https://ci.example/builder", time=at, log_version=version, extensions=claims
    )
    answer = signed.verifier().verify(signed.signed_image(recipe), signed.now())
    assert answer == Verified(
        identity="https://ci.example/builder",
        issuer="https://oidc.sigstore.example",
        at=at.replace(microsecond=0),
        statement=hashlib.sha256(signed.image_statement()).hexdigest(),
        predicate_type=facts.COSIGN,
        subjects=(("oci-manifest", signed.IMAGE),),
        predicate={},
        extensions={"sourceRepositoryURI": "https://git.example/line-4/agents"},
    )


def test_an_e_mail_address_is_an_identity_too() -> None:
    bundle = signed.signed_image(Recipe(identity="trainer@plant.example"))
    answer = signed.verifier().verify(bundle, signed.now())
    assert isinstance(answer, Verified)
    assert answer.identity == "trainer@plant.example"


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        (b"[]", "Statement/v1"),
        (b"{}", "Statement/v1"),
        (b'{"_type": "https://in-toto.io/Statement/v0.1"}', "Statement/v1"),
        (b'{"_type": "https://in-toto.io/Statement/v1", "predicateType": 1}', "predicate"),
    ],
)
def test_only_a_statement_v1_counts(statement: bytes, expected: str) -> None:
    answer = refusal(signed.instance().sign_statement(statement))
    assert answer.code == "BadStatement"
    assert expected in answer.expected


@pytest.mark.parametrize(
    "subjects",
    [
        [],
        [{"digest": {"sha256": "a" * 64}}] * 65,
        [{"name": "x", "digest": {"sha256": "A" * 64}}],
        [{"name": "x", "digest": {"sha256": "aa"}}],
        [{"name": "x", "digest": {"sha512": "a" * 128}}],
        [{"name": "x", "digest": {"sha256": "a" * 64, "sha1": "b" * 40}}],
        [{"name": 1, "digest": {"sha256": "a" * 64}}],
        ["x"],
        "x",
        None,
    ],
)
def test_subjects_are_one_sha256_each(subjects: object) -> None:
    value = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": subjects,
        "predicateType": facts.COSIGN,
        "predicate": {},
    }
    assert refusal(signed.instance().sign_statement(json.dumps(value).encode())).code == (
        "BadStatement"
    )


@pytest.mark.parametrize("role", ["ca", "log", "ct"])
def test_a_retired_authority_vouches_for_nothing_new(role: Any) -> None:
    """G1: the library never looks at the end of a trust window."""
    now = signed.now()
    window = Window(now - 30 * DAY, now - DAY)
    verifier = SigstoreVerifier(signed.instance().trusted_root({role: window}))
    answer = verifier.verify(GOOD, now)
    assert isinstance(answer, Refusal)
    assert answer.code == "OutsideTrust"
    old = signed.signed_image(Recipe(time=now - 2 * DAY))
    assert isinstance(verifier.verify(old, now), Verified)


def test_a_root_that_cannot_be_used_is_an_error_at_once() -> None:
    with pytest.raises(ValueError, match=r"trusted_root\.json cannot be used"):
        SigstoreVerifier(b'{"mediaType": "x"}')


@pytest.mark.parametrize("key", [LeafKey.RSA2048, LeafKey.ED25519])
def test_a_leafs_key_is_on_an_elliptic_curve(key: LeafKey) -> None:
    """G4: the library ends in a TypeError."""
    assert refusal(signed.signed_image(Recipe(key=key))).code == "BadCertificate"


def test_a_leaf_names_its_issuer_in_the_extension_that_cannot_be_misread() -> None:
    assert refusal(signed.signed_image(Recipe(issuer_v2=""))).code == "NoIssuer"


@pytest.mark.parametrize(
    "names",
    [
        [x509.RFC822Name("trainer@plant.example"), x509.RFC822Name("mallory@plant.example")],
        [x509.RFC822Name("trainer@plant.example"), x509.DNSName("plant.example")],
        [x509.DNSName("plant.example")],
    ],
)
def test_a_leaf_names_exactly_one_signer(names: list[x509.GeneralName]) -> None:
    issuer = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.8")
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(x509.Name([]))
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(signed.now())
        .not_valid_after(signed.now() + dt.timedelta(minutes=10))
        .add_extension(x509.SubjectAlternativeName(names), critical=True)
        .add_extension(x509.UnrecognizedExtension(issuer, b"\x0c\x01x"), critical=False)
        .sign(key, hashes.SHA256())
    )
    with pytest.raises(Refused) as refused:
        leaf.read(certificate)
    assert refused.value.code == "NoIdentity"


def test_another_sigstore_proves_nothing_here() -> None:
    bundle = Instance.create("other.example").bundle(Recipe(payload=b"{}"))
    assert refusal(bundle).code == "OutsideTrust"


@settings(max_examples=200, deadline=None)
@given(place=st.integers(min_value=0), flip=st.integers(min_value=1, max_value=255))
def test_a_flipped_byte_is_a_refusal_or_changes_nothing(place: int, flip: int) -> None:
    now = signed.now()
    good = signed.verifier().verify(GOOD, now)
    assert isinstance(good, Verified)
    mutated = bytearray(GOOD)
    mutated[place % len(GOOD)] ^= flip
    answer = signed.verifier().verify(bytes(mutated), now)
    assert isinstance(answer, Refusal) or answer == good


@given(st.binary(max_size=200))
def test_any_bytes_are_answered(data: bytes) -> None:
    refusal(data)
