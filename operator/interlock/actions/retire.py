"""Scales down what traffic does not need, without ever pulling it from under the traffic."""

from typing import Any

from interlock.actions.ports import Applied, WorkPorts
from interlock.api import names
from interlock.api.steps import Scale
from interlock.cluster import pointer
from interlock.cluster.cache import Key
from interlock.cluster.client import Invalid

Object = dict[str, Any]
_MARK = "/metadata/annotations/" + names.ANNOTATION_RETIRING.replace("/", "~1")


async def retire(step: Scale, key: Key, ports: WorkPorts) -> Applied:
    """Scale a revision down that neither traffic nor a way back needs at this size.

    Writes    a `retiring` mark by compare-and-swap, then replicas with a test on the marked
              version; in between the Service is read live, and whoever points there wins.
    Repeat    at any point.
    Conflict  observed again; a rollback clears the mark and scales up.
    """
    live = await ports.traffic.client.get("Deployment", key.home, step.revision)
    if live is None:
        return Applied(f"{step.revision} is gone", again=False)
    try:
        return await _scale(step, key, ports, live)
    except Invalid:  # the Deployment controller answers the mark with a write of its own
        return Applied(f"{step.revision} changed meanwhile; it is looked at again")


async def _scale(step: Scale, key: Key, ports: WorkPorts, live: Object) -> Applied:
    client, cache = ports.traffic.client, ports.traffic.cache
    marked = await client.json_patch("Deployment", key.home, step.revision, _mark(live))
    service = await client.get("Service", key.home, names.POINTER_SERVICE)
    if pointer.target(service) == step.revision:
        patch: Object = {"metadata": {"annotations": {names.ANNOTATION_RETIRING: None}}}
        await client.merge_patch("Deployment", key.home, step.revision, patch)
        return Applied(f"{step.revision} serves; it was not scaled")
    operations = [
        _test(marked),
        {"op": "replace", "path": "/spec/replicas", "value": step.replicas},
    ]
    operations += [{"op": "remove", "path": _MARK}] if step.replicas else []
    written = await client.json_patch("Deployment", key.home, step.revision, operations)
    cache.merge(written | {"kind": "Deployment"})
    return Applied(f"{step.revision} was scaled to {step.replicas}", again=False)


def _mark(live: Object) -> list[Object]:
    if live["metadata"].get("annotations"):
        return [_test(live), {"op": "add", "path": _MARK, "value": "true"}]
    marks = {names.ANNOTATION_RETIRING: "true"}
    return [_test(live), {"op": "add", "path": "/metadata/annotations", "value": marks}]


def _test(obj: Object) -> Object:
    version = obj["metadata"]["resourceVersion"]
    return {"op": "test", "path": "/metadata/resourceVersion", "value": version}
