"""The pod of a revision: Pod Security `restricted` and more, every image by digest, no token.

It is built from the closed schema alone, so that nothing a team writes can open it further.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from interlock.api.digests import short
from interlock.api.kinds.base import seconds
from interlock.api.kinds.deployment import AgentDeploymentSpec, ModelRef, Resources
from interlock.api.names import AGENT_ACCOUNT
from interlock.render import Unrenderable, delivery
from interlock.render.delivery import Copied
from interlock.render.namespace import PORT_NAME
from interlock.render.quantities import cpu, kibibytes, memory, millicores

Object = dict[str, Any]

CONTAINER = "agent"
USER = 10001
"""Above 10000, so that it is no user of the node's."""
SCRATCH = "/tmp"  # noqa: S108 - the container's own, the one writable path
SCRATCH_SIZE = "64Mi"
MIN_GRACE, MAX_GRACE = 30, 3600
"""Bounds of the termination grace period, in seconds; `rollout.drain` lies between."""
MAX_MOUNTS = 16
RESERVED = "INTERLOCK_"
"""Environment variables that only Interlock sets begin with this."""
PROBE = {"periodSeconds": 5, "timeoutSeconds": 2, "failureThreshold": 3}


class Mount(NamedTuple):
    """One read-only volume and where it is seen."""

    path: str
    source: Object


def pod_spec(
    agent: str,
    digest: str,
    spec: AgentDeploymentSpec,
    copied: Copied | None = None,
    runtime_class: str = "",
) -> Object:
    """Return the pod spec of one content; `copied` where its model is no image volume.

    `runtime_class` is governance's choice for the tier: what isolates a content is no part of what
    it is. Raises Unrenderable.
    """
    volumes, mounts = _volumes(spec, copied)
    body: Object = {
        "serviceAccountName": AGENT_ACCOUNT,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": _grace(spec),
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(agent, digest, spec) | {"volumeMounts": mounts}],
        "volumes": volumes,
    }
    body |= {"runtimeClassName": runtime_class} if runtime_class else {}
    if copied is None or spec.model is None:
        return body
    tree = delivery.tree_of(copied, spec.model.tree)
    image = by_digest(spec.model.volume, "model.volume")
    model = next(each["name"] for each in mounts if each["mountPath"] == _model_path(spec.model))
    first = delivery.init_containers(copied, image, tree, model, _common(spec))
    return body | {"initContainers": first, "volumes": volumes + delivery.volumes(tree)}


def by_digest(reference: str | None, where: str) -> str:
    """Return `registry/repository@sha256:…` of a pinned reference, without its tag.

    A tag beside a digest is ignored by runtimes and misleads people; without a digest it decides.
    """
    location, _, digest = (reference or "").partition("@")
    if not digest:
        raise Unrenderable(
            f"{where} is {reference or 'absent'}, expected a reference with @sha256:…; "
            "run `interlock pin` and commit what it writes."
        )
    registry, _, repository = location.rpartition("/")
    return f"{registry}/{repository.partition(':')[0]}@{digest}"


def _container(agent: str, digest: str, spec: AgentDeploymentSpec) -> Object:
    container: Object = {
        "name": CONTAINER,
        "image": by_digest(spec.image, "image"),
        "ports": [{"name": PORT_NAME, "containerPort": spec.port, "protocol": "TCP"}],
        "env": _env(agent, digest, spec),
        **_common(spec),
    }
    if spec.health.http:
        check = {"path": spec.health.http, "port": PORT_NAME, "scheme": "HTTP"}
        container["readinessProbe"] = {"httpGet": check, **PROBE}
    elif spec.health.grpc is not None:
        call: Object = {"port": spec.port, "service": spec.health.grpc}
        container["readinessProbe"] = {"grpc": call, **PROBE}
    return container


def _common(spec: AgentDeploymentSpec) -> Object:
    """Return what each container of the pod has."""
    return {
        "imagePullPolicy": "IfNotPresent",
        "resources": _resources(spec.resources),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
        },
    }


def _grace(spec: AgentDeploymentSpec) -> int:
    return min(max(seconds(spec.rollout.drain), MIN_GRACE), MAX_GRACE)


def _resources(resources: Resources) -> Object:
    amounts = {
        "cpu": cpu(millicores(resources.cpu)),
        "memory": memory(kibibytes(resources.memory)),
    }
    return {"requests": dict(amounts), "limits": dict(amounts)}


def _env(agent: str, digest: str, spec: AgentDeploymentSpec) -> list[Object]:
    # An empty value is left out, as the API server does, so that both compare equal.
    theirs: list[Object] = [
        {"name": name, "value": value} if value else {"name": name}
        for name, value in sorted(spec.env.items())
    ]
    for secret in (entry for entry in spec.secrets if entry.as_ == "env"):
        source = {"name": secret.external_secret, "key": secret.name}
        theirs.append({"name": secret.name, "valueFrom": {"secretKeyRef": source}})
    names = [variable["name"] for variable in theirs]
    for name in names:
        if name.startswith(RESERVED) or names.count(name) > 1:
            raise Unrenderable(
                f"the environment variable {name} is reserved or given twice; rename it in env "
                "or secrets."
            )
    ours = {f"{RESERVED}AGENT": agent, f"{RESERVED}REVISION": short(digest)}
    return theirs + [{"name": name, "value": value} for name, value in ours.items()]


def _volumes(spec: AgentDeploymentSpec, copied: Copied | None) -> tuple[list[Object], list[Object]]:
    """Return volumes and their mounts; a source that is mounted twice is one volume."""
    sources: list[Object] = []
    volumes: list[Object] = [{"name": "tmp", "emptyDir": {"sizeLimit": SCRATCH_SIZE}}]
    mounts: list[Object] = [{"name": "tmp", "mountPath": SCRATCH}]
    for path, source in _sources(spec, copied):
        if source not in sources:
            sources.append(source)
            volumes.append({"name": f"volume-{len(sources)}", **source})
        name = f"volume-{sources.index(source) + 1}"
        mounts.append({"name": name, "mountPath": path, "readOnly": True})
    if len(mounts) > MAX_MOUNTS:
        raise Unrenderable(
            f"the model, tool schemas, policies and secret files need {len(mounts)} mounts, at "
            f"most {MAX_MOUNTS} are possible; give fewer tools a schema, or split the agent."
        )
    return volumes, mounts


def _sources(spec: AgentDeploymentSpec, copied: Copied | None) -> Iterator[Mount]:
    if spec.model:
        image = by_digest(spec.model.volume, "model.volume")
        source = {"image": {"reference": image, "pullPolicy": "IfNotPresent"}}
        yield Mount(_model_path(spec.model), delivery.folder(copied.files) if copied else source)
    for tool in spec.tools:
        if tool.schema_:
            yield Mount(f"/config/tools/{tool.name}", _config(tool.schema_.config_map))
    for policy in spec.policies:
        yield Mount(f"/config/policies/{policy.name}", _config(policy.config_map))
    for secret in spec.secrets:
        if secret.as_ == "file":
            yield Mount(f"/secrets/{secret.name}", _secret(secret.external_secret))


def _model_path(model: ModelRef) -> str:
    return f"/models/{model.name}"


def _config(name: str) -> Object:
    return {"configMap": {"name": name}}


def _secret(name: str) -> Object:
    return {"secret": {"secretName": name}}
