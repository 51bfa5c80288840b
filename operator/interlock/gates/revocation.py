"""What security revoked does not run: digests of any kind, and whatever a revoked signer signed.

Judged for promotion and for rollback alike; no age, approval or health outweighs it. A revoked
approval is the gate change-approval's business: it counts nothing there.
"""

from collections.abc import Iterator
from itertools import chain

from interlock.api.facts import OMS, Evidence, Facts
from interlock.api.reasons import Reason
from interlock.api.values import GateResult
from interlock.gates.answers import failed, passed
from interlock.gates.signatures import counts, revoked
from interlock.policy import queries, revocations, signers
from interlock.policy.model import Policy

NAME = "revocation"


def evaluate(facts: Facts, policy: Policy) -> GateResult:
    """Judge the subject's digests and the signatures it rests on against the revocation list."""
    named = queries.digests_of(facts.subject.spec, facts.subject.digest)
    lost = (revocations.of_evidence(each) for each in _lost(facts, policy, named))
    uses = chain(revocations.of_digests(sorted(named)), *lost)
    why = revocations.why(policy.revocations, uses)
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


def _lost(facts: Facts, policy: Policy, named: frozenset[str]) -> Iterator[Evidence]:
    """Return trusted evidence that was revoked and that nothing else replaces."""
    good = [each for each in facts.evidence if counts(each, policy)]
    for each in facts.evidence:
        mine = each.predicate_type == OMS or any(each.about(digest) for digest in named)
        lost = mine and signers.allowed(policy.trust.signers, each) and revoked(each, policy)
        if lost and not any(_replaces(other, each) for other in good):
            yield each


def _replaces(new: Evidence, old: Evidence) -> bool:
    """Whether evidence says the same kind of thing about the same; OMS names no tree of ours."""
    same = new.predicate_type == OMS or any(new.about(digest) for _, digest in old.subjects)
    return new.predicate_type == old.predicate_type and same
