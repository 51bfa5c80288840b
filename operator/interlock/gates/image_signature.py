"""The image is one that a builder signed, by the very digest that the pod will run.

The signature is a Sigstore bundle in cosign's v1 form; names and tags in it are ignored. Attacks
refused: signature of another image, wrong identity, wrong issuer, unsigned.
"""

from interlock.api.facts import COSIGN, Facts
from interlock.api.reasons import Reason
from interlock.api.values import GateResult
from interlock.gates.answers import day, digits, failed, moment, passed
from interlock.gates.signatures import counts, none_counts, of_type
from interlock.policy.model import Policy

NAME = "image-signature"


def evaluate(facts: Facts, policy: Policy) -> GateResult:
    """Judge the signature evidence of the spec's image."""
    digest = image_digest(facts)
    if not digest:
        return unpinned(NAME, facts)
    found = of_type(facts, COSIGN, digest)
    trusted = [each for each in found if counts(each, policy)]
    if not trusted:
        return none_counts(NAME, found, facts, policy, COSIGN, f"image sha256:{digits(digest)}")
    newest = max(trusted, key=lambda each: moment(each.at))
    message = f"sha256:{digits(digest)}, signed by {newest.identity}, {day(moment(newest.at))}"
    return passed(NAME, message, evidence=(newest.bundle,))


def image_digest(facts: Facts) -> str:
    """Return the 64 hex digits that the spec's image is pinned to, or nothing."""
    return str(facts.subject.spec.get("image", "")).partition("@sha256:")[2]


def unpinned(gate: str, facts: Facts) -> GateResult:
    """Say that an image without a digest cannot be judged."""
    image = str(facts.subject.spec.get("image", "none"))
    return failed(
        gate,
        Reason.PIN_MISSING,
        f"image {image} is not pinned by digest, so nothing can be said about it",
        got=image,
        expected="registry/repository@sha256:…",
        unblock="run `interlock pin` on the file and push it",
    )
