"""The image was built by a builder that policy trusts, of a source and a commit that it allows.

The statement is SLSA provenance v1 about the very digest that the pod will run. Attacks refused:
another builder or build type, another repository, branch or commit, parameters of one's own,
provenance of another image or of another kind of thing, statement of another type, wrong signer.
"""

from interlock.api.facts import PROVENANCE, Evidence, Facts
from interlock.api.proofs import Provenance
from interlock.api.reasons import Reason
from interlock.api.values import GateResult, Purpose
from interlock.gates.answers import moment, passed, some
from interlock.gates.image_signature import image_digest, unpinned
from interlock.gates.proofs import Fault, Wanted, about_image, image_name, insufficient, missing
from interlock.gates.signatures import counts
from interlock.policy import queries
from interlock.policy.evidence import ProvenancePolicy
from interlock.policy.model import Policy
from interlock.policy.patterns import matches

NAME = "provenance"


def evaluate(facts: Facts, policy: Policy) -> GateResult:
    """Judge where the spec's image comes from."""
    if not image_digest(facts):
        return unpinned(NAME, facts)
    what = f"provenance of {image_name(facts)}"
    unblock = "build the image where and from what policy allows, and publish its SLSA provenance"
    wanted = Wanted(NAME, (PROVENANCE,), what, unblock)
    found = about_image(facts, wanted.types)
    trusted = [(each, each.provenance) for each in found if counts(each, policy)]
    said = [(each, one) for each, one in trusted if one]
    if not said:
        return missing(wanted, found, facts, policy)
    asked = queries.evidence_of(policy, facts).provenance
    said.sort(key=lambda pair: moment(pair[0].at), reverse=True)
    faults = [_fault(each, one, asked, facts) for each, one in said]
    for (evidence, one), fault in zip(said, faults, strict=True):
        if fault is None:
            return passed(NAME, _good(one), evidence=(evidence.bundle,))
    return insufficient(wanted, Reason.PROVENANCE_MISMATCH, next(f for f in faults if f))


def _fault(
    evidence: Evidence, said: Provenance, asked: ProvenancePolicy, facts: Facts
) -> Fault | None:
    for what, got, allowed in (
        ("builder", said.builder, _builders(asked, evidence)),
        ("build type", said.build_type, asked.build_types or None),
        ("source", said.source, asked.sources or None),
    ):
        if allowed is not None and not any(matches(pattern, got) for pattern in allowed):
            return _other(what, got, some(allowed) or f"none by {evidence.identity}")
    for name, pattern in asked.parameters.items():
        value = said.parameters.get(name)
        if value is None or not matches(pattern, value):
            return _other(f"parameter {name}", value or "", pattern)
    # What an old revision was built of was judged when it was promoted; its file has moved on.
    if asked.approved_commit and facts.purpose is Purpose.PROMOTION:
        return _other_commit(said, facts)
    return None


def _builders(asked: ProvenancePolicy, evidence: Evidence) -> list[str] | None:
    """Return the builders that this signer may speak for; None where policy names none at all."""
    if not asked.builders:
        return None
    return [
        each.id
        for each in asked.builders
        if each.identity is None or matches(each.identity, evidence.identity)
    ]


def _other(what: str, got: str, expected: str) -> Fault:
    got = got or "none"
    return Fault(f"the image's {what} is {got}, expected {expected}", got, expected)


def _other_commit(said: Provenance, facts: Facts) -> Fault | None:
    change = facts.change
    if change is None:
        message = "the change was not found in git, so nobody knows which commits it contains"
        return Fault(message, "no change", "the file in its repository")
    if said.commit and said.commit in {change.commit, *(change.contains or ())}:
        return None
    got = said.commit or "no commit"
    message = f"the image was built of {got[:10]}, which {change.ref} at {change.commit[:10]} does"
    expected = f"{change.commit}, or a commit before it on {change.ref}"
    return Fault(f"{message} not contain", got, expected)


def _good(said: Provenance) -> str:
    of = f", of {said.source or 'a source'} at {said.commit[:10]}" if said.commit else ""
    return f"built by {said.builder}{of}"
