"""The three things that are published, each by a role of its own: model, signature, scan.

What may fail for reasons of the caller's comes first (names, files, tokens, signatures), what
others will see comes last, so that a run that fails leaves nothing that looks finished.
"""

import re
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from interlock.api import facts
from interlock.evidence.http import shown
from interlock_pipelines import scan
from interlock_pipelines.claim import Claim, Recorded, about_image, beside_image
from interlock_pipelines.errors import BadInput
from interlock_pipelines.model import Mlflow
from interlock_pipelines.oci import Access, Repository, pinned
from interlock_pipelines.progress import Progress, silent
from interlock_pipelines.sign import Signer
from interlock_pipelines.tree import Tree, read_tree, size_of
from interlock_pipelines.volume import pack, push_volume

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


@dataclass(frozen=True, slots=True)
class PlannedModel:
    """What `publish_model` would make; a version has its number only once it is there."""

    name: str
    tree: str
    volume: str
    files: int
    bytes: int


def plan_model(
    folder: Path, name: str, *, volume: Repository, progress: Progress = silent
) -> PlannedModel:
    """Return what publishing a folder would make; nothing is sent. Raises BadInput."""
    tree = _tree(folder, name, progress)
    with progress("Packing", tree.size) as told:
        digest = pack(replace(tree, told=told)).digest
    return PlannedModel(name, tree.digest, f"{volume.name}@{digest}", len(tree.files), tree.size)


def publish_model(
    folder: Path,
    name: str,
    *,
    mlflow: Mlflow,
    volume: Repository,
    signer: Signer,
    experiment: str,
    progress: Progress = silent,
) -> PublishedModel:
    """Sign a model's folder, push it as a volume and register it. Raises PipelineError.

    The volume's tag is the version's number.
    """
    tree = _tree(folder, name, progress)
    with progress("Signing", 0):
        signed = {"model": signer.model(tree)}
    with progress("Pushing the volume", 2 * tree.size) as told:  # read to be named, and to be sent
        pushed = push_volume(replace(tree, told=told), volume)
    with progress("Registering", tree.size) as told:
        made = mlflow.register(name, experiment or name, replace(tree, told=told), signed)
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


def _tree(folder: Path, name: str, progress: Progress) -> Tree:
    if not _MODEL_NAME.fullmatch(name):
        raise BadInput(
            f"{shown(name, 140)!r} is no model name: use letters, digits, `.`, `_` and `-`, "
            "beginning with a letter or digit, at most 128."
        )
    with progress("Hashing", size_of(folder)) as told:
        return read_tree(folder, told)


def image_claim(reference: str, *, access: Access) -> Claim:
    """Return a builder's claim (cosign's v1 predicate) about an image that is there.

    Raises PipelineError.
    """
    repository, digest = _split(reference, access)
    repository.image(digest)
    return about_image(reference, facts.COSIGN, {})


def sign_image(reference: str, *, access: Access, signer: Signer) -> Attached:
    """Sign an image by digest and attach it. Raises PipelineError."""
    made = image_claim(reference, access=access)
    return _attached(beside_image(reference, made, access=access, signer=signer))


def scan_claim(
    reference: str,
    report: scan.Report,
    database_updated: datetime,
    *,
    access: Access,
    now: datetime,
) -> Claim:
    """Return a scanner's claim of what a report found in an image. Raises PipelineError."""
    repository, digest = _split(reference, access)
    config = repository.image(digest).body.get("config")
    scan.check_about(report, digest, str(config["digest"] if isinstance(config, dict) else ""))
    return about_image(reference, facts.VULNS, scan.predicate(report, database_updated, now))


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
    made = scan_claim(reference, report, database_updated, access=access, now=now)
    found = sum(len(each["annotations"]) for each in made.predicate["scanner"]["result"])
    return _attached(beside_image(reference, made, access=access, signer=signer), found)


def _attached(done: Recorded, findings: int = 0) -> Attached:
    return Attached(
        done.subject, done.predicate_type, done.bundle, done.identity, done.issuer, findings
    )


def _split(reference: str, access: Access) -> tuple[Repository, str]:
    found = pinned(reference)
    return Repository(f"{found.registry}/{found.repository}", access), found.digest
