"""How a live object is compared with a rendered one."""

from copy import deepcopy
from typing import Any

import pytest

from interlock.actions import drift
from interlock.api import names
from interlock.api.digests import ModelFile
from interlock.api.kinds import AgentDeploymentSpec
from interlock.render.admission import deployment_of, pod_of
from interlock.render.delivery import Copied
from interlock.render.namespace import resource_quota
from interlock.render.revision import revision_objects

Object = dict[str, Any]
IMAGE = "registry.example/agents/press@sha256:" + "0" * 64


@pytest.fixture
def objects() -> list[Object]:
    spec = AgentDeploymentSpec.model_validate({"riskTier": "low", "image": IMAGE})
    return revision_objects("agent-x", "press", "0" * 64, spec, {})


@pytest.fixture
def deployment(objects: list[Object]) -> Object:
    return deepcopy(dict(deployment_of(objects)))


def stored(obj: Object) -> Object:
    """What the API server keeps: it fills in, counts, and says who wrote."""
    live = deepcopy(obj)
    live["metadata"] |= {"uid": "u", "resourceVersion": "7", "generation": 3}
    live["metadata"]["annotations"] = {"deployment.kubernetes.io/revision": "2"}
    live["status"] = {"replicas": 1}
    return live


def test_what_moves_by_itself_is_no_difference(deployment: Object) -> None:
    live = stored(deployment)
    live["spec"]["replicas"] = 5
    live["spec"]["template"]["metadata"]["creationTimestamp"] = None
    live["spec"]["template"]["metadata"]["annotations"] = {names.ANNOTATION_DRAINED: "press-3"}
    live["metadata"]["annotations"][names.ANNOTATION_RETIRING] = "true"
    assert drift.whole(live) == drift.whole(deployment)
    assert drift.fingerprint(live) == drift.fingerprint(deployment)


@pytest.mark.parametrize("annotation", ["restartedAt", "deployment.example/x"])
def test_another_annotation_is_one(deployment: Object, annotation: str) -> None:
    live = stored(deployment)
    live["metadata"]["annotations"][annotation] = "x"
    (said,) = drift.differences(drift.whole(deployment), drift.whole(live))
    assert said == f"metadata.annotations.{annotation} was added"


def test_any_namespace_is_not_this_namespace() -> None:
    policy: Object = {"kind": "NetworkPolicy", "metadata": {}, "spec": {"from": [{}]}}
    wider = policy | {"spec": {"from": [{"namespaceSelector": {}}]}}
    (said,) = drift.differences(drift.content(policy), drift.content(wider))
    assert said == "spec.from[0].namespaceSelector was added"


def test_mending_keeps_what_is_free_and_tests_the_version(deployment: Object) -> None:
    live = stored(deployment)
    live["spec"]["replicas"] = 5
    live["spec"]["template"]["metadata"]["annotations"] = {
        names.ANNOTATION_DRAINED: "press-3",
        "restartedAt": "now",
    }
    live["extra"] = 1
    live["metadata"]["labels"]["team"] = "x"
    test, *changes = drift.mending(deployment, live)
    assert test == {"op": "test", "path": "/metadata/resourceVersion", "value": "7"}
    by_path = {one["path"]: one for one in changes}
    assert by_path["/extra"]["op"] == "remove"
    spec = by_path["/spec"]["value"]
    assert spec["replicas"] == 5
    marks = spec["template"]["metadata"]["annotations"]
    assert marks == {names.ANNOTATION_DRAINED: "press-3"}
    assert by_path["/metadata/labels"]["value"] == deployment["metadata"]["labels"]
    assert deployment["spec"]["replicas"] == 0


def test_the_writer_is_who_wrote_last_and_is_neither_we_nor_a_status() -> None:
    fields: Object = {"f:spec": {}}
    entries = [
        {"manager": "interlock", "time": "5", "fieldsV1": fields},
        {"manager": "kubectl-edit", "time": "2", "fieldsV1": fields},
        {"manager": "kubectl-patch", "time": "3", "fieldsV1": fields},
        {"manager": "kubelet", "time": "9", "subresource": "status", "fieldsV1": fields},
        {"manager": "m", "time": "8", "fieldsV1": {"f:metadata": {"f:annotations": {}}}},
    ]
    live = {"kind": "Role", "metadata": {"name": "x", "managedFields": entries}}
    assert drift.strangers(live) == ["kubectl-patch", "kubectl-edit"]
    said = drift.sentence(live, ["a", "b", "c\x1b[2J"], 200)
    assert said == "Role/x: a, b and 1 more (written by kubectl-patch)"
    assert "\x1b" not in drift.sentence(live, ["c\x1b[2J"], 200)
    assert len(drift.sentence(live, ["x" * 999], 200)) == 200


