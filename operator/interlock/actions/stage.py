"""Makes a revision's pods exist, after the API server accepted the very pod in a dry run."""

import asyncio
from datetime import timedelta
from typing import Any

from interlock.actions import alone, traffic
from interlock.actions.ports import Applied, TrafficPorts, WorkPorts
from interlock.actions.revisions import objects_of
from interlock.api import names
from interlock.api.kinds import AgentDeploymentSpec
from interlock.api.reasons import Reason
from interlock.api.steps import Drain, Entitle, Preview, Stage
from interlock.cluster import pointer
from interlock.cluster.cache import Key
from interlock.cluster.client import Forbidden, Invalid, NotFound
from interlock.render.admission import admitted, deployment_of, pod_of
from interlock.render.namespace import resource_quota

Object = dict[str, Any]
ACCEPTED_WITHIN = timedelta(seconds=10)
"""How long the API server's policy parameters may lag behind AgentAdmission."""
ASK_AGAIN = 0.05
"""Seconds between two dry runs of the pod."""


async def entitle(step: Entitle, key: Key, ports: WorkPorts) -> Applied:
    """Write which revisions may have pods, and the quota for all of them.

    Writes    ResourceQuota, AgentAdmission (compare-and-swap on its resourceVersion).
    Repeat    at any point.
    Conflict  observed again.
    """
    client, cache = ports.traffic.client, ports.traffic.cache
    known = await client.get("AgentAdmission", key.home, names.ADMISSION_NAME)
    if known is None:
        return Applied("there is no AgentAdmission", again=False)
    revisions = [name for name, _ in step.entries]
    await _set_quota(step.replicas, revisions, key, ports)
    entries = [_entry(name, eligible, key, ports) for name, eligible in step.entries]
    patch = {
        "metadata": {"resourceVersion": known["metadata"]["resourceVersion"]},
        "spec": {"quarantined": step.quarantined, "revisions": entries},
    }
    written = await client.merge_patch("AgentAdmission", key.home, names.ADMISSION_NAME, patch)
    cache.merge(written)
    return Applied(f"admitted: {', '.join(revisions) or 'nothing'}")


async def stage(step: Stage, key: Key, ports: WorkPorts) -> Applied:
    """Apply a revision's objects, or scale it where they are applied already.

    Writes    its rendered objects by server-side apply, or the quota; replicas.
    Repeat    at any point.
    Refused   Stalled/AdmissionRefused with the API server's words; traffic stays.
    """
    objects = objects_of(ports, key, step.revision)
    if not objects:
        return Applied(f"AgentRevision {step.revision} is not there", again=False)
    if ports.traffic.cache.get("Deployment", key.home, step.revision):
        admission = ports.traffic.cache.get("AgentAdmission", key.home, names.ADMISSION_NAME) or {}
        entries = admission.get("spec", {}).get("revisions") or []
        await _set_quota(step.replicas, [one["name"] for one in entries], key, ports)
        return await _scale(step, key, ports.traffic)
    try:
        await _dry_run_pod(objects, ports)
        await _apply(objects, key, ports, step)
    except (Forbidden, Invalid) as error:
        when = ports.traffic.clock()
        refusal = (when, Reason.ADMISSION_REFUSED.value, f"the API server refused: {error}")
        ports.memory(key).staged[step.revision] = refusal
        return Applied(refusal[2])
    return Applied(f"{step.revision} is staged with {step.replicas} replicas", again=False)


async def _scale(step: Stage, key: Key, ports: TrafficPorts) -> Applied:
    """Scale a revision whose objects stand; one that acts by itself only while traffic names it.

    A controller that was stopped between its look and this write may wake up after its successor
    has switched: what it read live is tested by the write.
    """
    others = ports.cache.of("Deployment", key.home)
    version = ""
    if step.replicas and alone.acts_alone(ports, key, *others):
        live = await ports.client.get("Deployment", key.home, step.revision)
        service = await ports.client.get("Service", key.home, names.POINTER_SERVICE)
        if live is None or pointer.target(service) != step.revision:
            return Applied(f"traffic does not name {step.revision}; it was not started")
        version = live["metadata"]["resourceVersion"]
    await traffic.scale(ports, key, step.revision, step.replicas, version=version)
    return Applied(f"{step.revision} was scaled to {step.replicas}", again=False)


async def preview(step: Preview, key: Key, ports: WorkPorts) -> Applied:
    """Point the preview Service at a revision. Writes its selector; may be repeated."""
    selector = {"spec": {"selector": {names.LABEL_REVISION: step.revision}}}
    client = ports.traffic.client
    written = await client.merge_patch("Service", key.home, names.PREVIEW_SERVICE, selector)
    ports.traffic.cache.merge(written | {"kind": "Service"})
    return Applied(f"the preview Service leads to {step.revision}")


async def drain(step: Drain, key: Key, ports: WorkPorts) -> Applied:
    """Restart a left revision's pods one by one, so that no old connection stays.

    Writes    an annotation of our own on the pod template; once a transition.
    """
    mark = {names.ANNOTATION_DRAINED: step.transition}
    patch = {"spec": {"template": {"metadata": {"annotations": mark}}}}
    try:
        written = await ports.traffic.client.merge_patch(
            "Deployment", key.home, step.revision, patch
        )
    except NotFound:
        return Applied(f"{step.revision} is gone", again=False)
    ports.traffic.cache.merge(written | {"kind": "Deployment"})
    return Applied(f"{step.revision} drains")


async def _dry_run_pod(objects: list[Object], ports: WorkPorts) -> None:
    pod = pod_of(deployment_of(objects))
    deadline = ports.traffic.clock() + ACCEPTED_WITHIN
    while True:
        try:
            await ports.traffic.client.create(pod, dry_run=True)
            return
        except (Forbidden, Invalid):
            if ports.traffic.clock() > deadline:
                raise
        await asyncio.sleep(ASK_AGAIN)


async def _apply(objects: list[Object], key: Key, ports: WorkPorts, step: Stage) -> None:
    client, cache = ports.traffic.client, ports.traffic.cache
    for obj in objects:
        await client.apply(obj, dry_run=True)
    for obj in objects:
        body = obj
        if obj["kind"] == "Deployment":
            body = obj | {"spec": obj["spec"] | {"replicas": step.replicas}}
        written = await client.apply(body)
        if obj["kind"] == "Deployment":
            cache.merge(written | {"kind": "Deployment"})


async def _set_quota(replicas: int, revisions: list[str], key: Key, ports: WorkPorts) -> None:
    """Room for every entry at full size, so that no quota stands in the way of a rollback."""
    known = ports.traffic.cache.of("AgentRevision", key.home)
    contents = [known[name]["spec"]["content"] for name in revisions]
    specs = [AgentDeploymentSpec.model_validate(content) for content in contents]
    pairs = [(replicas, spec.resources) for spec in specs]
    await ports.traffic.client.apply(resource_quota(key.namespace, key.name, pairs))


def _entry(name: str, eligible: bool, key: Key, ports: WorkPorts) -> Object:
    found = ports.traffic.cache.of("AgentRevision", key.home)[name]
    return admitted(name, found["spec"]["digest"], found["spec"]["objects"], eligible)
