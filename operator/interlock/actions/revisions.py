"""Makes and forgets AgentRevisions: one content, rendered once, never rendered again."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from interlock.actions.ports import Applied, WorkPorts
from interlock.api import names
from interlock.api.observed import Observed, Revision
from interlock.api.steps import Forget
from interlock.cluster.cache import Key
from interlock.cluster.client import Conflict
from interlock.render import RENDERER
from interlock.render.revision import revision_objects

Object = dict[str, Any]


class Collision(Exception):
    """Two contents share their first ten digits, or a record under our name is not ours."""


async def ensure_revision(
    name: str,
    key: Key,
    ports: WorkPorts,
    seen: Observed,
    config_maps: Mapping[str, Mapping[str, str] | None],
) -> Revision:
    """Return the revision, created from the wish where it is missing. Raises Collision."""
    if known := seen.revisions.get(name):
        if seen.wanted and name == names.revision_name(key.name, seen.wanted.digest):
            _check_digest(known, seen.wanted.digest)
        return known
    wanted = seen.wanted
    if wanted is None or name in seen.bad_records:
        raise Collision(f"AgentRevision {name} exists, and its signature does not hold")
    data = {one: values for one, values in config_maps.items() if values is not None}
    objects = revision_objects(key.home, key.name, wanted.digest, wanted.spec, data)
    spec = {
        "agent": {"namespace": key.namespace, "name": key.name, "uid": wanted.uid},
        "content": wanted.spec.dump(),
        "digest": wanted.digest,
        "behaviour": wanted.behaviour,
        "renderer": RENDERER,
        "objects": objects,
    }
    created = await _create(name, spec, key, ports)
    made = datetime.fromisoformat(created["metadata"]["creationTimestamp"])
    return Revision(name, wanted.digest, wanted.behaviour, wanted.spec, made)


async def forget(step: Forget, key: Key, ports: WorkPorts) -> Applied:
    """Delete a revision that nothing needs, with its objects.

    Writes    deletes of its rendered objects, then of the AgentRevision; decisions stay while a
              transition names them.
    Repeat    at any point.
    """
    client, cache = ports.traffic.client, ports.traffic.cache
    found = cache.get("AgentRevision", key.home, step.revision)
    for obj in (found or {}).get("spec", {}).get("objects", []):
        if obj["kind"] != "ConfigMap":  # may serve other revisions
            await client.delete(obj["kind"], key.home, obj["metadata"]["name"])
    await client.delete("AgentRevision", key.home, step.revision)
    if found is not None:
        cache.remove(found)
    return Applied(f"{step.revision} was forgotten")


def objects_of(ports: WorkPorts, key: Key, revision: str) -> list[Object]:
    """Return the objects that were rendered for a revision, as its record keeps them."""
    found = ports.traffic.cache.get("AgentRevision", key.home, revision)
    return list(found["spec"]["objects"]) if found else []


async def _create(name: str, spec: Object, key: Key, ports: WorkPorts) -> Object:
    body = {
        "apiVersion": names.API_VERSION,
        "kind": "AgentRevision",
        "metadata": {
            "name": name,
            "namespace": key.home,
            "labels": {names.LABEL_AGENT: key.name, names.LABEL_REVISION: name},
        },
        "spec": ports.traffic.signer.sign("AgentRevision", spec),
    }
    try:
        created = await ports.traffic.client.create(body)
    except Conflict:
        live = await ports.traffic.client.get("AgentRevision", key.home, name)
        if live is None or live["spec"].get("digest") != spec["digest"]:
            raise Collision(f"AgentRevision {name} exists with another digest") from None
        created = live
    ports.traffic.cache.merge(created)
    return created


def _check_digest(known: Revision, digest: str) -> None:
    if known.digest != digest:
        raise Collision(
            f"{known.name} is {known.digest}, the spec is {digest}: their first ten digits agree"
        )