def test_a_quota_differs_by_shape_or_by_its_writer() -> None:
    live = resource_quota("line-4", "press", ())
    live["spec"]["hard"] |= {"pods": "7", "limits.cpu": "3"}
    assert list(drift.quota_differences("line-4", "press", live)) == []
    for hard in ({"pods": "7"}, live["spec"]["hard"] | {"services.nodeports": "1"}):
        bent = live | {"spec": {"hard": hard}}
        assert list(drift.quota_differences("line-4", "press", bent))
    live["spec"]["scopes"] = ["BestEffort"]
    assert list(drift.quota_differences("line-4", "press", live)) == ["spec.scopes was added"]


POD_CHANGES: dict[str, tuple[str, Any, str]] = {
    "resized": ("resources", {"limits": {"cpu": "8"}}, "resources.limits.cpu was changed"),
    "another image": ("image", "x.example/y", "image was changed"),
    "another command": ("command", ["sh"], "command was added"),
}


@pytest.mark.parametrize("change", POD_CHANGES)
def test_a_pod_is_what_its_revision_makes(objects: list[Object], change: str) -> None:
    pod = pod_of(deployment_of(objects))
    pod["spec"]["nodeName"] = "n"
    pod["spec"]["containers"][0]["terminationMessagePath"] = "/dev/termination-log"
    assert list(drift.pod_differences(objects, pod)) == []
    field, value, said = POD_CHANGES[change]
    pod["spec"]["containers"][0][field] = value
    assert any(said in one for one in drift.pod_differences(objects, pod))


def test_the_init_containers_are_those_that_were_rendered() -> None:
    files = (ModelFile("MLmodel", 1, "1" * 64),)
    model = {"name": "press", "version": "1", "volume": IMAGE}
    spec = AgentDeploymentSpec.model_validate({"riskTier": "low", "image": IMAGE, "model": model})
    copied = Copied(IMAGE, files)
    objects = revision_objects("agent-x", "press", "0" * 64, spec, {}, copied=copied)
    pod = pod_of(deployment_of(objects))
    assert list(drift.pod_differences(objects, pod)) == []
    for field, value in {
        "image": "x.example/y",
        "args": ["-tree=x"],
        "restartPolicy": "Always",
    }.items():
        other = deepcopy(pod)
        other["spec"]["initContainers"][1][field] = value
        said = list(drift.pod_differences(objects, other))
        assert said
        assert all(one.startswith(f"spec.initContainers[1].{field}") for one in said)
    other["spec"]["initContainers"].pop()
    assert list(drift.pod_differences(objects, other)) == ["spec.initContainers[1] is missing"]
    del other["spec"]["initContainers"]
    assert list(drift.pod_differences(objects, other)) == ["spec.initContainers is missing"]


@pytest.mark.parametrize("field", ["ephemeralContainers", "initContainers", "resources"])
def test_a_pod_has_nothing_added(objects: list[Object], field: str) -> None:
    pod = pod_of(deployment_of(objects))
    pod["spec"][field] = [{"name": "debug"}]
    assert list(drift.pod_differences(objects, pod)) == [f"spec.{field} was added"]


def test_people_may_be_bound_to_look() -> None:
    role = {"kind": "ClusterRole", "name": "interlock-view"}
    person = {"kind": "User", "name": "sre-1"}
    assert drift.is_for_people({"roleRef": role, "subjects": [person]})
    for other in (
        {"roleRef": role | {"kind": "Role"}, "subjects": [person]},
        {"roleRef": role | {"name": "edit"}, "subjects": [person]},
        {"roleRef": role, "subjects": [person, {"kind": "ServiceAccount", "name": "agent"}]},
        {"roleRef": role, "subjects": [{"kind": "Group", "name": "system:authenticated"}]},
        {},
    ):
        assert not drift.is_for_people(other)
