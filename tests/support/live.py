"""Builds what the caches hold of one revision, said by what is special about it."""

from datetime import UTC, datetime, timedelta
from typing import Any

from interlock.api.kinds import AgentDeploymentSpec
from interlock.policy.model import SignalPolicy
from interlock.signals.contract import Live, Stand

Object = dict[str, Any]

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
IMAGE = "registry.example/agents/press@sha256:" + "5b" * 32
VOLUME = "registry.example/models/press@sha256:" + "7e" * 32
POLICY = SignalPolicy()


def ago(seconds: float) -> str:
    """The moment so many seconds before NOW, as Kubernetes writes it."""
    return (NOW - timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


def spec(**changes: object) -> AgentDeploymentSpec:
    """A pinned spec with a model."""
    model = {"name": "press", "version": "11", "tree": "sha256:" + "1c" * 32, "volume": VOLUME}
    return AgentDeploymentSpec.model_validate(
        {"riskTier": "low", "image": IMAGE, "model": model} | changes
    )


def deployment(replicas: int = 1, ready: int = 1, **status: object) -> Object:
    """A Deployment whose controller has seen its newest spec."""
    return {
        "metadata": {"name": "press-04bd62f1aa", "generation": 2},
        "spec": {"replicas": replicas, "progressDeadlineSeconds": 600, "template": {}},
        "status": {
            "observedGeneration": 2,
            "updatedReplicas": replicas,
            "readyReplicas": ready,
        }
        | status,
    }


def condition(kind: str, status: str, reason: str, since: float, message: str = "") -> Object:
    """A condition that is as it is since so many seconds."""
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": ago(since),
    }


def container(**changes: object) -> Object:
    """The status of a container that runs well since ten minutes."""
    return {
        "name": "agent",
        "restartCount": 0,
        "imageID": IMAGE,
        "state": {"running": {"startedAt": ago(600)}},
    } | changes


def waiting(reason: str, message: str = "", **changes: object) -> Object:
    """The status of a container that waits, and has no image yet."""
    state = {"waiting": {"reason": reason, "message": message}}
    return container(state=state, imageID="", **changes)


def pod(*containers: Object, ready: bool = True, taken: float = 600) -> Object:
    """A pod that the kubelet took so many seconds ago."""
    return {
        "metadata": {"name": "press-04bd62f1aa-x2x9q"},
        "status": {
            "startTime": ago(taken),
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
            "containerStatuses": list(containers or (container(),)),
        },
    }


def live(
    *pods: Object,
    stand: Stand = "baking",
    of: Object | None = None,
    wants: AgentDeploymentSpec | None = None,
    accepted: datetime | None = None,
    expires: datetime | None = None,
) -> Live:
    """One revision with these pods."""
    return Live(
        spec=wants or spec(),
        deployment=of or deployment(),
        pods=pods,
        stand=stand,
        expires=expires,
        accepted=accepted,
    )
