"""Makes and forgets AgentRevisions: one content, rendered once, never rendered again."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from interlock.actions.ports import Applied, WorkPorts
from interlock.api import digests, names
from interlock.api.digests import ModelFile
from interlock.api.kinds import AgentDeploymentSpec
from interlock.api.observed import Observed, Revision, Wanted
from interlock.api.steps import Forget
from interlock.cluster import pointer
from interlock.cluster.cache import Key
from interlock.cluster.client import Conflict
from interlock.decide import view
from interlock.render import RENDERER
from interlock.render.delivery import Copied
from interlock.render.revision import revision_objects

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Sources:
    """What a revision's objects are made of beside its content."""

    config_maps: Mapping[str, Mapping[str, str] | None]
    """The data of each that the content names; None for one that is not there."""
    files: tuple[ModelFile, ...] = ()
    """The model's, as the verifier proved them, where init containers copy them."""
    runtime_class: str = ""
    """What governance has pods of this tier run in; empty for the cluster's default."""


class Collision(Exception):
    """Two contents share their first ten digits, or a record under our name is not ours."""


async def ensure_revision(
    name: str,
    key: Key,
    ports: WorkPorts,
    seen: Observed,
    sources: Sources,
) -> Revision:
    """Return the revision, created from the wish where it is missing. Raises Collision."""
    known, wanted = seen.revisions.get(name), seen.wanted
    asked = wanted is not None and name == names.revision_name(key.name, wanted.digest)
    if wanted is None or not asked:
        if known is None:
            raise Collision(f"AgentRevision {name} exists, and its signature does not hold")
        return known
    if known is not None:
        _check_digest(known, wanted.digest)
    elif name in seen.bad_records:
        raise Collision(f"AgentRevision {name} exists, and its signature does not hold")
    made = known or await _create(_spec(key, wanted, wanted.spec, sources, ports), key, ports)
    if not view.fallbacks(seen, name):  # also after it was made and this process ended
        await _ensure_fallback(made, key, ports, wanted, sources)
    return made


async def _ensure_fallback(
    parent: Revision, key: Key, ports: WorkPorts, wanted: Wanted, sources: Sources
) -> None:
    """Make the revision of a content's fallback: the same agent with fewer tools.

    Whoever approved the content approved it too: it is a pure function of the content, and can do
    nothing that the content could not.
    """
    spec = parent.spec
    if spec.fallback is None:
        return
    tools = [tool for tool in spec.tools if tool.name in spec.fallback.tools]
    less = spec.model_copy(update={"tools": tools, "fallback": None})
    spec_of_less = _spec(key, wanted, less, sources, ports) | {"parent": parent.name}
    await _create(spec_of_less, key, ports)


async def forget(step: Forget, key: Key, ports: WorkPorts) -> Applied:
    """Delete a revision that nothing needs, with its objects.

    Writes    deletes of its rendered objects, then of the AgentRevision; decisions stay while a
              transition names them.
    Repeat    at any point; the Service is read live first, and what it names stays.
    """
    client, cache = ports.traffic.client, ports.traffic.cache
    service = await client.get("Service", key.home, names.POINTER_SERVICE)
    if pointer.target(service) == step.revision:
        return Applied(f"{step.revision} serves; it was not forgotten")
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


def _spec(
    key: Key, wanted: Wanted, content: AgentDeploymentSpec, sources: Sources, ports: WorkPorts
) -> Object:
    data = {one: values for one, values in sources.config_maps.items() if values is not None}
    copied = Copied(ports.copier, sources.files) if ports.copier else None
    dumped = content.dump()
    digest = digests.content(key.namespace, key.name, dumped)
    return {
        "agent": {"namespace": key.namespace, "name": key.name, "uid": wanted.uid},
        "content": dumped,
        "digest": digest,
        "behaviour": digests.behaviour(dumped),
        "renderer": RENDERER,
        "objects": revision_objects(
            key.home,
            key.name,
            digest,
            content,
            data,
            copied=copied,
            runtime_class=sources.runtime_class,
        ),
    }


async def _create(spec: Object, key: Key, ports: WorkPorts) -> Revision:
    name = names.revision_name(key.name, spec["digest"])
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
    return Revision(
        name=name,
        digest=spec["digest"],
        behaviour=spec["behaviour"],
        spec=AgentDeploymentSpec.model_validate(spec["content"]),
        created=datetime.fromisoformat(created["metadata"]["creationTimestamp"]),
        parent=spec.get("parent", ""),
    )


def _check_digest(known: Revision, digest: str) -> None:
    if known.digest != digest:
        raise Collision(
            f"{known.name} is {known.digest}, the spec is {digest}: their first ten digits agree"
        )
