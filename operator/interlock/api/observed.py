"""What the controller knows of one agent at one moment: the only input of `decide`.

Everything here is derived from the cluster's caches, the policy in force and a few memories of
this process that may be lost (when something was judged last). Nothing here is stored.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from interlock.api.kinds.deployment import AgentDeploymentSpec
from interlock.api.kinds.records import Cause, Ending, TransitionType, VerdictName
from interlock.api.values import Purpose

Action = Literal["hold", "rollback", "quarantine", "freeze"]
"""What a bad vote asks for: stop promotions, leave the revision, isolate the agent, wait for
a person."""


class Use(NamedTuple):
    """One thing that a verdict rests on and that a revocation may name."""

    kind: Literal["digest", "signer", "key", "scanner", "person", "approval"]
    name: str
    issuer: str = ""
    """Of a signer: who vouches for the identity."""
    at: datetime | None = None
    """When it signed, where somebody witnessed that."""


class Broken(NamedTuple):
    """A break-glass record that lets a content past a gate, and whose it is."""

    record: str
    person: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """The AgentDeployment: what the team asks for."""

    namespace: str
    name: str
    uid: str
    generation: int
    spec: AgentDeploymentSpec
    digest: str
    """Content digest of the spec."""
    behaviour: str
    deleting: bool = False
    finalizer: bool = False


@dataclass(frozen=True, slots=True)
class Revision:
    """An AgentRevision whose signature and digest hold."""

    name: str
    digest: str
    behaviour: str
    spec: AgentDeploymentSpec
    created: datetime
    marks: frozenset[str] = frozenset()
    """All digests by which it can be revoked, as 64 hex digits."""
    parent: str = ""
    """Name of the revision whose fallback this is; empty for a revision of its own."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The newest GateDecision of one revision and purpose, with a valid signature."""

    name: str
    revision: str
    number: int
    purpose: Purpose
    verdict: VerdictName
    at: datetime
    expires: datetime | None
    inputs: str
    fresh_until: datetime | None = None
    """When its evidence gets too old for a promotion."""
    gate: str = ""
    """The first gate that does not let through."""
    reason: str = ""
    message: str = ""
    nonces: tuple[str, ...] = ()
    """Nonces of the approvals that counted."""
    uses: tuple[Use, ...] = ()
    """What it rests on: signatures, approvals, and who made them with what."""
    approved: bool = False
    """Whether the approvals that its tier asks for were there, or it asks for none."""
    broken: tuple[Broken, ...] = ()
    """The break-glass that it rests on; empty where no gate was bypassed."""


@dataclass(frozen=True, slots=True)
class Transition:
    """An AgentTransition with a valid signature."""

    name: str
    number: int
    type: TransitionType
    origin: str
    to: str
    digest: str
    behaviour: str
    cause: Cause
    reason: str
    at: datetime
    message: str = ""
    requested_by: str = ""
    request: str = ""
    nonces: tuple[str, ...] = ()
    cut: bool = False
    switch: str = ""
    """Digest of what all members of the group wanted when this promotion was made."""
    ticket: str = ""
    expires: datetime | None = None
    """Of a break-glass: until when a promotion may rest on it."""
    break_glass: tuple[str, ...] = ()
    """Of a promotion: the break-glass records by which it went past a gate."""
    ratify_by: datetime | None = None
    """Of such a promotion: when it is left again unless the quorum approved meanwhile."""
    end: Ending | None = None
    ended: datetime | None = None
    healthy: datetime | None = None

    @property
    def committed(self) -> bool:
        """Whether the record took effect."""
        return self.end == "Committed"


@dataclass(frozen=True, slots=True)
class Workload:
    """The Deployment of one revision and what its pods say of it."""

    revision: str
    replicas: int
    pods: int
    ready: int
    updated: bool
    """Whether the Deployment controller has seen the newest spec and replaced all pods."""
    retiring: bool
    drained: str
    """The transition for which the last rolling restart was made."""
    started: datetime | None = None
    """When the first container of a pod that still is not ready was started."""

    @property
    def warm(self) -> bool:
        """Whether traffic can be pointed here now."""
        return self.ready > 0 and not self.retiring


@dataclass(frozen=True, slots=True)
class Vote:
    """What one signal says of one revision now, over its window."""

    signal: str
    verdict: Literal["good", "bad", "none"]
    """`none` is no data: it holds a promotion and never rolls anything back."""
    message: str
    action: Action = "rollback"
    """What it asks for when it is bad."""
    lasting: bool = False
    """Whether it counts after the bake too."""
    bad: int = 0
    of: int = 0
    """Bad samples of all samples in the window."""
    since: datetime | None = None
    """Since when it says so."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What keeps automatic moves from fighting, as policy sets it."""

    cool_down: timedelta = timedelta(minutes=15)
    """No promotion for so long after an automatic rollback."""
    rollbacks: int = 2
    """So many automatic rollbacks within `window` freeze the agent until a person lifts it."""
    window: timedelta = timedelta(hours=24)
    promotions: int = 5
    """Agents that may be between commit and the end of their bake at once."""
    inspect_every: timedelta = timedelta(minutes=5)
    """How often live objects are compared with what was rendered."""
    repairs: int = 3
    """So many repairs within `repairs_within` freeze the agent: somebody else writes there."""
    repairs_within: timedelta = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Fleet:
    """What all other agents are doing, as far as it concerns one."""

    promoting: int = 0
    """Other agents between commit and the end of their bake."""
    halted: str = ""
    """Why promotions and rollbacks for health are stopped everywhere; empty where they are not."""


