"""Governance's targets as closed models: a typo in policy is an error, never a silent default.

Each class is one target file of the governance repository; `Policy` is all of them.
"""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from interlock.api.facts import Strength
from interlock.api.kinds.base import Duration, Hex64, Model, Name, Sha256, Time
from interlock.api.kinds.deployment import Tier
from interlock.policy.evidence import EvidencePolicy, TierEvidence
from interlock.policy.exceptions import Exceptions
from interlock.policy.feed import Feed
from interlock.policy.freezes import Freezes
from interlock.policy.revocations import Revocations
from interlock.policy.rules import Rules
from interlock.policy.signers import Signer

Role = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,62}$")]
PersonId = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]
GateName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,62}$")]

GATE_NAMES = (
    "grants",
    "pins",
    "model-signature",
    "model-content",
    "training-record",
    "evaluation",
    "image-signature",
    "provenance",
    "sbom",
    "vulnerability-scan",
    "rules",
    "change-approval",
    "freeze-window",
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


def _is_plain(url: str) -> str:
    if url.endswith(":443") or ":443/" in url:
        raise ValueError("leave :443 out: one forge has one spelling")
    return url


Forge = Annotated[
    str,
    Field(pattern=r"^https://[a-z0-9][a-z0-9.:-]*(/[A-Za-z0-9._-]+)*$", max_length=255),
    AfterValidator(_is_plain),
]
"""Where a forge is, without a slash at the end."""


class Account(Model):
    """An account of a forge, by its number: a name may be somebody else's tomorrow."""

    forge: Forge
    id: Annotated[int, Field(ge=1)]


class Identity(Model):
    """One of a person's Sigstore identities, exactly as certificates have it."""

    identity: Annotated[str, Field(min_length=1, max_length=512)]
    issuer: Annotated[str, Field(min_length=1, max_length=512)]


class Person(Model):
    """One human being: all that is theirs, and their roles, so that nobody counts twice."""

    id: PersonId
    roles: list[Role]
    keys: list[SshKey] = []
    identities: list[Identity] = []
    accounts: list[Account] = []
    users: list[Annotated[str, Field(min_length=1, max_length=512)]] = []
    """Names by which clusters know this person; only they may break the glass."""
    emails: list[str] = []
    """Addresses under which this person commits; they only exclude."""
    not_before: Time | None = None
    """Before it and after `not_after` nothing of theirs counts for a change."""
    not_after: Time | None = None


class People(Model):
    """`people.yaml`."""

    people: list[Person] = []


class Bridge(Model):
    """A process that reads a forge's reviews and signs what it saw."""

    forge: Forge
    key: Annotated[str, Field(max_length=4096)]
    """Its SSH key, as a line of an authorized_keys file without options."""
    not_before: Time | None = None
    not_after: Time | None = None


class Trust(Model):
    """`trust.yaml`."""

    signers: list[Signer] = []
    bridges: list[Bridge] = []
    scanners: list[str] = []
    """URIs of scanners whose word counts."""
    scanner_images: list[Sha256] = []
    """Digests of the images that those scanners may be run from; none: whatever they are."""


class Slot(Model):
    """So many distinct persons of a role."""

    role: Role
    count: Annotated[int, Field(ge=1, le=16)] = 1


class BreakGlass(Model):
    """Whether, and on which terms, people may go past missing approvals and freezes."""

    allowed: bool = False
    persons: Annotated[int, Field(ge=2, le=16)] = 2
    """So many distinct persons need no approval afterwards."""
    ratify_within: Duration | None = "4h"
    """How long what fewer persons let in may serve until the quorum approves it; null where fewer
    may let nothing in."""


class TierPolicy(Model):
    """What one tier asks for."""

    gates: list[GateName]
    quorum: list[Slot] = []
    approval_max_age: Duration = "72h"
    strengths: Annotated[list[Strength], Field(min_length=1, max_length=3)] = ["signed", "sigstore"]
    """Which approvals count. One that does not may still reject."""
    minimum_dwell: Duration | Literal["0s"] = "0s"
    """How long a full quorum stands, open to a veto, before the change is promoted."""
    break_glass: BreakGlass = BreakGlass()
    known_author: bool = False
    evidence: TierEvidence = TierEvidence()
    """What this tier has in place of what `gates.yaml` says of evidence."""
    minimum_bake: Duration = "1s"
    ready_within: Duration = "10m"
    """How long a candidate's pods may take, after their images are there, to become ready."""
    runtime_class: Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$|^$")] = ""
    """RuntimeClass that its pods get; empty for the cluster's default."""


class Tiers(Model):
    """`tiers.yaml`."""

    tiers: dict[Tier, TierPolicy] = {}
    environments: dict[Name, dict[Tier, TierPolicy]] = {}
    """Tiers that ask for something else in one environment."""


class Violations(Model):
    """How many policy violations a revision may cause, as the gateway counts them."""

    minimum_decisions: Annotated[int, Field(ge=1)] = 50
    ratio: Annotated[float, Field(ge=0, le=1)] = 0.01
    burst: Annotated[int, Field(ge=1)] = 5
    burst_within: Duration = "60s"


class Baseline(Model):
    """How much worse than what it replaced a revision may be, over the same window."""

    ratio: Annotated[float, Field(ge=1)] = 2.0
    floor: Annotated[float, Field(ge=0)] = 0.01
    minimum_samples: Annotated[int, Field(ge=1)] = 50
    window: Duration = "5m"


class SignalPolicy(Model):
    """When signals are asked, and what their samples amount to."""

    initial_delay: Duration = "30s"
    """How long a revision's pods are ready before it is sampled."""
    interval: Duration = "30s"
    timeout: Duration = "5s"
    successes: Annotated[int, Field(ge=1, le=60)] = 5
    """Consecutive good samples that prove a candidate."""
    failures: Annotated[int, Field(ge=1, le=30)] = 3
    """Consecutive bad samples that make a bad vote; good again after twice as many good ones."""
    restarts: Annotated[int, Field(ge=1, le=100)] = 3
    restarts_within: Duration = "5m"
    pull_within: Duration = "60s"
    """How long an image may fail to be pulled."""
    denied_within: Duration = "30s"
    """How long the API server may refuse our own pods after it accepted them in a dry run."""
    violations: Violations = Violations()
    baseline: Baseline = Baseline()
    silence_holds: Duration = "60s"
    """Gap in the decision log, while traffic flows, after which promotions stop."""
    silence_freezes: Duration = "5m"
    expiry: Literal["ignore", "quarantine"] = "ignore"
    """What happens an hour after the evidence of what serves has expired."""


class Breakers(Model):
    """What keeps automatic moves from fighting, within an agent and over the fleet."""

    cool_down: Duration = "15m"
    """No promotion for so long after an automatic rollback."""
    rollbacks: Annotated[int, Field(ge=1, le=100)] = 2
    """So many automatic rollbacks within `rollbacks_within` freeze an agent."""
    rollbacks_within: Duration = "24h"
    promotions: Annotated[int, Field(ge=1, le=100_000)] = 5
    """Agents that may be between commit and the end of their bake at once."""
    fleet_agents: Annotated[int, Field(ge=1)] = 3
    """So many agents, and more than `fleet_share` of all, rolled back within `fleet_within` stop
    promotions and rollbacks for health everywhere."""
    fleet_share: Annotated[float, Field(ge=0, le=1)] = 0.2
    fleet_errors: Annotated[float, Field(ge=0, le=1)] = 0.3
    """The same, when the agents of more than this share of teams cannot be judged."""
    fleet_within: Duration = "10m"
    inspect_every: Duration = "5m"
    """How often live objects are compared with what was rendered."""
    repairs: Annotated[int, Field(ge=1, le=100)] = 3
    """So many repairs within `repairs_within` freeze an agent."""
    repairs_within: Duration = "10m"


class Gates(EvidencePolicy):
    """`gates.yaml`."""

    signals: SignalPolicy = SignalPolicy()
    breakers: Breakers = Breakers()
    recheck: Duration = "30s"
    """How often a verdict that does not allow is asked for again."""
    reverify: Duration = "1h"
    """How often what serves is judged again: its evidence may have changed."""


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
    feed: Feed | None = None
    user_rules: Rules = Rules()
    trusted_root: bytes
    """`trusted_root.json` as it was verified."""
    digest: Hex64
    """SHA-256 over RFC 8785 of {target: sha256}, without revocations."""
    root_digest: Hex64
    """SHA-256 of `trusted_root.json`."""
    revocation_version: int
