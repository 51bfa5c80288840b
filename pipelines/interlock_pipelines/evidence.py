"""Puts signed bundles where Interlock looks for an image's evidence: beside the image.

Where a bundle lies says nothing about trust; the annotations are for people who browse the
registry, as cosign writes them.
"""

from interlock.evidence.oci import BUNDLE
from interlock_pipelines.oci import Descriptor, Manifest, Repository


def attach(repository: Repository, image: Manifest, bundle: bytes, predicate_type: str) -> str:
    """Attach a bundle to an image as a referrer; the referrer's digest. Raises PipelineError."""
    subject: Descriptor = {key: image.descriptor[key] for key in ("mediaType", "digest", "size")}
    about = {
        "dev.sigstore.bundle.content": "dsse-envelope",
        "dev.sigstore.bundle.predicateType": predicate_type,
    }
    return str(repository.refer(subject, bundle, BUNDLE, about)["digest"])
