"""One file of approvals: what it says, once a signature over it holds. Three kinds, one reader.

An SSH signature by a person's key, a Sigstore bundle, or the word of a bridge on a review that it
saw in a forge. All carry the same statement, read as strictly. What kind a file is follows from
what was signed: a bridge signs for a namespace of its own, so that its key can never make what
counts as a person's own signature, nor a person's key what counts as a forge's.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import Field, ValidationError, field_validator, model_validator

from interlock.api import digests, facts
from interlock.api.facts import Approval, ForgeAccount
from interlock.api.kinds.base import Hex64, Model
from interlock.evidence import sshsig
from interlock.evidence.http import shown
from interlock.evidence.proven import Verifies
from interlock.evidence.sigstore import Refusal
from interlock.evidence.statement import PAYLOAD_TYPE, Refused
from interlock.policy import strict_json
from interlock.policy.model import Forge as ForgeUrl

NAMESPACE = "change-approval@interlock.dev"
"""SSHSIG namespace: a signature made for commits, or for files, is none for an approval."""
FORGE_NAMESPACE = "forge-review@interlock.dev"
"""SSHSIG namespace of bridges, for reviews that they saw."""
MAX_BYTES = 64 * 1024
YEARS = range(2000, 3000)
_STATEMENT = f"an in-toto statement of type {facts.APPROVAL}"

M = TypeVar("M", bound=Model)
Line = Annotated[str, Field(max_length=512)]


class Forge(Model):
    """The review that a bridge saw."""

    url: ForgeUrl
    """The forge, as `people.yaml` and `trust.yaml` name it."""
    account: Annotated[int, Field(ge=1, strict=True)]
    """The reviewer's number there."""
    login: Annotated[str, Field(max_length=255)]
    """The reviewer's name there, to be shown: it may be somebody else's tomorrow."""
    pull: Annotated[int, Field(ge=1, strict=True)]
    review: Annotated[str, Field(min_length=1, max_length=255)]
    """The review's number or address."""
    commit: Annotated[str, Field(pattern=r"^([0-9a-f]{40}|[0-9a-f]{64}|)$")]
    """The commit that was reviewed; empty where the forge forgot it, and then only of a no."""
    seen: datetime
    """When the bridge read it."""

    @field_validator("seen", mode="before")
    @classmethod
    def _moment(cls, value: object) -> datetime:
        return _utc(value)


class Predicate(Model):
    """What an approver says, as it was signed."""

    decision: Literal["approve", "reject", "revoke"]
    clusters: Annotated[list[Line], Field(min_length=1, max_length=64)]
    repository: Line
    ref: Line
    path: Line
    environment: Line
    namespace: Line
    predecessor: Annotated[str, Field(pattern=r"^([0-9a-f]{64}|none)$")]
    policy_digest: Annotated[str, Field(max_length=64)] = ""
    person: Annotated[str, Field(max_length=63)]
    role: Annotated[str, Field(max_length=63)]
    not_before: datetime
    not_after: datetime
    nonce: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{16,64}$")]
    reason: Annotated[str, Field(max_length=1024)] = ""
    overrides: Annotated[list[Line], Field(max_length=16)] = []
    """Freezes that the person lifts for this content."""
    forge: Forge | None = None
    """In a bridge's word, the review; nobody else may say one."""

    @field_validator("not_before", "not_after", mode="before")
    @classmethod
    def _moment(cls, value: object) -> datetime:
        return _utc(value)

    @model_validator(mode="after")
    def _reviewed(self) -> Self:
        if self.forge and not self.forge.commit and self.decision == "approve":
            raise ValueError("a review that approves names the commit that was reviewed")
        return self


def _utc(value: object) -> datetime:
    if not isinstance(value, str) or not value.endswith("Z"):
        raise ValueError("a moment is written in UTC, such as 2026-11-20T14:02:00Z")
    moment = datetime.fromisoformat(value)
    if moment.year not in YEARS:  # a day later must be a moment, too, and none needs padding
        raise ValueError(f"the year {moment.year} is none in which anything is approved")
    return moment


class _Digest(Model):
    sha256: Hex64


class _Subject(Model):
    name: Literal["agent-content"]
    digest: _Digest


class _Statement(Model):
    type_: Annotated[Literal["https://in-toto.io/Statement/v1"], Field(alias="_type")]
    subject: Annotated[list[_Subject], Field(min_length=1, max_length=1)]
    predicate_type: Literal["https://interlock.dev/attestation/change-approval/v1"]
    predicate: Predicate


class _Signature(Model):
    sig: str
    keyid: str = ""


class _Envelope(Model):
    payload_type: Literal["application/vnd.in-toto+json"]
    payload: str
    signatures: Annotated[list[_Signature], Field(min_length=1, max_length=1)]


