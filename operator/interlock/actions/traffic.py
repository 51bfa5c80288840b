"""What every traffic step needs of a revision's Deployment and entry, from caches alone."""

from typing import Any

from interlock.actions.ports import TrafficPorts
from interlock.api import names
from interlock.cluster import pointer
from interlock.cluster.cache import Key
from interlock.cluster.client import Invalid, NotFound

Object = dict[str, Any]


def replicas_wanted(ports: TrafficPorts, key: Key) -> int:
    """Return the replicas that the team asks for."""
    wanted = ports.cache.get("AgentDeployment", key.namespace, key.name)
    return int(((wanted or {}).get("spec") or {}).get("replicas", 1))


def is_warm(ports: TrafficPorts, key: Key, revision: str) -> bool:
    """Whether a revision has a ready pod and is not on its way out."""
    found = ports.cache.get("Deployment", key.home, revision) or {}
    ready = int((found.get("status") or {}).get("readyReplicas") or 0)
    marks = (found.get("metadata") or {}).get("annotations") or {}
    return ready > 0 and names.ANNOTATION_RETIRING not in marks


async def point(ports: TrafficPorts, key: Key, origin: str, to: str) -> None:
    """Patch the Service unless it names `to` already; from `origin`, or from `none`."""
    service = ports.cache.get("Service", key.home, names.POINTER_SERVICE)
    for expected in dict.fromkeys((pointer.target(service) or origin, origin, names.NO_REVISION)):
        if expected == to:
            return
        try:
            written = await pointer.move(ports.client, key.home, expected, to)
        except Invalid:
            continue
        ports.cache.merge(written)
        return
    raise NotFound(422, f"the Service of {key.name} names neither {origin}, nor none, nor {to}")


async def warm(ports: TrafficPorts, key: Key, revision: str) -> None:
    """Clear a revision's `retiring` mark and scale it to what the team asks for."""
    await scale(ports, key, revision, replicas_wanted(ports, key))


async def scale(
    ports: TrafficPorts, key: Key, revision: str, replicas: int, *, version: str = ""
) -> None:
    """Set a Deployment's replicas and clear its mark; a Deployment that is gone is left alone.

    Raises Conflict where a version is given and the Deployment is another by now.
    """
    known = ports.cache.get("Deployment", key.home, revision)
    marks = ((known or {}).get("metadata") or {}).get("annotations") or {}
    if known and known["spec"].get("replicas") == replicas and _unmarked(marks):
        return
    meta: Object = {"annotations": {names.ANNOTATION_RETIRING: None}}
    meta |= {"resourceVersion": version} if version else {}
    patch = {"metadata": meta, "spec": {"replicas": replicas}}
    try:
        written = await ports.client.merge_patch("Deployment", key.home, revision, patch)
    except NotFound:
        return
    ports.cache.merge(written | {"kind": "Deployment"})


async def strike(ports: TrafficPorts, key: Key, revision: str, *, everything: bool) -> None:
    """Take a revision (or all) off AgentAdmission; its pods can be made no more."""
    known = ports.cache.get("AgentAdmission", key.home, names.ADMISSION_NAME)
    if known is None:
        return
    entries = known["spec"].get("revisions") or []
    left = [] if everything else [one for one in entries if one["name"] != revision]
    if len(left) == len(entries) and bool(known["spec"].get("quarantined")) >= everything:
        return
    spec: Object = {"revisions": left} | ({"quarantined": True} if everything else {})
    version = {"resourceVersion": known["metadata"]["resourceVersion"]}
    written = await ports.client.merge_patch(
        "AgentAdmission", key.home, names.ADMISSION_NAME, {"metadata": version, "spec": spec}
    )
    ports.cache.merge(written)


async def kill(ports: TrafficPorts, key: Key, revision: str) -> None:
    """Scale a revision to zero and delete its pods with no grace."""
    await scale(ports, key, revision, 0)
    for pod in list(ports.cache.of("Pod", key.home).values()):
        if pod_revision(pod) == revision:
            await delete_pod(ports, key, pod, grace=0)


async def delete_pod(ports: TrafficPorts, key: Key, pod: Object, *, grace: int) -> None:
    """Delete exactly this pod with a grace in seconds; one that is gone is left alone."""
    meta = pod["metadata"]
    try:
        await ports.client.delete("Pod", key.home, meta["name"], uid=meta["uid"], grace=grace)
    except (Invalid, NotFound):
        return


def pod_revision(pod: Object) -> str:
    """Return the revision that a pod's label names."""
    return str((pod["metadata"].get("labels") or {}).get(names.LABEL_REVISION, ""))


def _unmarked(annotations: Object) -> bool:
    return names.ANNOTATION_RETIRING not in annotations