@dataclass(frozen=True, slots=True)
class Peer:
    """Another agent of the namespace: one that this one depends on, or of its group."""

    name: str
    exists: bool
    depends_on: tuple[str, ...] = ()
    group: str = ""
    wanted: str = ""
    """Content digest that its team asks for."""
    settled: bool = False
    """Whether it serves what its team asks for, healthily."""
    ready: bool = False
    """Whether its candidate is allowed, staged and proven, and waits for the others only."""
    switch: str = ""
    """The switch by which its serving revision came."""
    left: Mapping[str, datetime] = field(default_factory=dict)
    """Switches that it has left again, and when."""


@dataclass(frozen=True, slots=True)
class Request:
    """A pending AgentRollback, AgentQuarantine, AgentRelease or AgentBreakGlass."""

    kind: Literal["AgentRollback", "AgentQuarantine", "AgentRelease", "AgentBreakGlass"]
    namespace: str
    name: str
    uid: str
    created: datetime
    reason: str
    requested_by: str
    expect: str = ""
    to: str = ""
    digest: str = ""
    frozen: bool = False
    """A release of the freeze, not of a hold."""
    cut: bool = False
    ticket: str = ""
    expires: datetime | None = None
    person: str = ""
    """Of a break-glass: who of people.yaml the asker is; empty for nobody."""


@dataclass(frozen=True, slots=True)
class BreakGlass:
    """On which terms a tier lets people past its approvals and freezes."""

    persons: int
    """So many distinct persons need nobody's approval any more."""
    ratify_within: timedelta | None
    """How long what fewer persons let in may serve unapproved; None where fewer may not."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Times that policy sets for the agent's tier."""

    minimum_bake: timedelta
    ready_within: timedelta
    recheck: timedelta
    """How often a verdict that does not allow is asked for again."""
    reverify: timedelta = timedelta(hours=1)
    """How often what serves is judged again."""
    break_glass: BreakGlass | None = None
    """None where the tier allows none."""


@dataclass(frozen=True, slots=True)
class Judged:
    """When this process judged a revision last, and under which policy."""

    at: datetime
    policy: str
    """Policy digest and revocation version."""
    trouble: tuple[str, str] = ("", "")
    """(reason, message) where no verdict could be reached."""


@dataclass(frozen=True, slots=True)
class Observed:
    """One agent, seen whole."""

    wanted: Wanted | None
    namespace: Literal["absent", "ours", "foreign", "leaving"] = "absent"
    policy: str = ""
    """Policy digest and revocation version; empty where no policy was ever verified."""
    fresh: bool = False
    """Whether the policy may still promote."""
    granted: str = ""
    """Why the namespace may not run this at all; empty where it may."""
    timing: Timing | None = None
    pointer: str | None = None
    """Revision that the Service names; None where there is no Service."""
    preview: str | None = None
    """Revision that the preview Service names; None where there is no such Service."""
    emergency: str = ""
    """The reason given with an emergency write of the pointer."""
    quarantined: bool = False
    admitted: Mapping[str, bool] = field(default_factory=dict)
    """Entries of AgentAdmission: revision to `eligible`."""
    revisions: Mapping[str, Revision] = field(default_factory=dict)
    verdicts: Mapping[tuple[str, Purpose], Verdict] = field(default_factory=dict)
    transitions: tuple[Transition, ...] = ()
    """By number, oldest first."""
    workloads: Mapping[str, Workload] = field(default_factory=dict)
    requests: tuple[Request, ...] = ()
    """Oldest first."""
    revoked: Mapping[str, str] = field(default_factory=dict)
    """Revision to the reason of its revocation."""
    judged: Mapping[tuple[str, Purpose], Judged] = field(default_factory=dict)
    staged: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Revision to (reason, message) of a stage that the API server refused."""
    votes: Mapping[str, tuple[Vote, ...]] = field(default_factory=dict)
    """Revision to what the signals say of it."""
    limits: Limits = Limits()
    fleet: Fleet = Fleet()
    peers: tuple[Peer, ...] = ()
    """The agents that it depends on and the other members of its group, by name."""
    drift: tuple[str, ...] = ()
    """Live objects that differed from what was rendered, when it was last looked."""
    inspected: datetime | None = None
    """When this process compared live objects with what was rendered."""
    repairs: tuple[datetime, ...] = ()
    """When this process put drifted objects right."""
    bad_records: tuple[str, ...] = ()
    """Records whose signature does not hold."""
