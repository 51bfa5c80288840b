"""What executors get to work with. The traffic lane's ports hold nothing but the cluster."""

from collections import deque
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from interlock.api.facts import Approval, Findings, Unresolved
from interlock.api.observed import Judged
from interlock.api.values import Clock, Purpose
from interlock.audit.records import Keyring, Signer
from interlock.cluster.cache import Cache, Key
from interlock.cluster.client import Client
from interlock.evidence.wire import SeenTip
from interlock.policy import Policy
from interlock.signals.contract import Sample

MAX_REPAIRS = 32
"""Moments of repairs that are remembered; more than any policy counts in a window."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What an executor did, in a sentence; `again` asks for another look at once."""

    message: str
    again: bool = True


@dataclass(slots=True)
class Memory:
    """What this process remembers of an agent and may lose: when it judged and staged last."""

    judged: dict[tuple[str, Purpose], Judged] = field(default_factory=dict)
    staged: dict[str, tuple[datetime, str, str]] = field(default_factory=dict)
    """Revision to (when, reason, message) of a stage that was refused."""
    samples: dict[str, dict[str, deque[Sample]]] = field(default_factory=dict)
    """Revision to signal to its newest samples."""
    inspected: datetime | None = None
    """When live objects were compared with what was rendered."""
    drift: tuple[str, ...] = ()
    """What differed then, each as `Kind/name: field`."""
    repairs: deque[datetime] = field(default_factory=lambda: deque(maxlen=MAX_REPAIRS))
    """When drifted objects were put right."""
    vetoes: Mapping[str, Mapping[str, Approval]] | None = None
    """Content to envelope to who rejected it or took an approval back; None before the first look.
    Kept in the cluster as well (`gather.py`)."""
    announced: set[str] = field(default_factory=set)
    """Records that people were told of by an Event."""


@dataclass(frozen=True, slots=True)
class InForce:
    """The policy that is in force, and whether it may still promote."""

    policy: Policy
    targets: Mapping[str, bytes]
    fresh: bool
    versions: Mapping[str, int] = field(default_factory=dict)
    """Role to version of its metadata."""

    @property
    def key(self) -> str:
        """Policy digest and revocation version, as one string that changes with either."""
        return f"{self.policy.digest}.{self.policy.revocation_version}"


class Evidence(Protocol):
    """Where findings come from: the verifier process."""

    async def findings(
        self,
        *,
        namespace: str,
        name: str,
        spec: Mapping[str, Any],
        targets: Mapping[str, bytes],
        since: str,
        seen: Sequence[SeenTip] = (),
        rewritten: Sequence[str] = (),
    ) -> Findings | Unresolved:
        """Return what the world says of a spec, or why it could not be asked.

        No ref is taken that does not continue where it was `seen`, but for commits in `rewritten`.
        """


@dataclass(slots=True)
class Governance:
    """Holds the policy in force for everyone; None until one was verified."""

    current: InForce | None = None


@dataclass(frozen=True, slots=True)
class TrafficPorts:
    """All that a traffic step may touch: caches, the cluster, keys, the clock."""

    client: Client
    cache: Cache
    signer: Signer
    keyring: Keyring
    clock: Clock


@dataclass(frozen=True, slots=True)
class WorkPorts:
    """What work steps get beside it."""

    traffic: TrafficPorts
    evidence: Evidence
    governance: Governance
    memories: MutableMapping[Key, Memory]
    cluster: str
    copier: str = ""
    """The image that copies models into pods; empty where they are image volumes."""

    def memory(self, key: Key) -> Memory:
        """Return what is remembered of an agent."""
        return self.memories.setdefault(key, Memory())
