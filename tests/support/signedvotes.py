"""Approvals that were really signed and really read, for the gate to judge."""

from typing import Any

from interlock.api.facts import Approval
from interlock.evidence import approvals
from interlock.evidence.approvalfile import FORGE_NAMESPACE
from support import policies
from support.facts import CONTENT
from support.policies import ssh_key
from support.signed import proofs
from support.sshkeys import envelope, review, statement


def vote(person: str, role: str, *, key: str = "", **changes: Any) -> Approval:
    """What the verifier reads of an approval that `key`'s owner signed; the person themselves."""
    data = envelope(statement(person, role, **changes), ssh_key(key or person))
    return approvals.parse(data, CONTENT, proofs())


def quorum(**changes: Any) -> list[Approval]:
    """The two approvals of the good case, signed."""
    return [vote("quality-1", "quality", **changes), vote("ot-safety-1", "ot-safety", **changes)]


def reviewed(person: str, role: str, *, key: str = policies.BRIDGE, **changes: Any) -> Approval:
    """What the verifier reads of a review that the bridge, or `key`'s owner, signed."""
    said = review(person, role, **changes)
    data = envelope(said, ssh_key(key), namespace=FORGE_NAMESPACE)
    return approvals.parse(data, CONTENT, proofs())
