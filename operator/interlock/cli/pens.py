"""What an approval is signed with: a key of one's own through OpenSSH, or a Sigstore identity.

Both give the whole file that is pushed, and say what the verifier must read in it, so that a
signature by somebody else's key is found before it is pushed and not when it does not count.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from interlock.api.facts import Approval, Strength
from interlock.cli import sshkey
from interlock.cli.exits import BadInput, Failed
from interlock.cli.sshkey import Key
from interlock.cli.statement import envelope
from interlock.evidence import approvals
from interlock.evidence.approvalfile import Proofs
from interlock.evidence.hashing import HashCache
from interlock.evidence.proven import Proven
from interlock.evidence.sigstore import Keyless, KeylessError, SigstoreVerifier
from interlock.evidence.statement import Refused as Unreadable
from interlock.policy import Policy, queries
from interlock.policy.model import Person

MAX_TOKEN = 64 * 1024


class Pen(NamedTuple):
    """Something that signs statements."""

    strength: Strength
    owner: str
    """As people call whose it is: a key's fingerprint, or an identity and who vouches for it."""
    suffix: str
    """How the file that it makes is called; nothing depends on it."""
    write: Callable[[bytes], bytes]
    """Returns the file that holds a statement, signed."""
    made: Callable[[Approval], bool]
    """Whether an approval was made with it."""
    person: Callable[[Policy, datetime], Person | None]
    """Returns whose it is at a moment, by policy."""


def ssh(key: Key) -> Pen:
    """Return a pen that signs with an SSH key."""

    def write(payload: bytes) -> bytes:
        armored = sshkey.sign(key, approvals.pae(payload), approvals.NAMESPACE)
        return envelope(payload, armored)

    mark = key.fingerprint
    return Pen(
        strength="signed",
        owner=mark,
        suffix="dsse.json",
        write=write,
        made=lambda found: found.key == mark,
        person=lambda policy, at: queries.person_of_key(policy, mark, at),
    )


def sigstore(trust_config: Path, token_file: Path | None) -> Pen:
    """Return a pen that signs with an identity, without a key."""
    token = _read(token_file).decode(errors="replace").strip() if token_file else ""
    try:
        signer = Keyless(_read(trust_config), token)
    except KeylessError as error:
        raise BadInput(f"{token_file or trust_config}: {error}") from None

    def write(payload: bytes) -> bytes:
        try:
            return signer.sign(payload)
        except KeylessError as error:
            raise Failed(str(error)) from None

    named = signer.identity, signer.issuer
    return Pen(
        strength="sigstore",
        owner=f"{signer.identity} ({signer.issuer})",
        suffix="sigstore.json",
        write=write,
        made=lambda found: (found.identity, found.issuer) == named,
        person=lambda policy, at: queries.person_of_identity(policy, *named, at),
    )


def signed(pen: Pen, payload: bytes, content: str, policy: Policy) -> bytes:
    """Return the file to push, read back as the verifier will. Raises Failed."""
    data = pen.write(payload)
    try:
        found = approvals.parse(data, content, proofs(policy))
    except Unreadable as error:
        raise Failed(f"what was signed would not be read: {error}") from None
    if not pen.made(found):
        got = found.key or f"{found.identity} ({found.issuer})"
        raise Failed(f"it was signed with {got}, expected {pen.owner}")
    return data


def proofs(policy: Policy) -> Proofs:
    """Return what reads approvals as the verifier does; Sigstore's root is read when it must be."""

    def made() -> SigstoreVerifier:
        try:
            return SigstoreVerifier(policy.trusted_root)
        except ValueError as error:
            raise Failed(f"governance: {error}. Have security sign a good one.") from None

    return Proofs(Proven(made, [policy.trusted_root], HashCache()), datetime.now(UTC))


def _read(path: Path) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}") from None
    if len(data) > MAX_TOKEN:
        raise BadInput(f"{path} has {len(data)} bytes, at most {MAX_TOKEN} are read")
    return data
