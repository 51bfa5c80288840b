"""Moves an agent's traffic forward: one compare-and-swap on one Service."""

from interlock.actions import alone, records
from interlock.actions.ports import Applied, TrafficPorts
from interlock.api import names
from interlock.api.steps import Commit
from interlock.cluster import pointer
from interlock.cluster.cache import Key
from interlock.cluster.client import Conflict, Forbidden, Invalid, Object


async def commit(step: Commit, key: Key, ports: TrafficPorts) -> Applied:
    """Promote a revision.

    Writes    AgentTransition (its creation is the lock), Service selector, transition status;
              what acts by itself ends before the Service moves (`alone`).
    Repeat    at any point; the selector tells how far it got (`finish`).
    Conflict  somebody moved first: the record is abandoned and the agent observed again.
    Forbidden the same; traffic stays where it is.
    """
    service = ports.cache.get("Service", key.home, names.POINTER_SERVICE)
    if pointer.target(service) != step.origin or service is None:
        return Applied("the pointer moved meanwhile")
    record = await records.open_record(ports, key, step)
    if alone.acts_alone(ports, key, step.origin, step.to):
        return await alone.carry_out(record, key, ports)
    version = service["metadata"]["resourceVersion"]
    try:
        written = await pointer.move(ports.client, key.home, step.origin, step.to, version=version)
    except (Conflict, Invalid, Forbidden) as error:
        await _look_again(ports, key)
        await records.end(ports, record, "Abandoned")
        return Applied(f"the promotion was abandoned: {error}")
    ports.cache.merge(written)
    return await confirm(record, key, ports)


async def confirm(record: Object, key: Key, ports: TrafficPorts) -> Applied:
    """End a promotion whose pointer moved, or undo it where its target was taken away meanwhile.

    Whoever finishes it for a controller that died in between must ask as well: the record alone
    does not say whether the target is still there.
    """
    to = record["spec"]["to"]
    if not await _still_there(ports, key, to):
        return await _undo(record, key, ports)
    await records.end(ports, record, "Committed")
    return Applied(f"{to} serves")


async def _look_again(ports: TrafficPorts, key: Key) -> None:
    live = await ports.client.get("Service", key.home, names.POINTER_SERVICE)
    if live is not None:
        ports.cache.merge(live)


async def _still_there(ports: TrafficPorts, key: Key, revision: str) -> bool:
    """Whether nobody scaled or marked the target between our look and the patch."""
    live = await ports.client.get("Deployment", key.home, revision)
    if live is None or not live["spec"].get("replicas"):
        return False
    return names.ANNOTATION_RETIRING not in (live["metadata"].get("annotations") or {})


async def _undo(record: Object, key: Key, ports: TrafficPorts) -> Applied:
    origin, to = record["spec"]["from"], record["spec"]["to"]
    written = await pointer.move(ports.client, key.home, to, origin)
    ports.cache.merge(written)
    await records.end(ports, record, "Abandoned")
    return Applied(f"{to} was scaled down meanwhile; the promotion was undone")
