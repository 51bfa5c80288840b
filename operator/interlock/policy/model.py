"""Governance's targets as closed models: a typo in policy is an error, never a silent default.

Each class is one target file of the governance repository; `Policy` is all of them.
"""

from typing import Annotated, Literal

from pydantic import Field

from interlock.api import facts
from interlock.api.kinds.base import Duration, Hex64, Model, Name, Time
from interlock.api.kinds.deployment import Tier

Role = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,62}$")]
PersonId = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]
GateName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,62}$")]
Severity = Literal["CRITICAL", "HIGH", "MEDIUM", "LOW", "UNKNOWN"]

GATE_NAMES = (
    "grants",
    "pins",
    "model-signature",
    "image-signature",
    "vulnerability-scan",
    "change-approval",
    "revocation",
)
"""The gates that a tier may ask for, in the order in which they run."""


class SourceGrant(Model):
    """A place in git that may deliver a namespace's agents, and where their approvals lie."""

    url: str
    ref: str = "refs/heads/main"
    path: str = ""
    approvals: str
    """URL of the repository that holds `refs/approvals/*`."""


class ModelGrant(Model):
    """A registered model that the namespace may name."""

    registry: str = "default"
    name: str


class Grants(Model):
    """What a namespace may name. A trailing `*` matches any rest; nothing else is a pattern."""

    models: list[ModelGrant] = []
    images: list[str] = []
    """OCI repositories of images, without tag or digest."""
    artifacts: list[str] = []
    """OCI repositories of model volumes."""
    knowledge: list[str] = []
    tools: list[str] = []
    """Tool endpoints."""
    metrics: list[str] = []


class NamespacePolicy(Model):
    """What governance says about one team namespace."""

    environment: Name
    minimum_tier: Tier = "low"
    repositories: list[SourceGrant] = []
    grants: Grants = Grants()
    max_replicas: Annotated[int, Field(ge=1, le=100)] = 10


class Namespaces(Model):
    """`namespaces.yaml`."""

    namespaces: dict[Name, NamespacePolicy] = {}


class SshKey(Model):
    """One of a person's keys, as a line of an authorized_keys file without options."""

    ssh: Annotated[str, Field(max_length=4096)]
    not_before: Time | None = None
    not_after: Time | None = None


class Person(Model):
    """One human being: all keys, addresses and roles, so that nobody counts twice."""

    id: PersonId
    roles: list[Role]
    keys: list[SshKey] = []
    emails: list[str] = []
    """Addresses under which this person commits; they only exclude."""


class People(Model):
    """`people.yaml`."""

    people: list[Person] = []


class Signer(Model):
    """An identity that may sign, in one role. Exact match of identity and issuer."""

    role: Literal["trainer", "builder", "scanner", "evaluator"]
    identity: str
    issuer: str
    not_before: Time | None = None
    not_after: Time | None = None
    compromised_since: Time | None = None


class Trust(Model):
    """`trust.yaml`."""

    signers: list[Signer] = []
    scanners: list[str] = []
    """URIs of scanners whose word counts."""


class Slot(Model):
    """So many distinct persons of a role."""

    role: Role
    count: Annotated[int, Field(ge=1, le=16)] = 1


class TierPolicy(Model):
    """What one tier asks for."""

    gates: list[GateName]
    quorum: list[Slot] = []
    approval_max_age: Duration = "72h"
    known_author: bool = False
    minimum_bake: Duration = "1s"
    ready_within: Duration = "10m"
    """How long a candidate's pods may take, after their images are there, to become ready."""


class Tiers(Model):
    """`tiers.yaml`."""

    tiers: dict[Tier, TierPolicy] = {}


class ScanPolicy(Model):
    """What a scan must show."""

    max_age: Duration = "24h"
    max_database_age: Duration = "72h"
    maximum: dict[Severity, Annotated[int, Field(ge=0)]] = {"CRITICAL": 0, "HIGH": 0, "UNKNOWN": 0}


class Gates(Model):
    """`gates.yaml`."""

    vulnerability_scan: ScanPolicy = ScanPolicy()
    recheck: Duration = "30s"
    """How often a verdict that does not allow is asked for again."""


class Freezes(Model):
    """`freezes.yaml`. No window is defined yet: the list must be empty."""

    freezes: Annotated[list[str], Field(max_length=0)] = []


class Exceptions(Model):
    """`exceptions.yaml`. No exception is defined yet: the list must be empty."""

    exceptions: Annotated[list[str], Field(max_length=0)] = []


class RevokedDigest(Model):
    """A digest that may not run: content, behaviour, model tree, image or bundle."""

    digest: Hex64
    reason: Annotated[str, Field(min_length=1, max_length=512)]


class RevokedSigner(Model):
    """An identity whose signatures count nothing, or nothing since a moment."""

    identity: str
    issuer: str
    since: Time | None = None
    reason: Annotated[str, Field(min_length=1, max_length=512)]


class Revocations(Model):
    """`revocations.yaml`, owned by its own role so that one person can act at night."""

    digests: list[RevokedDigest] = []
    signers: list[RevokedSigner] = []


ROLE_OF: dict[str, str] = {
    facts.OMS: "trainer",
    facts.COSIGN: "builder",
    facts.PROVENANCE: "builder",
    facts.VULNS: "scanner",
}
"""Which role may sign which predicate type."""


class Policy(Model):
    """All targets, verified and parsed, with their digests."""

    namespaces: Namespaces
    people: People
    trust: Trust
    tiers: Tiers
    gates: Gates
    freezes: Freezes
    exceptions: Exceptions
    revocations: Revocations
    trusted_root: bytes
    """`trusted_root.json` as it was verified."""
    digest: Hex64
    """SHA-256 over RFC 8785 of {target: sha256}, without revocations."""
    root_digest: Hex64
    """SHA-256 of `trusted_root.json`."""
    revocation_version: int
