"""What the API server is told about a revision's pods, read off the rendered Deployment itself.

Entry, dry-run pod and quota come from the very object that is applied later, so that none of them
can describe another pod than the one that the ReplicaSet will create.
"""

from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from typing import Any

from interlock.api.kinds.admission import (
    AdmittedContainer,
    AdmittedEnv,
    AdmittedMount,
    AdmittedRevision,
    AdmittedVolume,
)
from interlock.api.kinds.deployment import Resources
from interlock.render.quantities import cpu, kibibytes, memory, millicores

Object = dict[str, Any]

_REFERENCES = {"image": "reference", "configMap": "name", "secret": "secretName", "emptyDir": None}
_TEMPLATE_HASH = "pod-template-hash"
_DRY_RUN_HASH = "0"
SURGE = 1
"""Pods above the replica count while a Deployment restarts (its `maxSurge`)."""


def deployment_of(objects: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return the one Deployment of a revision's objects. Raises ValueError if there is not one."""
    found = [entry for entry in objects if entry["kind"] == "Deployment"]
    if len(found) != 1:
        raise ValueError(f"a revision has exactly one Deployment, these objects hold {len(found)}")
    return found[0]


def admitted(
    revision_name: str, digest: str, objects: Sequence[Mapping[str, Any]], eligible: bool
) -> Object:
    """Return the AgentAdmission entry that lets the pods of these objects, and no others, exist.

    Every field is written out, also where it is at its default, so that the admission policy
    compares what stands there.
    """
    pod = deployment_of(objects)["spec"]["template"]["spec"]
    entry = AdmittedRevision(
        name=revision_name,
        digest=digest,
        eligible=eligible,
        containers=[_container(container) for container in pod["containers"]],
        init_containers=[_container(container) for container in pod.get("initContainers", [])],
        volumes=[_volume(volume) for volume in pod["volumes"]],
        service_account=pod["serviceAccountName"],
        runtime_class=pod.get("runtimeClassName", ""),
    )
    dumped = entry.model_dump(mode="json", by_alias=True)
    # An entry of before there were any stays the same.
    if not entry.init_containers:
        del dumped["initContainers"]
    if not entry.runtime_class:
        del dumped["runtimeClass"]
    return dumped


def pod_of(deployment: Mapping[str, Any]) -> Object:
    """Return the Pod that the Deployment's ReplicaSet would create, for a dry run.

    Only the hash in its label and name is made up: it is the controller manager that computes it.
    """
    template = deepcopy(dict(deployment["spec"]["template"]))
    metadata = template["metadata"]
    metadata["generateName"] = f"{deployment['metadata']['name']}-{_DRY_RUN_HASH}-"
    metadata["namespace"] = deployment["metadata"]["namespace"]
    metadata["labels"][_TEMPLATE_HASH] = _DRY_RUN_HASH
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}


def quota(entries: Iterable[tuple[int, Resources]]) -> dict[str, str]:
    """Return the `hard` limits for these (replicas, resources of one replica) pairs.

    Each entry may have one pod more than its replicas, the surge of a restart.
    """
    pods = [(replicas + SURGE, resources) for replicas, resources in entries]
    cores = cpu(sum(count * millicores(each.cpu) for count, each in pods))
    room = memory(sum(count * kibibytes(each.memory) for count, each in pods))
    return {
        "pods": str(sum(count for count, _ in pods)),
        "requests.cpu": cores,
        "limits.cpu": cores,
        "requests.memory": room,
        "limits.memory": room,
        "persistentvolumeclaims": "0",
        "services.loadbalancers": "0",
        "services.nodeports": "0",
    }


def _container(container: Mapping[str, Any]) -> AdmittedContainer:
    return AdmittedContainer(
        name=container["name"],
        image=container["image"],
        command=container.get("command", []),
        args=container.get("args", []),
        env=[_env(variable) for variable in container.get("env", [])],
        mounts=[
            AdmittedMount(
                name=mount["name"], path=mount["mountPath"], read_only=mount.get("readOnly", False)
            )
            for mount in container["volumeMounts"]
        ],
    )


def _env(variable: Mapping[str, Any]) -> AdmittedEnv:
    if "valueFrom" not in variable:
        return AdmittedEnv(name=variable["name"], value=variable.get("value", ""))
    source = variable["valueFrom"]["secretKeyRef"]
    return AdmittedEnv(name=variable["name"], secret=source["name"], key=source["key"])


def _volume(volume: Mapping[str, Any]) -> AdmittedVolume:
    (kind,) = volume.keys() - {"name"}
    field = _REFERENCES[kind]
    reference = volume[kind][field] if field else ""
    return AdmittedVolume(name=volume["name"], type=kind, reference=reference)
