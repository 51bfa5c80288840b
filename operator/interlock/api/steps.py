"""The steps that `decide` may ask for. Each is data; its executor lives in `actions/`.

`TrafficStep`s move or guard traffic and may read the cluster's caches only; `WorkStep`s may ask
the world. An agent's traffic step is never behind anybody's work step.
"""

from dataclasses import dataclass
from datetime import datetime

from interlock.api.kinds.records import Cause, TransitionType
from interlock.api.observed import Request, Transition
from interlock.api.values import Purpose


@dataclass(frozen=True, slots=True)
class Rest:
    """Nothing to do before `until`, or before something changes."""

    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Refuse:
    """Answers a request with no."""

    request: Request
    phase: str
    """`Refused` or `Expired`."""
    message: str


@dataclass(frozen=True, slots=True)
class Settle:
    """Tells a request that its record is committed."""

    request: Request
    transition: str


@dataclass(frozen=True, slots=True)
class MoveBack:
    """Puts traffic back on an older revision, or on none."""

    type: TransitionType
    origin: str
    to: str
    """A revision, or `none`."""
    digest: str
    """Content that is left."""
    behaviour: str
    cause: Cause
    reason: str
    message: str
    nonces: tuple[str, ...] = ()
    """Nonces of the approvals that brought the left content here; they lift no hold."""
    cut: bool = False
    request: Request | None = None


@dataclass(frozen=True, slots=True)
class Commit:
    """Moves traffic forward."""

    origin: str
    to: str
    digest: str
    behaviour: str
    decision: str
    nonces: tuple[str, ...]
    switch: str = ""
    """Digest of what all members of the group want; empty without a group."""
    break_glass: tuple[str, ...] = ()
    """Break-glass records by which it goes past a gate."""
    ratify_by: datetime | None = None
    """When it is left again unless the quorum approves meanwhile."""


@dataclass(frozen=True, slots=True)
class FinishTransition:
    """Completes an open record, or abandons it."""

    transition: Transition
    abandon: bool


@dataclass(frozen=True, slots=True)
class Record:
    """Writes a record that moves no traffic: a failed stage, a release, an adopted move."""

    type: TransitionType
    origin: str
    to: str
    digest: str
    behaviour: str
    cause: Cause
    reason: str
    message: str
    nonces: tuple[str, ...] = ()
    request: Request | None = None
    requested_by: str = ""
    decision: str = ""
    """The GateDecision that it rests on."""


@dataclass(frozen=True, slots=True)
class Cut:
    """Takes a revision's right to exist: admission entry, replicas, pods."""

    revision: str
    transition: str
    everything: bool = False
    """In a quarantine: of all revisions."""


@dataclass(frozen=True, slots=True)
class MarkHealthy:
    """Writes that a promoted revision ended its bake well."""

    transition: Transition


TrafficStep = Refuse | Settle | MoveBack | Commit | FinishTransition | Record | Cut | MarkHealthy


@dataclass(frozen=True, slots=True)
class Admit:
    """Creates the agent's namespace, account, default-deny, empty admission and pointer."""


@dataclass(frozen=True, slots=True)
class Judge:
    """Resolves, gathers evidence, runs the gates, writes a GateDecision."""

    purpose: Purpose
    revision: str
    """Name of the revision that is judged."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Makes a revision's pods exist, at so many replicas."""

    revision: str
    replicas: int


@dataclass(frozen=True, slots=True)
class Drain:
    """Restarts the left revision's pods one by one, so that no old connection stays."""

    revision: str
    transition: str


@dataclass(frozen=True, slots=True)
class Scale:
    """Changes the replicas of a revision that traffic does not need."""

    revision: str
    replicas: int


@dataclass(frozen=True, slots=True)
class Entitle:
    """Writes which revisions AgentAdmission lists, which are eligible, and the quota for all."""

    entries: tuple[tuple[str, bool], ...]
    quarantined: bool
    replicas: int


@dataclass(frozen=True, slots=True)
class Forget:
    """Deletes a revision that nothing needs any more, with its objects."""

    revision: str


@dataclass(frozen=True, slots=True)
class Inspect:
    """Compares the live objects of these revisions with what was rendered, and puts them right."""

    revisions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Preview:
    """Points the preview Service at a revision that is to be proven."""

    revision: str


@dataclass(frozen=True, slots=True)
class AddFinalizer:
    """Keeps the AgentDeployment until its namespace is gone."""


@dataclass(frozen=True, slots=True)
class Finalize:
    """Removes the agent's namespace, then lets the AgentDeployment go."""


WorkStep = (
    Admit
    | Judge
    | Stage
    | Preview
    | Drain
    | Scale
    | Entitle
    | Inspect
    | Forget
    | AddFinalizer
    | Finalize
)
Step = Rest | TrafficStep | WorkStep
