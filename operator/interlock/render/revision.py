"""All objects of one revision, rendered once: ConfigMaps, one NetworkPolicy an edge, Deployment.

Everything that the pod sees is named by digest or by a hash-named, immutable copy, so that moving
the pointer moves model, image, tools and policies together.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from interlock.api import digests
from interlock.api.kinds.deployment import AgentDeploymentSpec, ConfigMapRef
from interlock.api.names import LABEL_AGENT, LABEL_MANAGED, LABEL_REVISION, revision_name
from interlock.render import Unrenderable, delivery
from interlock.render.admission import SURGE
from interlock.render.delivery import Copied
from interlock.render.network import edges
from interlock.render.pod import pod_spec

Object = dict[str, Any]
ConfigMaps = Mapping[str, Mapping[str, str]]

PROGRESS_DEADLINE_SECONDS = 600
MAX_OBJECTS = 64
"""As many as an AgentRevision holds."""


def revision_objects(
    namespace: str,
    name: str,
    digest: str,
    spec: AgentDeploymentSpec,
    config_maps: ConfigMaps,
    *,
    copied: Copied | None = None,
    runtime_class: str = "",
) -> list[Object]:
    """Return the objects of content `digest` of agent `name`, in the order of application.

    `namespace` is the agent's own; `config_maps` holds the data of each ConfigMap that the spec
    names; `copied` is None where the model is an image volume; `runtime_class` is empty for the
    cluster's default. The Deployment has no replicas: staging sets them. Raises Unrenderable.
    """
    revision = revision_name(name, digest)
    pod = pod_spec(name, digest, spec, copied, runtime_class)
    common = {LABEL_MANAGED: "true", LABEL_AGENT: name}
    labels = {**common, LABEL_REVISION: revision}
    # A ConfigMap may serve several revisions of the agent, so it carries no revision's label.
    objects = [
        _object("v1", "ConfigMap", map_name, namespace, common) | {"immutable": True, "data": data}
        for map_name, data in _copies(spec, config_maps, copied).items()
    ]
    for policy, rules in edges(revision, spec):
        body = _object("networking.k8s.io/v1", "NetworkPolicy", policy, namespace, labels)
        objects.append(body | {"spec": rules})
    body = _object("apps/v1", "Deployment", revision, namespace, labels)
    objects.append(body | {"spec": _deployment(name, revision, pod)})
    return _bounded(objects)


def _deployment(name: str, revision: str, pod: Object) -> Object:
    labels = {LABEL_AGENT: name, LABEL_REVISION: revision}
    return {
        "replicas": 0,
        "revisionHistoryLimit": 0,
        "progressDeadlineSeconds": PROGRESS_DEADLINE_SECONDS,
        "strategy": {
            "type": "RollingUpdate",
            "rollingUpdate": {"maxSurge": SURGE, "maxUnavailable": 0},
        },
        "selector": {"matchLabels": dict(labels)},
        "template": {"metadata": {"labels": dict(labels)}, "spec": pod},
    }


def _copies(
    spec: AgentDeploymentSpec, config_maps: ConfigMaps, copied: Copied | None
) -> dict[str, dict[str, str]]:
    copies: dict[str, dict[str, str]] = {}
    for where, reference in _references(spec):
        data = config_maps.get(reference.config_map)
        if data is None:
            raise Unrenderable(
                f"{where} names the ConfigMap {reference.config_map}, which is not there; "
                "commit it beside the manifest."
            )
        _check_digest(where, reference, data)
        copies[reference.config_map] = dict(sorted(data.items()))
    if copied and spec.model:
        tree = delivery.tree_of(copied, spec.model.tree)
        copies[delivery.map_name(tree)] = {delivery.KEY: delivery.manifest(copied.files)}
    return dict(sorted(copies.items()))


def _check_digest(where: str, reference: ConfigMapRef, data: Mapping[str, str]) -> None:
    """The bytes that are copied must be those that were approved, whoever read them and when."""
    got = f"sha256:{digests.config_map(data)}"
    if reference.digest != got:
        raise Unrenderable(
            f"{where}: the ConfigMap {reference.config_map} is {got}, the spec pins "
            f"{reference.digest or 'nothing'}; restore it, or run `interlock pin` and have it "
            "approved."
        )


def _references(spec: AgentDeploymentSpec) -> Iterator[tuple[str, ConfigMapRef]]:
    for tool in spec.tools:
        if tool.schema_:
            yield f"tools[{tool.name}].schema", tool.schema_
    for policy in spec.policies:
        yield f"policies[{policy.name}]", policy


def _bounded(objects: list[Object]) -> list[Object]:
    if len(objects) > MAX_OBJECTS:
        raise Unrenderable(
            f"the edges and ConfigMaps of this agent make {len(objects)} objects, at most "
            f"{MAX_OBJECTS} are possible; merge edges or split the agent."
        )
    return objects


def _object(
    api_version: str, kind: str, name: str, namespace: str, labels: Mapping[str, str]
) -> Object:
    metadata = {"name": name, "namespace": namespace, "labels": dict(labels)}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata}
