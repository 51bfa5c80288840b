"""What the gates of signed statements share: which statements are about this image or this model.

A statement about the same digits as another kind of thing is about something else. Other tools
name an image by its repository, so an image may have any name but that of another kind of ours; a
model's tree is ours alone, and must be called so.
"""

from collections.abc import Sequence
from typing import NamedTuple

from interlock.api.facts import AGENT_CONTENT, MODEL_TREE, Evidence, Facts
from interlock.api.reasons import Reason
from interlock.api.values import GateResult
from interlock.gates.answers import digits, failed
from interlock.gates.image_signature import image_digest
from interlock.gates.signatures import none_counts
from interlock.policy.model import Policy
from interlock.policy.signers import ROLE_OF

_OTHER_KINDS = frozenset({MODEL_TREE, AGENT_CONTENT})


class Wanted(NamedTuple):
    """What a gate looks for: statements of some types about one thing."""

    gate: str
    types: tuple[str, ...]
    what: str
    """What the statement is called in a sentence, such as `an SBOM of image sha256:5be1…`."""
    unblock: str


class Fault(NamedTuple):
    """Why a statement that counts is not good enough."""

    message: str
    got: str
    expected: str


def about_image(facts: Facts, types: Sequence[str]) -> list[Evidence]:
    """Return the statements of some types about the spec's image."""
    digest = image_digest(facts)
    return [
        each
        for each in facts.evidence
        if each.predicate_type in types
        and any(sha256 == digest and name not in _OTHER_KINDS for name, sha256 in each.subjects)
    ]


def about_model(facts: Facts, types: Sequence[str]) -> list[Evidence]:
    """Return the statements of some types about the tree of the spec's model."""
    subject = (MODEL_TREE, model_tree(facts))
    return [
        each for each in facts.evidence if each.predicate_type in types and subject in each.subjects
    ]


def model_tree(facts: Facts) -> str:
    """Return the 64 hex digits that the spec's model is pinned to, or nothing."""
    model = facts.subject.spec.get("model") or {}
    return str(model.get("tree", "")).removeprefix("sha256:")


def image_name(facts: Facts) -> str:
    """Return how a sentence names the spec's image."""
    return f"image sha256:{digits(image_digest(facts))}"


def model_name(facts: Facts) -> str:
    """Return how a sentence names the spec's model."""
    model = facts.subject.spec.get("model") or {}
    return f"model {model.get('name', '-')} version {model.get('version', '-')}"


def unpinned_model(gate: str, facts: Facts) -> GateResult:
    """Say that a model without a digest cannot be judged."""
    return failed(
        gate,
        Reason.PIN_MISSING,
        f"{model_name(facts)} is not pinned by digest, so nothing can be said about it",
        got="no model.tree",
        expected="model.tree: sha256:…",
        unblock="run `interlock pin` on the file and push it",
    )


def missing(wanted: Wanted, found: list[Evidence], facts: Facts, policy: Policy) -> GateResult:
    """Say why no statement counts: revoked, by the wrong signer, denied, or not there."""
    if found or facts.denied:
        first = wanted.types[0]
        return none_counts(wanted.gate, found, facts, policy, first, wanted.what)
    role = ROLE_OF[wanted.types[0]]
    return failed(
        wanted.gate,
        Reason.EVIDENCE_MISSING,
        f"there is no {wanted.what}",
        got="nothing",
        expected=f"{wanted.what}, signed by a {role} that trust.yaml names",
        unblock=wanted.unblock,
    )


def insufficient(wanted: Wanted, reason: Reason, fault: Fault) -> GateResult:
    """Say why a statement that counts is not good enough."""
    return failed(
        wanted.gate,
        reason,
        fault.message,
        got=fault.got,
        expected=fault.expected,
        unblock=wanted.unblock,
    )
