"""Where the model comes from is known: which run made it, of data that policy allows.

It is its trainer's word, and no more; the newest record decides. Attacks refused: record of another
model or of another kind of thing, data that nobody allowed, wrong signer.
"""

from interlock.api.facts import TRAINING, Facts
from interlock.api.reasons import Reason
from interlock.api.values import GateResult
from interlock.gates.answers import digits, moment, not_applicable, passed, some
from interlock.gates.proofs import (
    Fault,
    Wanted,
    about_model,
    insufficient,
    missing,
    model_name,
    model_tree,
    unpinned_model,
)
from interlock.gates.signatures import counts
from interlock.policy import queries
from interlock.policy.model import Policy

NAME = "training-record"


def evaluate(facts: Facts, policy: Policy) -> GateResult:
    """Judge the newest training record of the spec's model."""
    if not facts.subject.spec.get("model"):
        return not_applicable(NAME, "the agent has no model")
    if not model_tree(facts):
        return unpinned_model(NAME, facts)
    what = f"training record of {model_name(facts)}"
    unblock = "train the model on data that policy allows, and add the signed record to its run"
    wanted = Wanted(NAME, (TRAINING,), what, unblock)
    found = about_model(facts, wanted.types)
    said = [(each, each.training) for each in found if each.training and counts(each, policy)]
    if not said:
        return missing(wanted, found, facts, policy)
    allowed = queries.evidence_of(policy, facts).training_record.datasets
    evidence, record = max(said, key=lambda pair: moment(pair[0].at))
    others = [digest for digest in record.datasets if digest not in allowed]
    if allowed and others:
        named = some(digits(each) for each in others)
        message = f"run {record.run} was trained on {named}, which policy does not allow"
        fault = Fault(message, some(others), some(allowed))
        return insufficient(wanted, Reason.DATA_NOT_ALLOWED, fault)
    message = f"run {record.run} on {len(record.datasets)} datasets, signed by {evidence.identity}"
    return passed(NAME, message, evidence=(evidence.bundle,))
