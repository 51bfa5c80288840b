"""The kinds of `interlock.dev/v1alpha1` as frozen pydantic models; the CRDs are made from them."""

from interlock.api.kinds.admission import AgentAdmission
from interlock.api.kinds.base import Condition, Kind, Metadata, Model
from interlock.api.kinds.deployment import AgentDeployment, AgentDeploymentSpec
from interlock.api.kinds.governance import Governance
from interlock.api.kinds.records import AgentRevision, AgentTransition, GateDecision
from interlock.api.kinds.repository import AgentRepository
from interlock.api.kinds.requests import (
    AgentBreakGlass,
    AgentQuarantine,
    AgentRelease,
    AgentRollback,
)

KINDS: tuple[type[Kind], ...] = (
    AgentDeployment,
    AgentRollback,
    AgentQuarantine,
    AgentRelease,
    AgentBreakGlass,
    AgentRepository,
    Governance,
    AgentRevision,
    GateDecision,
    AgentTransition,
    AgentAdmission,
)

__all__ = [
    "KINDS",
    "AgentAdmission",
    "AgentBreakGlass",
    "AgentDeployment",
    "AgentDeploymentSpec",
    "AgentQuarantine",
    "AgentRelease",
    "AgentRepository",
    "AgentRevision",
    "AgentRollback",
    "AgentTransition",
    "Condition",
    "GateDecision",
    "Governance",
    "Kind",
    "Metadata",
    "Model",
]
