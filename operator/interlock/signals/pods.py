"""What Deployment and pods say of a revision: the facts that rules and signals share.

Slow is not broken: pulling an image or waiting for a node counts against nothing, so `started` is
when the first container ran.
"""

from collections.abc import Iterable
from datetime import datetime

from interlock.api import names
from interlock.api.observed import Workload
from interlock.signals.fields import Object, condition, field, moment, number, objects, text


def workload(deployment: Object, pods: Iterable[Object]) -> Workload:
    """Return what a revision's Deployment and its pods say of it."""
    replicas = number(deployment, "spec", "replicas", absent=1)
    marks = field(deployment, "metadata", "annotations")
    listed = list(pods)
    return Workload(
        revision=text(deployment, "metadata", "name"),
        replicas=replicas,
        pods=len(listed),
        ready=number(deployment, "status", "readyReplicas"),
        updated=seen(deployment) and number(deployment, "status", "updatedReplicas") >= replicas,
        retiring=isinstance(marks, dict) and names.ANNOTATION_RETIRING in marks,
        drained=text(
            deployment, "spec", "template", "metadata", "annotations", names.ANNOTATION_DRAINED
        ),
        started=_started(listed),
    )


def seen(deployment: Object) -> bool:
    """Whether the Deployment's status is about its newest spec."""
    generation = number(deployment, "metadata", "generation")
    return number(deployment, "status", "observedGeneration") >= generation


def containers(pod: Object) -> list[Object]:
    """Return the statuses of a pod's containers."""
    return objects(pod, "status", "containerStatuses")


def starting(pod: Object) -> list[Object]:
    """Return the statuses of those containers that have to end well before the others start."""
    return objects(pod, "status", "initContainerStatuses")


def is_ready(pod: Object) -> bool:
    """Whether a pod is ready to serve."""
    return text(condition(pod, "Ready"), "status") == "True"


def label(pod: Object, container: Object) -> str:
    """Return how people are told which container is meant."""
    return f"container {text(container, 'name')} of {text(pod, 'metadata', 'name')}"


def _started(pods: list[Object]) -> datetime | None:
    """Return when the first container of a pod that is not ready was started."""
    moments = [
        moment(container, "state", "running", "startedAt")
        for pod in pods
        if not is_ready(pod)
        for container in containers(pod)
    ]
    return min((one for one in moments if one), default=None)
