"""Init containers exist in an agent's pod only as the ones that were admitted (I1)."""

from typing import Any

import pytest

from interlock.api.digests import ModelFile
from interlock.api.kinds.deployment import Resources
from interlock.render import namespace
from interlock.render.delivery import MAX_MANIFEST_BYTES, manifest
from support import agents
from support.agents import COPIES, TEAM, Agent
from support.documents import BASES, DIGEST, GONE, Object, changed
from support.kube import OURS, Answer, Api, until

I = "spec.initContainers.1"  # noqa: E741 - the one that copies
OTHER = "registry.example/agents/other@" + DIGEST
NAMES, IMAGE, COMMAND = "the init containers are not", "an image is not", "a command"
ENV, MOUNTS, VOLUMES = "the environment", "the mounts", "the volumes"
FIELD = "a container has fields that no agent"
HTTP = {"httpGet": {"path": "/x", "port": 1}}


@pytest.fixture(scope="module")
def agent(admin: Api, controller: Api) -> Agent:
    made = agents.make("copied", admin, controller)
    entries = [made.entry("old"), made.entry(COPIES)]
    made.apply(namespace.agent_admission(TEAM, made.name, entries))
    until(lambda: made.dry_run(made.pod(COPIES)).ok, "the pod that copies is admitted")
    return made


@pytest.fixture
def pod(agent: Agent) -> Object:
    return agent.pod(COPIES)


def refused(answer: Answer, why: str) -> None:
    assert answer.code in (403, 422), answer.body
    assert why in answer.message


def test_the_pod_that_copies_passes_and_the_one_that_mounts_still_does(
    agent: Agent, pod: Object
) -> None:
    for each in (pod, agent.pod("old")):
        for api in (agent.admin, agent.controller):
            answer = agent.dry_run(each, api)
            assert answer.ok, answer.message


# What is changed on the admitted pod, and what the refusal says.
DEVIATIONS: dict[str, tuple[Any, Any, str]] = {
    "none at all": ("spec.initContainers", GONE, NAMES),
    "one less": ("spec.initContainers.0", GONE, NAMES),
    "another name": (f"{I}.name", "other", NAMES),
    "another copier": ("spec.initContainers.0.image", OTHER, IMAGE),
    "another model": (f"{I}.image", OTHER, IMAGE),
    "another program": (f"{I}.command", ["/other", "copy"], COMMAND),
    "the image's own program": (f"{I}.command", GONE, COMMAND),
    "another tree": (f"{I}.args.0", f"-tree={DIGEST}", COMMAND),
    "another folder": (f"{I}.args.3", "-to=/interlock/bin", COMMAND),
    "one more argument": (f"{I}.args.4", "-x", COMMAND),
    "a variable": (f"{I}.env", [{"name": "GODEBUG", "value": "x"}], ENV),
    "a writable program": (f"{I}.volumeMounts.0.readOnly", False, MOUNTS),
    "a folder elsewhere": (f"{I}.volumeMounts.2.mountPath", "/tmp/model", MOUNTS),
    "part of a folder": (f"{I}.volumeMounts.2.subPath", "x", MOUNTS),
    "a writable model": ("spec.containers.0.volumeMounts.1.readOnly", False, MOUNTS),
    "another manifest": ("spec.volumes.5.configMap.name", "other", VOLUMES),
    "the image as a volume": (
        "spec.volumes.1",
        {"name": "volume-1", "image": {"reference": OTHER}},
        VOLUMES,
    ),
    "a sidecar": (f"{I}.restartPolicy", "Always", FIELD + " may have: restartPolicy"),
    "a working directory": (f"{I}.workingDir", "/x", FIELD),
    "a port": (f"{I}.ports", [{"containerPort": 1}], FIELD),
    "a config map's variables": (f"{I}.envFrom", [{"configMapRef": {"name": "x"}}], FIELD),
    "a terminal": (f"{I}.stdin", True, FIELD),
    "a writable root": (f"{I}.securityContext.readOnlyRootFilesystem", False, "readOnlyRoot"),
}


