"""What security revoked does not run: digests of any kind, and whatever a revoked signer signed.

Judged for promotion and for rollback alike; no age, approval or health outweighs it.
"""

from collections.abc import Iterator

from interlock.api.facts import COSIGN, OMS, VULNS, Evidence, Facts
from interlock.api.reasons import Reason
from interlock.api.values import GateResult
from interlock.gates.answers import failed, moment, passed
from interlock.gates.image_signature import image_digest
from interlock.gates.signatures import counts, of_type, revoked
from interlock.policy import queries
from interlock.policy.model import Policy

NAME = "revocation"


def evaluate(facts: Facts, policy: Policy) -> GateResult:
    """Judge the subject's digests and the signatures it rests on against the revocation list."""
    named = queries.digests_of(facts.subject.spec, facts.subject.digest)
    lost = list(_lost(facts, policy))
    used = ((each.identity, each.issuer, moment(each.at)) for each in lost)
    why = queries.revocation(policy, [*sorted(named), *(each.bundle for each in lost)], used)
    if not why:
        return passed(NAME, f"{len(named)} digests, none revoked")
    return failed(
        NAME,
        Reason.REVOKED,
        why,
        got=why,
        expected="nothing on the revocation list",
        unblock="deploy a version without it; only security can lift a revocation",
    )


def _lost(facts: Facts, policy: Policy) -> Iterator[Evidence]:
    """Return trusted evidence that was revoked and that nothing else replaces."""
    image = image_digest(facts)
    for kind, digest in ((OMS, None), (COSIGN, image), (VULNS, image)):
        found = of_type(facts, kind, digest)
        if not any(counts(each, policy) for each in found):
            trusted = (each for each in found if queries.allowed_signer(policy, each))
            yield from (each for each in trusted if revoked(each, policy))
