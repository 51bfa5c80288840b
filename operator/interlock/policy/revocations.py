"""What no longer counts, although its signature holds: one list, one question, asked everywhere.

A revocation names what it is about by something that whoever holds the artifact cannot change: a
bundle can be written anew with a space in it, the statement in it cannot. Moments are those that a
log or a timestamp authority witnessed; a person's own word on when they signed moves nothing.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Annotated

from pydantic import Field

from interlock.api import digests
from interlock.api.facts import Approval, Evidence
from interlock.api.kinds.base import Hex64, Model, Time
from interlock.api.observed import Use
from interlock.policy.signers import KEY_PREFIX

Why = Annotated[str, Field(min_length=1, max_length=512)]
_ALWAYS = datetime.max.replace(tzinfo=UTC)
"""Of what nobody witnessed a moment: every revocation covers it."""


class RevokedDigest(Model):
    """A digest that may not run or count: content, behaviour, model tree, image, bundle.

    Of a bundle or an approval the digest of its statement holds however it is written again.
    """

    digest: Hex64
    reason: Why


class RevokedSigner(Model):
    """An identity whose signatures count nothing, or nothing since a moment."""

    identity: str
    issuer: str
    since: Time | None = None
    reason: Why


class RevokedKey(Model):
    """A key whose signatures count nothing, or, of a managed key, nothing since a moment.

    `sha256:…` is a managed key, over its SubjectPublicKeyInfo; `SHA256:…` is a person's SSH key.
    """

    key: Annotated[str, Field(pattern=r"^(sha256:[0-9a-f]{64}|SHA256:[A-Za-z0-9+/]{43})$")]
    since: Time | None = None
    reason: Why


class RevokedScanner(Model):
    """A scanner whose word counts nothing, or nothing since a moment."""

    scanner: Annotated[str, Field(min_length=1, max_length=512)]
    """Its URI, or `sha256:…` of the image that it runs from."""
    since: Time | None = None
    reason: Why


class RevokedPerson(Model):
    """Somebody whose approvals count nothing, whatever they are of and however old."""

    person: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]
    reason: Why


class RevokedApproval(Model):
    """One approval, by the nonce that was signed."""

    nonce: Annotated[str, Field(min_length=1, max_length=256)]
    reason: Why


class Revocations(Model):
    """`revocations.yaml`, owned by its own role so that one person can act at night."""

    digests: list[RevokedDigest] = []
    signers: list[RevokedSigner] = []
    keys: list[RevokedKey] = []
    scanners: list[RevokedScanner] = []
    persons: list[RevokedPerson] = []
    approvals: list[RevokedApproval] = []


Entry = (
    RevokedDigest | RevokedSigner | RevokedKey | RevokedScanner | RevokedPerson | RevokedApproval
)
LISTS: dict[type[Entry], tuple[str, tuple[str, ...]]] = {
    RevokedDigest: ("digests", ("digest",)),
    RevokedSigner: ("signers", ("identity", "issuer")),
    RevokedKey: ("keys", ("key",)),
    RevokedScanner: ("scanners", ("scanner",)),
    RevokedPerson: ("persons", ("person",)),
    RevokedApproval: ("approvals", ("nonce",)),
}
"""In which list each kind of entry stands, and which of its fields say what it is about."""


def why(listed: Revocations, uses: Iterable[Use]) -> str:
    """Return why one of these is revoked, as a sentence; empty where none is."""
    latest: dict[tuple[str, str, str], datetime] = {}
    for use in uses:
        at = use.at or _ALWAYS
        latest[use[:3]] = max(at, latest.get(use[:3], at))
    for entry, since, reason in _entries(listed):
        at_last = latest.get(entry[:3])
        if at_last and (since is None or at_last >= datetime.fromisoformat(since)):
            return f"{_shown(entry)} is revoked: {reason}"
    return ""


def of_digests(marks: Iterable[str]) -> Iterator[Use]:
    """Yield digests as what a revocation may name, however they are written."""
    return (Use("digest", mark.removeprefix("sha256:")) for mark in marks if mark)


def of_evidence(evidence: Evidence) -> Iterator[Use]:
    """Yield all by which a bundle can be revoked: itself, its statement, who made it with what."""
    at = datetime.fromisoformat(evidence.at)
    yield from of_digests((evidence.bundle, evidence.statement))
    yield _of_signature(evidence.identity, evidence.issuer, at)
    if evidence.scan:
        yield Use("scanner", evidence.scan.scanner, at=at)
        yield Use("scanner", evidence.scan.scanner_image, at=at)


def of_approval(approval: Approval) -> Iterator[Use]:
    """Yield all by which an approval can be revoked: itself, its nonce, its key, its person."""
    yield from of_digests((approval.envelope,))
    yield Use("key", approval.key)
    if approval.identity:
        yield Use("signer", approval.identity, approval.issuer)
    yield Use("person", approval.person)
    yield Use("approval", approval.nonce)


def _of_signature(identity: str, issuer: str, at: datetime) -> Use:
    if identity.startswith(KEY_PREFIX) and not issuer:
        return Use("key", identity.removeprefix("key:"), at=at)
    return Use("signer", identity, issuer, at)


def _entries(listed: Revocations) -> Iterator[tuple[Use, str | None, str]]:
    for one in listed.digests:
        yield Use("digest", one.digest), None, one.reason
    for signer in listed.signers:
        yield Use("signer", signer.identity, signer.issuer), signer.since, signer.reason
    for key in listed.keys:
        yield Use("key", key.key), key.since, key.reason
    for scanner in listed.scanners:
        yield Use("scanner", scanner.scanner), scanner.since, scanner.reason
    for person in listed.persons:
        yield Use("person", person.person), None, person.reason
    for approval in listed.approvals:
        yield Use("approval", approval.nonce), None, approval.reason


def _shown(entry: Use) -> str:
    name = digests.short(entry.name) if entry.kind == "digest" else entry.name
    return f"{entry.kind} {name} ({entry.issuer})" if entry.issuer else f"{entry.kind} {name}"
