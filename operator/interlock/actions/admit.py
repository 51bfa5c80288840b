"""Gives an agent its namespace: closed on all sides before anything can run in it."""

from interlock.actions.ports import Applied, WorkPorts
from interlock.api.steps import AddFinalizer, Admit, Finalize
from interlock.cluster import finalizer, pointer
from interlock.cluster.cache import Key, is_owned
from interlock.cluster.client import Client, Conflict, Object
from interlock.render.namespace import namespace_objects, pointer_service


async def admit(step: Admit, key: Key, ports: WorkPorts) -> Applied:
    """Create namespace, account, default-deny, quota of zero pods, empty admission, pointer.

    Writes    those objects, each only where it is missing.
    Repeat    at any point.
    Conflict  an object that exists is left as it is; a foreign namespace stops everything, and
              being in the cache it shows as Stalled/NamespaceTaken.
    """
    cache, client = ports.traffic.cache, ports.traffic.client
    wanted = cache.get("AgentDeployment", key.namespace, key.name)
    if wanted is None:
        return Applied("the AgentDeployment is gone")
    for obj in namespace_objects(key.namespace, key.name, wanted["metadata"]["uid"]):
        found = await _create_once(client, obj)
        cache.merge(found)
        if found["kind"] == "Namespace" and not is_owned(found, key):
            return Applied(f"namespace {key.home} was not made by Interlock; it is left alone")
    service = await pointer.create(client, pointer_service(key.namespace, key.name))
    cache.merge(service | {"kind": "Service"})
    return Applied(f"namespace {key.home} is ready")


async def add_finalizer(step: AddFinalizer, key: Key, ports: WorkPorts) -> Applied:
    """Add our finalizer. Writes metadata by compare-and-swap; a conflict is observed again."""
    live = await _live(key, ports)
    if live is not None:
        ports.traffic.cache.merge(await finalizer.add(ports.traffic.client, live))
    return Applied("our finalizer is set")


async def finalize(step: Finalize, key: Key, ports: WorkPorts) -> Applied:
    """Delete the agent's namespace, and let the AgentDeployment go when it is gone.

    Writes    a delete of the namespace, our finalizer.
    Repeat    until the namespace is gone; one that is not ours is left alone.
    """
    client = ports.traffic.client
    namespace = await client.get("Namespace", None, key.home)
    if namespace is not None and is_owned(namespace, key):
        if not namespace["metadata"].get("deletionTimestamp"):
            await client.delete("Namespace", None, key.home, uid=namespace["metadata"]["uid"])
        return Applied(f"namespace {key.home} is being removed", again=False)
    if (live := await _live(key, ports)) is not None:
        await finalizer.remove(client, live)
    ports.memories.pop(key, None)
    return Applied(f"{key.name} is gone", again=False)


async def _live(key: Key, ports: WorkPorts) -> Object | None:
    return await ports.traffic.client.get("AgentDeployment", key.namespace, key.name)


async def _create_once(client: Client, obj: Object) -> Object:
    meta = obj["metadata"]
    try:
        return await client.create(obj) | {"kind": obj["kind"]}
    except Conflict:
        found = await client.get(obj["kind"], meta.get("namespace"), meta["name"])
        if found is None:
            raise
        return found | {"kind": obj["kind"]}
