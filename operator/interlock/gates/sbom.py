"""What is in the image is written down, and so is what is in the model where policy asks.

The newest bill of materials of each format decides: one that was written later may know more.
Attacks refused: bill of another image or of another kind of thing, one whose own text is about
another image, packages that nobody can look up, ML-BOM of other files, wrong signer.
"""

from collections.abc import Iterator

from interlock.api.facts import SBOMS, Evidence, Facts
from interlock.api.proofs import Sbom
from interlock.api.reasons import Reason
from interlock.api.values import GateResult
from interlock.gates.answers import digits, moment, passed, some
from interlock.gates.image_signature import image_digest, unpinned
from interlock.gates.proofs import (
    Fault,
    Wanted,
    about_image,
    about_model,
    image_name,
    insufficient,
    missing,
    model_name,
    model_tree,
    unpinned_model,
)
from interlock.gates.signatures import counts
from interlock.policy import queries
from interlock.policy.evidence import SbomPolicy
from interlock.policy.model import Policy

NAME = "sbom"
_Said = list[tuple[Evidence, Sbom]]


def evaluate(facts: Facts, policy: Policy) -> GateResult:
    """Judge the bills of materials of the spec's image, and of its model where policy asks."""
    if not image_digest(facts):
        return unpinned(NAME, facts)
    asked = queries.evidence_of(policy, facts).sbom
    wanted, found = _of_image(facts), about_image(facts, SBOMS)
    if not (image := _newest(found, policy)):
        return missing(wanted, found, facts, policy)
    for fault in _image_faults(image, asked, facts):
        return insufficient(wanted, Reason.SBOM_INCOMPLETE, fault)
    if not asked.model or not facts.subject.spec.get("model"):
        return _passed(image)
    return _with_model(image, facts, policy)


def _with_model(image: _Said, facts: Facts, policy: Policy) -> GateResult:
    if not model_tree(facts):
        return unpinned_model(NAME, facts)
    wanted, found = _of_model(facts), about_model(facts, SBOMS)
    if not (model := _newest(found, policy)):
        return missing(wanted, found, facts, policy)
    for fault in _model_faults(model, facts):
        return insufficient(wanted, Reason.SBOM_INCOMPLETE, fault)
    return _passed([*image, *model])


def _newest(found: list[Evidence], policy: Policy) -> _Said:
    """Return the newest trusted bill of each format."""
    newest: dict[str, tuple[Evidence, Sbom]] = {}
    for each in sorted(found, key=lambda one: (moment(one.at), _unknown(one))):
        if each.sbom and counts(each, policy):
            newest[each.sbom.format] = (each, each.sbom)
    return [newest[form] for form in sorted(newest)]


def _unknown(evidence: Evidence) -> int:
    return evidence.sbom.unidentified if evidence.sbom else 0


def _image_faults(said: _Said, asked: SbomPolicy, facts: Facts) -> Iterator[Fault]:
    digest = image_digest(facts)
    for _, sbom in said:
        if sbom.describes and digest not in sbom.describes:
            others = some(f"sha256:{digits(each)}" for each in sbom.describes)
            message = f"the {sbom.format} document itself is about {others}, not about this image"
            yield Fault(message, some(sbom.describes), digest)
        if not sbom.components:
            yield Fault(f"the {sbom.format} document lists nothing", "0 components", "at least one")
        if sbom.unidentified > asked.max_unidentified:
            message = (
                f"{sbom.unidentified} of {sbom.components} components have no package URL with a "
                f"version, policy allows {asked.max_unidentified}"
            )
            got, expected = f"{sbom.unidentified}", f"at most {asked.max_unidentified}"
            yield Fault(message, got, expected)


def _model_faults(said: _Said, facts: Facts) -> Iterator[Fault]:
    tree = model_tree(facts)
    for _, sbom in said:
        if tree in sbom.models or (sbom.models and not sbom.unlisted):
            continue
        if not sbom.models:
            message = f"the {sbom.format} document lists no machine-learning model by digest"
            yield Fault(message, "no model", f"the model {tree}, or each of its files")
            continue
        message = f"the {sbom.format} document does not list {some(sbom.unlisted_files)}"
        yield Fault(message, f"{sbom.unlisted} files not listed", "each file by its SHA-256")


def _of_image(facts: Facts) -> Wanted:
    unblock = "make an SBOM of the image, sign it, and publish it beside the image"
    return Wanted(NAME, SBOMS, f"SBOM of {image_name(facts)}", unblock)


def _of_model(facts: Facts) -> Wanted:
    unblock = "make an ML-BOM that lists the model's files, sign it, and add it to the model's run"
    return Wanted(NAME, SBOMS, f"ML-BOM of {model_name(facts)}", unblock)


def _passed(said: _Said) -> GateResult:
    parts = (f"{sbom.components} components in {sbom.format} {sbom.version}" for _, sbom in said)
    return passed(NAME, some(parts), evidence=(each.bundle for each, _ in said))
