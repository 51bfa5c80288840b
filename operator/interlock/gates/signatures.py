"""What the signature gates share: whose word counts, and how to say that nobody's did."""

from interlock.api.facts import Denied, Evidence, Facts
from interlock.api.reasons import Reason
from interlock.api.values import GateResult
from interlock.gates.answers import failed, some
from interlock.policy import revocations, signers
from interlock.policy.model import Policy
from interlock.policy.signers import ROLE_OF

REFS = "refs/"
"""Where denied approvals and refs lie; they say nothing about signatures."""


def counts(evidence: Evidence, policy: Policy) -> bool:
    """Whether the signer may say what the evidence says, and neither is revoked."""
    return signers.allowed(policy.trust.signers, evidence) and not revoked(evidence, policy)


def revoked(evidence: Evidence, policy: Policy) -> str:
    """Return why a bundle no longer counts: it, its signer or its scanner is revoked, or ''."""
    return revocations.why(policy.revocations, revocations.of_evidence(evidence))


def of_type(facts: Facts, predicate_type: str, digest: str | None = None) -> list[Evidence]:
    """Return the evidence of a type, and about a digest (64 hex) where one is given."""
    return [
        each
        for each in facts.evidence
        if each.predicate_type == predicate_type and (digest is None or each.about(digest))
    ]


def none_counts(  # noqa: PLR0917 - all of it goes into the sentence
    gate: str, found: list[Evidence], facts: Facts, policy: Policy, predicate_type: str, what: str
) -> GateResult:
    """Say why no evidence of a type counts: revoked, by the wrong signer, denied, or not there."""
    role = ROLE_OF[predicate_type]
    allowed = (signer.shown for signer in policy.trust.signers if signer.role == role)
    expected = f"a signature by {some(allowed) or 'nobody'}"
    unblock = f"sign {what} as one of the {role}s that trust.yaml names"
    for each in found:
        if why := revoked(each, policy):
            message = f"{what} is signed by {_who(each)}; {why}"
            return failed(
                gate, Reason.REVOKED, message, got=_who(each), expected=expected, unblock=unblock
            )
    if found:
        got = _who(found[0])
        message = f"{what} is signed by {got}, who is no allowed {role}"
        return failed(
            gate, Reason.WRONG_SIGNER, message, got=got, expected=expected, unblock=unblock
        )
    if denied := [each for each in facts.denied if not each.location.startswith(REFS)]:
        return _denied(gate, denied, what, unblock)
    return failed(
        gate,
        Reason.UNSIGNED,
        f"{what} has no signature",
        got="no signature",
        expected=expected,
        unblock=unblock,
    )


def _denied(gate: str, denied: list[Denied], what: str, unblock: str) -> GateResult:
    first = denied[0]
    return failed(
        gate,
        Reason.EVIDENCE_DENIED,
        f"no bundle proves {what}; {some(_reading(each) for each in denied)}",
        got=first.got,
        expected=first.expected,
        unblock=unblock,
    )


def _reading(denied: Denied) -> str:
    return f"{denied.location}: {denied.code}, got {denied.got}, expected {denied.expected}"


def _who(evidence: Evidence) -> str:
    return f"{evidence.identity} ({evidence.issuer})" if evidence.issuer else evidence.identity
