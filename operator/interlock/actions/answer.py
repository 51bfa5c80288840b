"""Small traffic steps: answers to requests, records that move nothing, a cut's repetition."""

from datetime import UTC
from typing import Any

from interlock.actions import evidence_export, records, traffic
from interlock.actions.ports import Applied, TrafficPorts
from interlock.actions.traffic import pod_revision
from interlock.api.observed import Request
from interlock.api.steps import Cut, MarkHealthy, Record, Refuse, Settle
from interlock.cluster import status
from interlock.cluster.cache import Key

Object = dict[str, Any]


async def refuse(step: Refuse, key: Key, ports: TrafficPorts) -> Applied:
    """Answer a request with no. Writes its status; may be repeated."""
    await _answer(ports, step.request, step.phase, step.message, "")
    return Applied(step.message)


async def settle(step: Settle, key: Key, ports: TrafficPorts) -> Applied:
    """Tell a request that it is done. Writes its status; may be repeated."""
    message = f"Done; recorded as {step.transition}."
    await _answer(ports, step.request, "Committed", message, step.transition)
    return Applied(message)


async def record(step: Record, key: Key, ports: TrafficPorts) -> Applied:
    """Write a record that moves no traffic, and end it at once.

    Writes    AgentTransition, its end.
    Conflict  somebody was first: observed again.
    """
    created = await records.open_record(ports, key, step)
    await records.end(ports, created, "Committed")
    return Applied(f"{step.type} was recorded: {step.message}")


async def cut(step: Cut, key: Key, ports: TrafficPorts) -> Applied:
    """Take what was cut its entry, keep what its pods say, and delete them.

    Writes    AgentAdmission, ConfigMaps with evidence (within a bound), replicas, pods.
    Repeat    until no pod is left.
    """
    left = list(ports.cache.of("Deployment", key.home)) if step.everything else [step.revision]
    await traffic.strike(ports, key, step.revision, everything=step.everything)
    if any(pod_revision(pod) in left for pod in ports.cache.of("Pod", key.home).values()):
        await evidence_export.export(key, ports, left, step.transition)
    for revision in left:
        await traffic.kill(ports, key, revision)
    return Applied(f"{step.revision} was cut", again=False)


async def healthy(step: MarkHealthy, key: Key, ports: TrafficPorts) -> Applied:
    """Write that a bake ended well. Written once; a repetition is refused by the API server."""
    found = ports.cache.get("AgentTransition", key.home, step.transition.name)
    if found is not None:
        await records.mark_healthy(ports, found)
    return Applied(f"{step.transition.to} served healthy")


async def _answer(
    ports: TrafficPorts, request: Request, phase: str, message: str, transition: str
) -> None:
    found = ports.cache.get(request.kind, request.namespace, request.name)
    if found is None or found["metadata"]["uid"] != request.uid:
        return
    at = ports.clock().astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    fields: Object = {"phase": phase, "message": message[:1024], "at": at}
    fields |= {"transition": transition} if transition else {}
    written = await status.write(ports.client, found, fields)
    if written is not None:
        ports.cache.merge(written)
