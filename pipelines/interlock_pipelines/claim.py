"""What is going to be said about an image or a model, before anybody signs it.

A claim can be looked at (`--dry-run`), signed, and put where Interlock looks: beside the image, or
among the artifacts of the run that a model's version came from.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from interlock.api import facts
from interlock.evidence.http import shown
from interlock.evidence.predicates import READERS
from interlock.evidence.predicates.base import Told
from interlock.evidence.statement import STATEMENT_TYPE, Refused
from interlock_pipelines import evidence
from interlock_pipelines.errors import BadInput
from interlock_pipelines.model import Mlflow
from interlock_pipelines.oci import Access, Repository, pinned
from interlock_pipelines.sign import Signer
from interlock_pipelines.tree import read_tree

_TREE = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Claim:
    """A predicate about one subject."""

    predicate_type: str
    subject: tuple[str, str]
    """Its name, and its SHA-256 as 64 hex digits."""
    predicate: Mapping[str, Any]

    def statement(self) -> dict[str, object]:
        """Return the in-toto statement that would be signed."""
        name, digest = self.subject
        return {
            "_type": STATEMENT_TYPE,
            "subject": [{"name": name, "digest": {"sha256": digest}}],
            "predicateType": self.predicate_type,
            "predicate": dict(self.predicate),
        }


@dataclass(frozen=True, slots=True)
class Recorded:
    """A signed claim that now lies where Interlock looks for it."""

    subject: str
    """The image's reference, or the model's name and version."""
    predicate_type: str
    bundle: str
    """Digest of the referrer's manifest, or path of the artifact."""
    identity: str
    issuer: str


def about_image(reference: str, predicate_type: str, predicate: Mapping[str, Any]) -> Claim:
    """Return a claim about an image, named by digest. Raises BadInput."""
    digest = pinned(reference).digest.removeprefix("sha256:")
    return _readable(Claim(predicate_type, (facts.OCI_MANIFEST, digest), predicate))


def about_model(tree: str, predicate_type: str, predicate: Mapping[str, Any]) -> Claim:
    """Return a claim about a model, named by its tree digest (`sha256:…`). Raises BadInput."""
    subject = (facts.MODEL_TREE, tree.removeprefix("sha256:"))
    return _readable(Claim(predicate_type, subject, predicate))


def _readable(claim: Claim) -> Claim:
    """Refuse to sign what Interlock's own reader would not take."""
    _, reader = READERS.get(claim.predicate_type, ("", None))
    try:
        if reader:
            reader(claim.predicate, Told(datetime.now(UTC), ()))
    except Refused as refused:
        raise BadInput(
            f"Interlock would refuse this statement: got {refused.got}, expected "
            f"{refused.expected}."
        ) from None
    return claim


def tree_digest(model: str) -> str:
    """Return the tree digest of a model: of a folder, or as `publish` printed it."""
    if _TREE.fullmatch(model):
        return model
    folder = Path(model)
    if not folder.is_dir():
        raise BadInput(
            f"{shown(model, 200)!r} is no folder and no tree digest. Name the model's folder, or "
            "`sha256:…` as `interlock-pipeline publish` printed it."
        )
    return read_tree(folder).digest


def beside_image(reference: str, claim: Claim, *, access: Access, signer: Signer) -> Recorded:
    """Sign a claim and attach it to its image. Raises PipelineError."""
    found = pinned(reference)
    repository = Repository(f"{found.registry}/{found.repository}", access)
    image = repository.image(found.digest)
    bundle = signer.statement(claim.predicate_type, claim.subject, claim.predicate)
    at = evidence.attach(repository, image, bundle, claim.predicate_type)
    return Recorded(reference, claim.predicate_type, at, signer.identity, signer.issuer)


def beside_model(
    name: str, version: str, kind: str, claim: Claim, *, mlflow: Mlflow, signer: Signer
) -> Recorded:
    """Sign a claim and put it beside a model's version; `kind` is its file's name's beginning.

    Raises PipelineError.
    """
    run = mlflow.run_of(name, version)
    bundle = signer.statement(claim.predicate_type, claim.subject, claim.predicate)
    at = mlflow.attach(run, kind, bundle)
    return Recorded(
        f"{name} version {version}", claim.predicate_type, at, signer.identity, signer.issuer
    )