@pytest.mark.parametrize("name", DEVIATIONS)
def test_an_init_container_that_deviates_is_refused(agent: Agent, pod: Object, name: str) -> None:
    path, value, why = DEVIATIONS[name]
    if name == "one more argument":
        pod["spec"]["initContainers"][1]["args"].append(value)
    else:
        pod = changed(pod, path, value)
    for api in (agent.admin, agent.controller):
        refused(agent.dry_run(pod, api), why)


def test_one_more_is_refused_wherever_it_stands(agent: Agent, pod: Object) -> None:
    copier, model = pod["spec"]["initContainers"]
    more = {**copier, "name": "more"}
    for listed in ([more, copier, model], [copier, model, more], [model, copier]):
        refused(agent.dry_run(changed(pod, "spec.initContainers", listed)), NAMES)


def test_an_init_container_is_no_container_and_the_other_way_round(
    agent: Agent, pod: Object
) -> None:
    """All of them in one row are the same; which of them ends before the agent starts is not."""
    copier, model = pod["spec"]["initContainers"]
    beside = changed(pod, "spec.initContainers", [model])
    beside["spec"]["containers"].append(copier)
    refused(agent.dry_run(beside), "the containers are not")


def test_a_pod_that_mounts_gets_no_init_container(agent: Agent, pod: Object) -> None:
    mounting = agent.pod("old")
    mounting["spec"]["initContainers"] = pod["spec"]["initContainers"]
    for one in mounting["spec"]["initContainers"]:
        one["volumeMounts"] = []
    refused(agent.dry_run(mounting), "got copier, model, expected none")


def test_privileges_of_an_init_container_are_stopped_by_pod_security(
    agent: Agent, pod: Object
) -> None:
    for field, value in (("allowPrivilegeEscalation", True), ("runAsUser", 0)):
        path = f"{I}.securityContext.{field}"
        refused(agent.dry_run(changed(pod, path, value)), field)


def test_nobody_changes_a_manifest(agent: Agent) -> None:
    (made,) = (one for one in agent.objects(COPIES) if "files" in one.get("data", {}))
    agent.apply(made)
    path = agent.path("ConfigMap", made["metadata"]["name"])
    less: Object = {"data": {"files": ""}}
    refused(agent.controller.patch(path, less), "immutable")
    refused(agent.admin.patch(path, less), "immutable")
    refused(agent.admin.delete(path), "written by Interlock alone")


def test_the_longest_manifest_fits_its_config_map_and_its_revision(agent: Agent) -> None:
    """As many files as one ConfigMap takes, and the AgentRevision that keeps it twice over."""
    one = len(f"{'0' * 64} 1 {0:05}\n")
    files = tuple(ModelFile(f"{n:05}", 1, "0" * 64) for n in range(MAX_MANIFEST_BYTES // one))
    (made,) = (each for each in agent.objects(COPIES) if "files" in each.get("data", {}))
    longest = changed(made, "data.files", manifest(files))
    longest["metadata"]["name"] = "model-longest"
    agent.apply(longest)
    record = changed(BASES["AgentRevision"], "spec.objects", [longest, longest])
    record["metadata"]["namespace"] = agent.home
    answer = agent.controller.post(f"{OURS}/namespaces/{agent.home}/agentrevisions", record)
    assert answer.ok, answer.message


def test_the_quota_has_room_for_the_pod(agent: Agent, pod: Object) -> None:
    one: Object = namespace.resource_quota(TEAM, agent.name, [(0, Resources())])
    agent.apply(one)
    until(lambda: quota(agent)["hard"]["pods"] == "1", "the quota of one pod is in force")
    answer = agent.admin.post(agent.path("Pod"), changed(pod, "metadata.name", "one"))
    assert answer.ok, answer.message
    refused(agent.dry_run(pod), "exceeded quota")


def quota(agent: Agent) -> Object:
    found: Object = agent.admin.get(agent.path("ResourceQuota", "agent")).body["status"]
    return {"hard": {}} | found
