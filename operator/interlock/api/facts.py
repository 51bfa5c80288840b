"""Facts v1: everything a verdict rests on, as one canonical JSON, so that it can be replayed.

The verifier fills them from untrusted bytes, the gates judge them, the GateDecision keeps them.
Lists are sorted and capped by whoever fills them; the whole is at most 256 KiB.
"""

from typing import Annotated, Any, Literal

from pydantic import Field

from interlock.api import digests
from interlock.api.content import Content
from interlock.api.digests import ModelFile
from interlock.api.kinds.base import Hex64, Model, Time
from interlock.api.proofs import Evaluation, Provenance, Sbom, Training
from interlock.api.values import Purpose

MAX_FACTS_BYTES = 256 * 1024
MAX_FINDINGS = 500
MAX_FILES_NAMED = 20
MAX_ECOSYSTEMS = 16

OMS = "https://model_signing/signature/v1.0"
COSIGN = "https://sigstore.dev/cosign/sign/v1"
VULNS = "https://in-toto.io/attestation/vulns/v0.2"
PROVENANCE = "https://slsa.dev/provenance/v1"
CYCLONEDX = "https://cyclonedx.org/bom"
SPDX = "https://spdx.dev/Document"
SPDX_2_3 = "https://spdx.dev/Document/v2.3"
SPDX_3 = "https://spdx.dev/Document/v3"
SBOMS = (CYCLONEDX, SPDX, SPDX_2_3, SPDX_3)
"""Bills of materials: tools write the version of SPDX into the type, or leave it out."""
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


class Registered(Model):
    """The registered version that the pins were compared with: it is a name, and names move."""

    name: str
    version: str
    model_id: str = ""
    """MLflow's id of the logged model; empty where the version was made of none."""
    created: Time | None = None
    """When the version was created. A model that was deleted and made again keeps name and
    version, and gets another id and time."""


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
    purl: str = ""
    """Package URL, as the scanner names it."""
    published: Time | None = None
    """When the vulnerability became known."""
    severity: Literal["CRITICAL", "HIGH", "MEDIUM", "LOW", "UNKNOWN"]


class Scan(Model):
    """A vulnerability scan (in-toto vulns v0.2)."""

    scanner: str
    scanner_version: str = ""
    scanner_image: str = ""
    """`sha256:…` of the image that the scanner ran from; empty where it does not say."""
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
    os: str = ""
    """The operating system that it recognised; empty for none."""
    end_of_life: bool = False
    """Whether that operating system gets no more fixes."""
    ecosystems: Annotated[list[str], Field(max_length=MAX_ECOSYSTEMS)] = []
    """Kinds of packages that it found the lists of, such as `debian` or `gobinary`."""
    secrets: int | None = None
    """How many secrets it found; None where it did not look for any."""


class Evidence(Model):
    """One bundle whose signature holds. Whether its signer may say so is a gate's question."""

    bundle: Hex64
    """SHA-256 of the bundle's bytes."""
    statement: Hex64 | Literal[""] = ""
    """SHA-256 of the statement that was signed: the same, however its bundle is written."""
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


NOT_FAST_FORWARD = "NotFastForward"
"""The code of a ref whose new tip was not taken: it was moved back, rewritten or deleted."""


class Denied(Model):
    """A bundle that proves nothing, and why."""

    bundle: Hex64
    location: str
    code: str
    got: str
    expected: str


Strength = Literal["signed", "sigstore", "forge"]
"""How an approval was made: with a person's own SSH key, with an identity that a certificate
authority vouches for, or by a click in a forge that a bridge saw and signed."""


class ForgeAccount(Model):
    """An account of a forge by its number, which unlike its name is never given to another."""

    forge: str
    """`https://host`."""
    id: int


class Approval(Model):
    """One approval whose signature holds. Whose key or account it is, is policy's business."""

    envelope: Hex64
    strength: Strength = "signed"
    key: str = ""
    """OpenSSH fingerprint (`SHA256:…`) of the signing key: the person's, or for a forge's review
    the bridge's. Empty for Sigstore."""
    identity: str = ""
    """Who signed with Sigstore; empty for others."""
    issuer: str = ""
    """Who vouches for that identity."""
    account: ForgeAccount | None = None
    """Who reviewed in a forge; None for others."""
    review: str = ""
    """The review in the forge, as its bridge names it."""
    overrides: list[str] = []
    """Freezes that this approval lifts, where its person may."""
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
    contains: list[str] | None = None
    """Commits that provenance names and that `commit` is or continues; None where it names none."""
    people: list[Involved] = []
    unsigned: int = 0
    """How many of those commits carry no signature that could be read."""
    complete: bool = False
    """False where the history could not be followed to the predecessor."""


class Held(Model):
    """A hold on a behaviour at the moment of the verdict."""

    behaviour: Hex64
    cause: Literal["failed", "revoked", "requested", "unratified"]
    nonces: list[str] = []
    """Nonces that the hold's record lists: approvals with others lift it."""


class BrokenGlass(Model):
    """A break-glass that a person of people.yaml asked for and no promotion has rested on yet."""

    record: str
    """The AgentTransition that recorded it."""
    person: str
    expires: Time
    ticket: str


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
    break_glass: list[BrokenGlass] = []
    """Those for this content; none where it serves already."""
    unratified: str = ""
    """The newest promotion, where it went past a gate by break-glass and nobody ratified it."""
    seen: dict[Hex64, Time] = {}
    """When approvals (by envelope) were first judged, where a tier has a minimum dwell: what
    people sign says itself when it was signed."""


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
    registered: Registered | None = None
    """None where the spec names no model, or the registry has no such version."""
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

    files: list[ModelFile] = []
    """The model's files as they were hashed, where init containers have to copy them. Not kept in
    the facts: `model.tree` is their digest."""
    pins: list[Pin] = []
    registered: Registered | None = None
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
