"""What a signal is: one file that says good, bad or nothing of one revision.

Two forms. A *kube signal* is a pure function of what the caches hold; it votes at each look. A
*sampled signal* asks the outside once an interval; its samples become a vote by `window.py`.
What an agent says of itself can make a bad vote only (I9); no data is never good (I5).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol

from interlock.api.kinds import AgentDeploymentSpec
from interlock.api.observed import Action, Vote
from interlock.policy.model import SignalPolicy

Object = dict[str, Any]
Stand = Literal["candidate", "baking", "steady"]
"""Where a revision stands: on the preview Service, serving within its bake, serving since long."""


@dataclass(frozen=True, slots=True)
class Live:
    """What the caches hold of one revision."""

    spec: AgentDeploymentSpec
    deployment: Object
    pods: tuple[Object, ...]
    stand: Stand
    expires: datetime | None
    """When the evidence of its newest decision ends."""
    accepted: datetime | None
    """When the evidence was judged last: the other end of its life."""


class KubeSignal(Protocol):
    """A pure signal over the caches; None where it does not apply."""

    def __call__(self, live: Live, policy: SignalPolicy, now: datetime) -> Vote | None:
        """Return a vote."""


@dataclass(frozen=True, slots=True)
class Target:
    """One revision that is to be sampled."""

    agent: str
    home: str
    """The agent's own namespace."""
    revision: str
    baseline: str
    """The revision that it replaces or replaced; empty where there is none."""
    spec: AgentDeploymentSpec
    address: str
    """Cluster IP of the Service that leads to it: preview, or the pointer."""
    port: int
    """Of that Service, where the agent's own port is behind."""
    stand: Stand


@dataclass(frozen=True, slots=True)
class Sample:
    """One measurement."""

    at: datetime
    verdict: Literal["good", "bad", "none"]
    """`none`: the source could not be asked, or has no data."""
    message: str
    urgent: bool = False
    """Whether this sample alone makes a bad vote, without waiting for others."""


class SampledSignal(Protocol):
    """A signal that asks the outside. It must end within the policy's timeout, whatever it asks."""

    name: str
    action: Action
    """What its bad vote asks for."""
    lasting: bool
    """Whether its bad vote counts after the bake too."""

    def applies(self, target: Target) -> bool:
        """Whether this revision has anything to ask."""

    async def sample(self, target: Target, policy: SignalPolicy, now: datetime) -> Sample:
        """Return one measurement. Never raises for what the source does."""


def counts(signal: SampledSignal, target: Target) -> bool:
    """Whether a signal is asked of a target: after the bake only a lasting one is."""
    return (target.stand != "steady" or signal.lasting) and signal.applies(target)


Samples = Mapping[str, tuple[Sample, ...]]
"""Signal name to the samples of one revision, oldest first."""
