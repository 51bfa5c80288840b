"""The three things that are published, each by a role of its own: model, signature, scan.

What may fail for reasons of the caller's comes first (names, files, tokens, signatures), what
others will see comes last, so that a run that fails leaves nothing that looks finished.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from interlock.api import facts
from interlock.evidence.http import shown
from interlock_pipelines import evidence, scan
from interlock_pipelines.errors import BadInput
from interlock_pipelines.model import Mlflow
from interlock_pipelines.oci import Access, Repository, pinned
from interlock_pipelines.sign import Signer
from interlock_pipelines.tree import read_tree
from interlock_pipelines.volume import push_volume

_MODEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
"""As `spec.model.name` allows it."""


@dataclass(frozen=True, slots=True)
class PublishedModel:
    """A registered version, with the pins that an AgentDeployment writes down."""

    name: str
    version: str
    tree: str
    volume: str
    files: int
    run: str
    identity: str
    issuer: str


@dataclass(frozen=True, slots=True)
class Attached:
    """A bundle that now refers to an image."""

    image: str
    predicate_type: str
    bundle: str
    """Digest of the referrer's manifest."""
    identity: str
    issuer: str
    findings: int = 0


def publish_model(
    folder: Path, name: str, *, mlflow: Mlflow, volume: Repository, signer: Signer, experiment: str
) -> PublishedModel:
    """Sign a model's folder, push it as a volume and register it. Raises PipelineError.

    The volume's tag is the version's number.
    """
    if not _MODEL_NAME.fullmatch(name):
        raise BadInput(
            f"{shown(name, 140)!r} is no model name: use letters, digits, `.`, `_` and `-`, "
            "beginning with a letter or digit, at most 128."
        )
    tree = read_tree(folder)
    signed = {"model": signer.model(tree)}
    pushed = push_volume(tree, volume)
    made = mlflow.register(name, experiment or name, tree, signed)
    pushed.tag(made.version)
    return PublishedModel(
        name=name,
        version=made.version,
        tree=tree.digest,
        volume=pushed.reference,
        files=len(tree.files),
        run=made.run,
        identity=signer.identity,
        issuer=signer.issuer,
    )


def sign_image(reference: str, *, access: Access, signer: Signer) -> Attached:
    """Sign an image by digest (cosign's v1 predicate) and attach it. Raises PipelineError."""
    repository, digest = _split(reference, access)
    image = repository.image(digest)
    bundle = signer.statement(facts.COSIGN, (facts.OCI_MANIFEST, image.hex), {})
    at = evidence.attach(repository, image, bundle, facts.COSIGN)
    return Attached(reference, facts.COSIGN, at, signer.identity, signer.issuer)


def attach_scan(
    reference: str,
    report: scan.Report,
    database_updated: datetime,
    *,
    access: Access,
    signer: Signer,
    now: datetime,
) -> Attached:
    """Sign what a scan found in an image, and attach it. Raises PipelineError."""
    repository, digest = _split(reference, access)
    image = repository.image(digest)
    config = image.body.get("config")
    scan.check_about(report, digest, str(config["digest"] if isinstance(config, dict) else ""))
    said = scan.predicate(report, database_updated, now)
    bundle = signer.statement(facts.VULNS, (facts.OCI_MANIFEST, image.hex), said)
    at = evidence.attach(repository, image, bundle, facts.VULNS)
    found = sum(len(each["annotations"]) for each in said["scanner"]["result"])
    return Attached(reference, facts.VULNS, at, signer.identity, signer.issuer, found)


def _split(reference: str, access: Access) -> tuple[Repository, str]:
    found = pinned(reference)
    return Repository(f"{found.registry}/{found.repository}", access), found.digest
