"""Whose signatures count, for what: exact identities, anchored patterns, or keys of one's own.

A signature that holds is somebody's signature. Who may say what is one list, by role, and both
kinds of signer are named in it outright: an identity that a certificate authority vouches for, or
a public key that somebody keeps. Neither is ever taken for the other.
"""

import hashlib
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Annotated, Literal

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
)
from pydantic import Field

from interlock.api import facts
from interlock.api.facts import Evidence
from interlock.api.kinds.base import Model, Time
from interlock.policy.evidence import Pattern
from interlock.policy.patterns import matches, open_host

ManagedKey = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey
MIN_RSA_BITS = 3072
"""NIST SP 800-57: what is still worth 128 bits."""
KEY_PREFIX = "key:sha256:"
"""How an identity begins that is a key and no certificate's."""
Claim = Literal[
    "buildSignerURI",
    "buildSignerDigest",
    "runnerEnvironment",
    "sourceRepositoryURI",
    "sourceRepositoryDigest",
    "sourceRepositoryRef",
    "sourceRepositoryIdentifier",
    "sourceRepositoryOwnerURI",
    "sourceRepositoryOwnerIdentifier",
    "buildConfigURI",
    "buildConfigDigest",
    "buildTrigger",
    "runInvocationURI",
    "sourceRepositoryVisibility",
]
"""What a certificate may say of the build that asked for it (fulcio docs/oid-info.md)."""

ROLE_OF: dict[str, str] = {
    facts.OMS: "trainer",
    facts.COSIGN: "builder",
    facts.PROVENANCE: "builder",
    facts.CYCLONEDX: "builder",
    facts.SPDX: "builder",
    facts.SPDX_2_3: "builder",
    facts.SPDX_3: "builder",
    facts.VULNS: "scanner",
    facts.TEST_RESULT: "evaluator",
    facts.TRAINING: "trainer",
}
"""Which role may sign which predicate type."""


class Signer(Model):
    """Somebody who may sign, in one role: an identity with its issuer, or a key."""

    role: Literal["trainer", "builder", "scanner", "evaluator"]
    identity: Pattern | None = None
    issuer: Pattern | None = None
    extensions: dict[Claim, Pattern] = {}
    """What the certificate must say of the build, each of them."""
    key: Annotated[str, Field(max_length=4096)] | None = None
    """A public key in PEM, where no certificate authority stands between: a KMS's, or a file's."""
    predicate_types: list[str] = []
    """Which of the role's statements it may sign; none named: all of them."""
    not_before: Time | None = None
    not_after: Time | None = None
    compromised_since: Time | None = None

    @property
    def shown(self) -> str:
        """The signer as messages name it."""
        return key_identity(self.key) if self.key else f"{self.identity} ({self.issuer})"


def allowed(signers: Sequence[Signer], evidence: Evidence) -> bool:
    """Whether one of these may say this kind of thing, and said it while it might."""
    role, at = ROLE_OF.get(evidence.predicate_type), datetime.fromisoformat(evidence.at)
    mine = [signer for signer in signers if _is(signer, evidence)]
    # A compromise is of the identity: another entry for it, in whatever role, does not heal it.
    if any(s.compromised_since and at >= _moment(s.compromised_since) for s in mine):
        return False
    return any(s.role == role and _may(s, evidence) and _valid(s, at) for s in mine)


def faults(signer: Signer) -> Iterator[str]:
    """Yield why an entry means less, or more, than its author can have meant."""
    if bool(signer.identity) != bool(signer.issuer) or bool(signer.key) == bool(signer.identity):
        yield "give identity and issuer, or a key, and not both"
    if signer.key and signer.extensions:
        yield "a key has no certificate that could have extensions; remove them"
    hosted = [value for name, value in signer.extensions.items() if name.endswith("URI")]
    for pattern in filter(None, (signer.identity, signer.issuer, *hosted)):
        if open_host(pattern):
            yield f"{pattern!r} leaves the host open; write it out, and a slash before the *"
    for kind in signer.predicate_types:
        if ROLE_OF.get(kind) != signer.role:
            yield f"a {signer.role} signs no {kind}"
    yield from _key_faults(signer.key)


def key_identity(pem: str) -> str:
    """Return what evidence calls the signer that a key is. Raises ValueError for no such key."""
    return f"{KEY_PREFIX}{hashlib.sha256(spki(managed_key(pem))).hexdigest()}"


def managed_key(pem: str) -> ManagedKey:
    """Return a key that may sign: P-256, P-384, Ed25519, or RSA of 3072 bits or more.

    Raises ValueError for every other one.
    """
    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("the key is no public key in PEM") from None
    if isinstance(key, rsa.RSAPublicKey) and key.key_size >= MIN_RSA_BITS:
        return key
    if isinstance(key, ec.EllipticCurvePublicKey):
        if isinstance(key.curve, ec.SECP256R1 | ec.SECP384R1):
            return key
    elif isinstance(key, ed25519.Ed25519PublicKey):
        return key
    raise ValueError(f"a key must be P-256, P-384, Ed25519 or RSA of {MIN_RSA_BITS} bits or more")


def spki(key: ManagedKey) -> bytes:
    """Return a key's DER SubjectPublicKeyInfo, over which fingerprints are made."""
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _key_faults(pem: str | None) -> Iterator[str]:
    try:
        if pem is not None:
            managed_key(pem)
    except ValueError as error:
        yield str(error)


def _is(signer: Signer, evidence: Evidence) -> bool:
    """Whether an entry names who signed, as whatever it lets them do."""
    if signer.key:
        return not evidence.issuer and evidence.identity == key_identity(signer.key)
    return bool(
        signer.identity
        and signer.issuer
        and matches(signer.identity, evidence.identity)
        and matches(signer.issuer, evidence.issuer)
    )


def _may(signer: Signer, evidence: Evidence) -> bool:
    said = evidence.extensions
    if any(name not in said or not matches(p, said[name]) for name, p in signer.extensions.items()):
        return False
    return not signer.predicate_types or evidence.predicate_type in signer.predicate_types


def _valid(signer: Signer, at: datetime) -> bool:
    begun = signer.not_before is None or at >= _moment(signer.not_before)
    return begun and (signer.not_after is None or at <= _moment(signer.not_after))


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