@dataclass(frozen=True, slots=True)
class Proofs:
    """What it takes to verify a Sigstore bundle: whom to trust, and the present moment."""

    verifier: Verifies
    now: datetime


def pae(payload: bytes) -> bytes:
    """Return what is signed: DSSE's pre-authentication encoding of an in-toto statement."""
    kind = PAYLOAD_TYPE.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def parse(data: bytes, content: str, proofs: Proofs) -> Approval:
    """Return the approval of `content` in one file, its signature verified. Raises Refused."""
    document = _loaded(data, "a DSSE envelope with one signature, or a Sigstore bundle")
    if isinstance(document, Mapping) and "verificationMaterial" in document:
        return _of_bundle(data, content, proofs)
    return _of_envelope(document, digests.sha256(data), content)


def _of_envelope(document: object, envelope: str, content: str) -> Approval:
    signed = _read(_Envelope, document, "a DSSE envelope with one signature")
    payload = _decode(signed.payload)
    namespace, key = _signer(_decode(signed.signatures[0].sig), pae(payload))
    said = _read(_Statement, _loaded(payload, _STATEMENT), _STATEMENT)
    if (said.predicate.forge is None) != (namespace == NAMESPACE):
        got = f"a statement {'with' if said.predicate.forge else 'without'} a forge's review"
        expected = f"a bridge's word, signed for {FORGE_NAMESPACE}, on one, and nobody else's"
        raise Refused("WrongNamespace", f"{got}, signed for {namespace}", expected)
    forge = said.predicate.forge
    made: dict[str, Any] = {"envelope": envelope, "key": key}
    if forge:
        account = ForgeAccount(forge=forge.url, id=forge.account)
        made |= {"strength": "forge", "account": account, "review": _review(forge)}
    return _approval(said, content, made)


def _of_bundle(data: bytes, content: str, proofs: Proofs) -> Approval:
    """Return what a person signed with an identity of theirs, and no program in their place."""
    proven = proofs.verifier.verify(data, proofs.now)
    if isinstance(proven, Refusal):
        raise Refused(proven.code, shown(proven.got, 512), shown(proven.expected, 512))
    if not proven.issuer or proven.extensions:
        got = "the certificate of a build" if proven.issuer else "a key without a certificate"
        raise Refused("NotAPerson", got, "the certificate of a person's identity")
    document = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": n, "digest": {"sha256": sha256}} for n, sha256 in proven.subjects],
        "predicateType": proven.predicate_type,
        "predicate": dict(proven.predicate),
    }
    said = _read(_Statement, document, _STATEMENT)
    if said.predicate.forge:
        raise Refused("WrongNamespace", "a forge's review in a bundle", "a bridge's SSH signature")
    if proven.at >= said.predicate.not_after:
        got = f"signed {_rfc3339(proven.at)}, for until {_rfc3339(said.predicate.not_after)}"
        raise Refused("Expired", got, "a signature made before notAfter")
    made = {
        "envelope": digests.sha256(data),
        "strength": "sigstore",
        "identity": proven.identity,
        "issuer": proven.issuer,
    }
    return _approval(said, content, made)


def _signer(signature: bytes, message: bytes) -> tuple[str, str]:
    """Return for what a message was signed, of the two that count, and with which key."""
    try:
        armored = signature.decode("ascii")
        namespace = sshsig.purpose(armored)
        wanted = namespace if namespace == FORGE_NAMESPACE else NAMESPACE
        return wanted, sshsig.verify(armored, message, wanted)
    except (UnicodeDecodeError, sshsig.SshsigRefused) as error:
        expected = f"an SSH signature for {NAMESPACE}"
        raise Refused("BadSignature", shown(str(error), 512), expected) from None


def _approval(said: _Statement, content: str, made: Mapping[str, Any]) -> Approval:
    subject, predicate = said.subject[0].digest.sha256, said.predicate
    if subject != content:
        expected = f"content {digests.short(content)}, which the ref names"
        raise Refused("WrongSubject", f"content {digests.short(subject)}", expected)
    words = predicate.model_dump(exclude={"policy_digest", "not_before", "not_after", "forge"})
    return Approval(
        subject=subject,
        not_before=_rfc3339(predicate.not_before),
        not_after=_rfc3339(predicate.not_after),
        **made,
        **words,
    )


def _review(forge: Forge) -> str:
    return f"{forge.url} pull request {forge.pull}, review {forge.review}"


def _loaded(data: bytes, expected: str) -> object:
    try:
        return strict_json.load(data, limit=MAX_BYTES)
    except ValueError as error:
        raise Refused("Malformed", shown(str(error), 512), expected) from None


def _read(kind: type[M], document: object, expected: str) -> M:
    try:
        return kind.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the document"
        raise Refused("Malformed", shown(f"{where}: {first['msg']}", 512), expected) from None


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Refused("Malformed", "what is not base64", "standard base64") from None


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
