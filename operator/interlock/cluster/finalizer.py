"""Our finalizer on AgentDeployments, set and removed by compare-and-swap beside others'."""

from interlock.api import names
from interlock.cluster.client import Client, NotFound, Object


async def add(client: Client, obj: Object) -> Object:
    """Add our finalizer. Raises Conflict or Invalid when the object changed meanwhile."""
    return await _write(client, obj, [*_list(obj), names.FINALIZER])


async def remove(client: Client, obj: Object) -> None:
    """Remove our finalizer; an object that is gone already is fine."""
    if names.FINALIZER not in _list(obj):
        return
    try:
        await _write(client, obj, [one for one in _list(obj) if one != names.FINALIZER])
    except NotFound:
        return


def _list(obj: Object) -> list[str]:
    return list(obj["metadata"].get("finalizers") or [])


async def _write(client: Client, obj: Object, finalizers: list[str]) -> Object:
    meta = obj["metadata"]
    version = {"op": "test", "path": "/metadata/resourceVersion", "value": meta["resourceVersion"]}
    change = {"op": "add", "path": "/metadata/finalizers", "value": finalizers}
    return await client.json_patch(obj["kind"], meta["namespace"], meta["name"], [version, change])
