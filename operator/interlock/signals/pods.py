"""What Deployment and pods say of a revision.

Slow is not broken: pulling an image or waiting for a node counts against nothing. A crash loop
does, and so does a serving revision without a single ready pod.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from interlock.api import names
from interlock.api.observed import Workload

Object = dict[str, Any]
CRASHES = 3
"""Restarts of one container after which a revision is called failing."""


def workload(deployment: Object, pods: Iterable[Object], *, serving: bool) -> Workload:
    """Return what a revision's Deployment and its pods say of it."""
    spec, status = deployment["spec"], deployment.get("status") or {}
    meta, template = deployment["metadata"], spec["template"]["metadata"]
    replicas, ready = int(spec.get("replicas", 1)), int(status.get("readyReplicas") or 0)
    listed = list(pods)
    return Workload(
        revision=meta["name"],
        replicas=replicas,
        pods=len(listed),
        ready=ready,
        updated=_updated(meta, status, replicas),
        retiring=names.ANNOTATION_RETIRING in (meta.get("annotations") or {}),
        drained=str((template.get("annotations") or {}).get(names.ANNOTATION_DRAINED, "")),
        started=_started(listed),
        failing=_crashing(listed) or (_silent(replicas, ready) if serving else ""),
    )


def _updated(meta: Object, status: Object, replicas: int) -> bool:
    seen = int(status.get("observedGeneration") or 0) >= int(meta.get("generation") or 0)
    return seen and int(status.get("updatedReplicas") or 0) >= replicas


def _silent(replicas: int, ready: int) -> str:
    return f"0 of {replicas} pods are ready" if replicas and not ready else ""


def _crashing(pods: list[Object]) -> str:
    for pod in pods:
        for status in _containers(pod):
            if int(status.get("restartCount") or 0) >= CRASHES:
                name, count = status.get("name", ""), status["restartCount"]
                return f"container {name} of {pod['metadata']['name']} restarted {count} times"
    return ""


def _started(pods: list[Object]) -> datetime | None:
    """Return when the first container of a pod that is not ready was started."""
    moments = [
        datetime.fromisoformat(status["state"]["running"]["startedAt"])
        for pod in pods
        if not _ready(pod)
        for status in _containers(pod)
        if ((status.get("state") or {}).get("running") or {}).get("startedAt")
    ]
    return min(moments, default=None)


def _ready(pod: Object) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or []
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def _containers(pod: Object) -> list[Object]:
    return (pod.get("status") or {}).get("containerStatuses") or []
