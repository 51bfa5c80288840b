"""The only writer of an agent's Service: traffic moves by one JSON patch, or not at all.

A promotion tests the old selector and the resourceVersion; a rollback tests the selector alone,
so that somebody who keeps touching the Service cannot starve it.
"""

from interlock.api import names
from interlock.cluster.client import Client, Conflict, Object

_REVISION = "/spec/selector/" + names.LABEL_REVISION.replace("/", "~1")


async def create(client: Client, service: Object) -> Object:
    """Create the Service with revision `none`; where it exists already it is left as it is."""
    meta = service["metadata"]
    try:
        return await client.create(service)
    except Conflict:
        found = await client.get("Service", meta["namespace"], meta["name"])
        if found is None:
            raise
        return found


async def move(
    client: Client, namespace: str, origin: str, to: str, *, version: str = ""
) -> Object:
    """Point the Service from `origin` to `to`.

    Raises Invalid (422) when the selector is not `origin` any more, or `version` is not the
    Service's resourceVersion: somebody else moved, observe again. Raises Forbidden when an
    admission policy says no.
    """
    operations = [{"op": "test", "path": _REVISION, "value": origin}]
    if version:
        operations.append({"op": "test", "path": "/metadata/resourceVersion", "value": version})
    operations.append({"op": "replace", "path": _REVISION, "value": to})
    return await client.json_patch("Service", namespace, names.POINTER_SERVICE, operations)


def target(service: Object | None) -> str | None:
    """Return the revision that a Service names; None for no Service, or one without selector."""
    if service is None:
        return None
    selector = service.get("spec", {}).get("selector") or {}
    return str(selector.get(names.LABEL_REVISION, "")) or None
