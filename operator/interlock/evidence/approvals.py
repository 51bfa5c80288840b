"""Reads the approvals of one content from git: each a signed statement in an envelope of its own.

`refs/approvals/<content>` holds a flat tree of DSSE envelopes. File names, authors and committers
there prove nothing and are ignored; only what a key signed in our own namespace counts. A file
that is anything else is denied with its reason, and the others are still read.
"""

import base64
import binascii
from datetime import UTC, datetime
from typing import Annotated, Literal, TypeVar

from pydantic import Field, ValidationError, field_validator

from interlock.api import digests, facts
from interlock.api.facts import Approval, Denied
from interlock.api.kinds.base import Hex64, Model
from interlock.evidence import git, sshsig
from interlock.evidence.git import GitRefused, Mirror, TreeEntry
from interlock.evidence.http import shown
from interlock.evidence.statement import PAYLOAD_TYPE, Refused
from interlock.policy import strict_json

NAMESPACE = "change-approval@interlock.dev"
"""SSHSIG namespace: a signature made for commits, or for files, is none for an approval."""
MAX_FILES = 64
MAX_BYTES = 64 * 1024

M = TypeVar("M", bound=Model)
Line = Annotated[str, Field(max_length=512)]


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

    @field_validator("not_before", "not_after", mode="before")
    @classmethod
    def _moment(cls, value: object) -> datetime:
        if not isinstance(value, str) or not value.endswith("Z"):
            raise ValueError("a moment is written in UTC, such as 2026-11-20T14:02:00Z")
        return datetime.fromisoformat(value)


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


def ref_of(content: str) -> str:
    """Return the ref that holds the approvals of a content digest (64 hex)."""
    return f"{git.APPROVALS}{content}"


def pae(payload: bytes) -> bytes:
    """Return what is signed: DSSE's pre-authentication encoding of an in-toto statement."""
    kind = PAYLOAD_TYPE.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


async def read(mirror: Mirror, content: str) -> tuple[list[Approval], list[Denied]]:
    """Return the approvals of `content` whose signatures hold, and what was denied.

    Reads the mirror's own `ref_of(content)`; fetching it is the caller's business.
    """
    tip = await mirror.tip(ref_of(content))
    if tip is None:
        return [], []
    try:
        entries = await mirror.tree(tip)
        if len(entries) > MAX_FILES:
            raise GitRefused(f"{len(entries)} files, at most {MAX_FILES}")
    except GitRefused as error:
        refused = Refused("TooMany", str(error), f"a flat tree of at most {MAX_FILES} files")
        return [], [_denied(tip.encode(), ref_of(content), refused)]
    return await _all(mirror, content, entries)


async def _all(
    mirror: Mirror, content: str, entries: list[TreeEntry]
) -> tuple[list[Approval], list[Denied]]:
    approvals: dict[str, Approval] = {}
    denied: list[Denied] = []
    for entry in entries:
        data = f"{entry.mode} {entry.sha}".encode()
        try:
            data = await _file(mirror, entry)
            approvals[digests.sha256(data)] = parse(data, content)
        except Refused as refused:
            denied.append(_denied(data, f"{ref_of(content)}:{shown(entry.name, 128)}", refused))
    ordered = sorted(denied, key=lambda item: (item.bundle, item.location))
    return [approvals[key] for key in sorted(approvals)], ordered


async def _file(mirror: Mirror, entry: TreeEntry) -> bytes:
    if entry.mode != "100644":
        raise Refused("NotAFile", f"mode {entry.mode}", "a plain file, mode 100644")
    if entry.size > MAX_BYTES:
        raise Refused("TooLarge", f"{entry.size} bytes", f"at most {MAX_BYTES} bytes")
    return await mirror.blob(entry, MAX_BYTES)


def parse(data: bytes, content: str) -> Approval:
    """Return the approval in one envelope, its signature verified. Raises Refused."""
    envelope = _model(_Envelope, data, "a DSSE envelope with one signature")
    payload = _decode(envelope.payload)
    try:
        armored = _decode(envelope.signatures[0].sig).decode("ascii")
        key = sshsig.verify(armored, pae(payload), NAMESPACE)
    except (UnicodeDecodeError, sshsig.SshsigRefused) as error:
        expected = f"an SSH signature for {NAMESPACE}"
        raise Refused("BadSignature", shown(str(error), 512), expected) from None
    statement = _model(_Statement, payload, f"an in-toto statement of type {facts.APPROVAL}")
    subject = statement.subject[0].digest.sha256
    if subject != content:
        expected = f"content {digests.short(content)}, which the ref names"
        raise Refused("WrongSubject", f"content {digests.short(subject)}", expected)
    return _approval(digests.sha256(data), key, subject, statement.predicate)


def _approval(envelope: str, key: str, subject: str, predicate: Predicate) -> Approval:
    said = predicate.model_dump(exclude={"policy_digest", "not_before", "not_after"})
    return Approval(
        envelope=envelope,
        key=key,
        subject=subject,
        not_before=_rfc3339(predicate.not_before),
        not_after=_rfc3339(predicate.not_after),
        **said,
    )


def _model(kind: type[M], data: bytes, expected: str) -> M:
    try:
        return kind.model_validate(strict_json.load(data, limit=MAX_BYTES))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the document"
        raise Refused("Malformed", shown(f"{where}: {first['msg']}", 512), expected) from None
    except ValueError as error:
        raise Refused("Malformed", shown(str(error), 512), expected) from None


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Refused("Malformed", "what is not base64", "standard base64") from None


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _denied(data: bytes, location: str, why: Refused) -> Denied:
    return Denied(
        bundle=digests.sha256(data),
        location=location,
        code=why.code,
        got=why.got,
        expected=why.expected,
    )
