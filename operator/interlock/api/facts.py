"""Facts v1: everything a verdict rests on, as one canonical JSON, so that it can be replayed.

The verifier fills them from untrusted bytes, the gates judge them, the GateDecision keeps them.
Lists are sorted and capped by whoever fills them; the whole is at most 256 KiB.
"""

from typing import Annotated, Any, Literal

from pydantic import Field

from interlock.api import digests
from interlock.api.content import Content
from interlock.api.kinds.base import Hex64, Model, Time
from interlock.api.proofs import Evaluation, Provenance, Sbom, Training
from interlock.api.values import Purpose

MAX_FACTS_BYTES = 256 * 1024
MAX_FINDINGS = 500
MAX_FILES_NAMED = 20

OMS = "https://model_signing/signature/v1.0"
COSIGN = "https://sigstore.dev/cosign/sign/v1"
VULNS = "https://in-toto.io/attestation/vulns/v0.2"
PROVENANCE = "https://slsa.dev/provenance/v1"
CYCLONEDX = "https://cyclonedx.org/bom"
SPDX = "https://spdx.dev/Document"
TEST_RESULT = "https://in-toto.io/attestation/test-result/v0.1"
TRAINING = "https://interlock.dev/attestation/training/v1"
APPROVAL = "https://interlock.dev/attestation/change-approval/v1"

MODEL_TREE = "model-tree"
OCI_MANIFEST = "oci-manifest"
AGENT_CONTENT = "agent-content"


class Subject(Model):
    """What is judged: one pinned content."""

    namespace: str
    name: str
    spec: dict[str, Any]
    """The pinned spec without absent fields and defaults (`AgentDeploymentSpec.dump()`)."""
    digest: Hex64
    behaviour: Hex64


class Pin(Model):
    """One pin of the spec, compared with the world."""

    name: str
    """Where it stands in the spec, such as `model.tree` or `prompts[system].digest`."""
    expected: str
    """What the spec says; empty where it says nothing."""
    got: str
    """What the world says; empty where it has no such thing."""
    detail: str = ""

    @property
    def true(self) -> bool:
        """Whether the world agrees."""
        return bool(self.got) and self.got == self.expected


class FileDifference(Model):
    """A file whose bytes are not those that were signed."""

    path: str
    got: str
    expected: str


class ModelSignature(Model):
    """An OMS statement compared file by file with what the registry serves."""

    files: int
    differs: list[FileDifference] = []
    missing: list[str] = []
    unsigned: list[str] = []

    @property
    def same(self) -> bool:
        """Whether exactly the signed files are there, each with the signed bytes."""
        return self.files > 0 and not (self.differs or self.missing or self.unsigned)


class Finding(Model):
    """One vulnerability in one package."""

    id: str
    package: str
    installed: str = ""
    fixed: str = ""
    severity: Literal["CRITICAL", "HIGH", "MEDIUM", "LOW", "UNKNOWN"]


class Scan(Model):
    """A vulnerability scan (in-toto vulns v0.2)."""

    scanner: str
    scanner_version: str = ""
    database: Time
    """When the scanner's database was last updated."""
    started: Time
    finished: Time
    findings: Annotated[list[Finding], Field(max_length=MAX_FINDINGS)] = []
    """Worst first."""
    totals: dict[str, int] = {}
    """Severity to count, of all findings, named above or not."""
    suppressed: int = 0
    packages: int = 0


class Evidence(Model):
    """One bundle whose signature holds. Whether its signer may say so is a gate's question."""

    bundle: Hex64
    """SHA-256 of the bundle's bytes."""
    location: str
    predicate_type: str
    subjects: list[tuple[str, str]]
    """(name, sha256) pairs of the statement."""
    identity: str
    issuer: str
    at: Time
    """The verified signing time."""
    extensions: dict[str, str] = {}
    model: ModelSignature | None = None
    scan: Scan | None = None
    provenance: Provenance | None = None
    sbom: Sbom | None = None
    evaluation: Evaluation | None = None
    training: Training | None = None

    def about(self, digest: str) -> bool:
        """Whether the statement's subjects include this SHA-256 (64 hex)."""
        return any(sha256 == digest for _, sha256 in self.subjects)


class Denied(Model):
    """A bundle that proves nothing, and why."""

    bundle: Hex64
    location: str
    code: str
    got: str
    expected: str


class Approval(Model):
    """One approval envelope whose signature holds. Who the key belongs to is policy's business."""

    envelope: Hex64
    key: str
    """OpenSSH fingerprint (`SHA256:…`) of the signing key."""
    decision: Literal["approve", "reject", "revoke"]
    subject: Hex64
    """The content digest that was signed."""
    clusters: list[str] = []
    repository: str = ""
    ref: str = ""
    path: str = ""
    environment: str = ""
    namespace: str = ""
    predecessor: str = ""
    person: str
    role: str
    not_before: Time
    not_after: Time
    nonce: str
    reason: str = ""


class Involved(Model):
    """Somebody whose hands were on the change. May only take approvals away, never add one."""

    kind: Literal["signer", "author", "committer", "coauthor"]
    id: str
    """Key fingerprint for a signer, e-mail address for the others."""


class Change(Model):
    """The commits that touched the file since the predecessor."""

    repository: str
    ref: str
    path: str
    commit: str
    people: list[Involved] = []
    unsigned: int = 0
    """How many of those commits carry no signature that could be read."""
    complete: bool = False
    """False where the history could not be followed to the predecessor."""


class Held(Model):
    """A hold on a behaviour at the moment of the verdict."""

    behaviour: Hex64
    cause: Literal["failed", "revoked", "requested"]
    nonces: list[str] = []
    """Nonces that the hold's record lists: approvals with others lift it."""


class Context(Model):
    """What the cluster knows that no evidence says."""

    cluster: str
    environment: str
    tier: str
    serving: str = ""
    """Content digest that serves, empty for none."""
    predecessors: list[str] = []
    """Content digests (or `none`) that an approval may name as predecessor."""
    holds: list[Held] = []
    spent: list[str] = []
    """Nonces of committed promotions."""


class Facts(Model):
    """Facts v1."""

    schema_: Literal["interlock.dev/facts/v1"] = Field(
        default="interlock.dev/facts/v1", alias="schema"
    )
    now: Time
    purpose: Purpose
    subject: Subject
    policy_digest: str = ""
    revocation_version: int = 0
    root_digest: str = ""
    pins: list[Pin] = []
    evidence: list[Evidence] = []
    denied: list[Denied] = []
    content: Content | None = None
    """What the model's files are; None where the spec names no model."""
    approvals: list[Approval] = []
    change: Change | None = None
    context: Context

    def canonical(self) -> bytes:
        """Return the one JSON form (RFC 8785) that is stored and hashed."""
        value = self.model_dump(mode="json", by_alias=True, exclude_none=True)
        return digests.canonical(value)

    def fingerprint(self) -> bytes:
        """Return the canonical form without what moves by itself: `now`, `revocationVersion`."""
        value = self.model_dump(mode="json", by_alias=True, exclude_none=True)
        del value["now"], value["revocationVersion"]
        return digests.canonical(value)


class Findings(Model):
    """What the verifier learned about one subject: the part of the facts that needs the world."""

    pins: list[Pin] = []
    evidence: list[Evidence] = []
    denied: list[Denied] = []
    content: Content | None = None
    approvals: list[Approval] = []
    change: Change | None = None


class Unresolved(Model):
    """Why the world could not be asked, or would not answer properly."""

    reason: str
    """A value of `Reason`: SourceUnavailable, SourceRefused, PinMissing, Invalid, InternalError."""
    message: str
