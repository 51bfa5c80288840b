"""A pod exists in an agent's namespace only as a revision that was admitted there (I1)."""

from typing import Any

import pytest

from support import agents
from support.agents import Agent
from support.documents import DIGEST, GONE, Object, changed
from support.kube import Answer, Api, until

REVISION = ("metadata", "labels", "interlock.dev/revision")
AGENT = ("metadata", "labels", "interlock.dev/agent")
C = "spec.containers.0"
REPLICA_SETS = "system:serviceaccount:kube-system:replicaset-controller"
STRATEGIC = "application/strategic-merge-patch+json"


@pytest.fixture(scope="module")
def agent(admin: Api, controller: Api) -> Agent:
    return agents.make("pods", admin, controller)


@pytest.fixture
def pod(agent: Agent) -> Object:
    return agent.pod()


@pytest.mark.parametrize("version", ["old", "new"])
def test_the_pod_of_an_admitted_revision_passes(agent: Agent, version: str) -> None:
    for api in (agent.controller, agent.admin, agent.admin.named(REPLICA_SETS)):
        answer = agent.dry_run(agent.pod(version), api)
        if api.headers.get("Impersonate-User"):
            assert answer.ok or "cannot create" in answer.message, answer.message
        else:
            assert answer.ok, answer.message


def env(name: str, **source: Any) -> Object:
    return {"name": name, "valueFrom": source}


VOLUME = "spec.volumes.1"
OTHER = "registry.example/agents/other:1@" + DIGEST
NOT_ADMITTED, LABEL = "is not admitted", "is not the agent of this revision"
ENV, MOUNTS, VOLUMES = "the environment", "the mounts", "the volumes"
POD_FIELD, FIELD = "fields that no agent may have: ", "a container has fields that no agent"
SIDECAR = {"name": "sidecar", "image": OTHER}
HTTP = {"httpGet": {"path": "/x", "port": 1}}

# What is changed on the admitted pod, and what the refusal says.
DEVIATIONS: dict[str, tuple[Any, Any, str]] = {
    "no revision": (REVISION, GONE, NOT_ADMITTED),
    "no labels": ("metadata.labels", GONE, NOT_ADMITTED),
    "unknown revision": (REVISION, "pods-0000000000", NOT_ADMITTED),
    "revision none": (REVISION, "none", NOT_ADMITTED),
    "another agent's label": (AGENT, "other", LABEL),
    "no agent label": (AGENT, GONE, LABEL),
    "image": (f"{C}.image", OTHER, "an image is not"),
    "image by tag": (f"{C}.image", "registry.example/agents/press:old", "an image is not"),
    "command": (f"{C}.command", ["/bin/sh"], "a command"),
    "arguments": (f"{C}.args", ["--unsafe"], "a command"),
    "value": (f"{C}.env.0.value", "evil", ENV),
    "variable gone": (f"{C}.env.0", GONE, ENV),
    "no environment": (f"{C}.env", GONE, ENV),
    "secret's key": (f"{C}.env.1.valueFrom.secretKeyRef.key", "other", ENV),
    "secret's name": (f"{C}.env.1.valueFrom.secretKeyRef.name", "other", ENV),
    "optional secret": (f"{C}.env.1.valueFrom.secretKeyRef.optional", True, ENV),
    "variable from a field": (
        f"{C}.env.0",
        env("VERSION", fieldRef={"fieldPath": "metadata.name"}),
        ENV,
    ),
    "mounted elsewhere": (f"{C}.volumeMounts.1.mountPath", "/usr", MOUNTS),
    "mounted writable": (f"{C}.volumeMounts.1.readOnly", False, MOUNTS),
    "part of a volume": (f"{C}.volumeMounts.1.subPath", "x", MOUNTS),
    "computed part": (f"{C}.volumeMounts.1.subPathExpr", "$(VERSION)", MOUNTS),
    "propagation": (f"{C}.volumeMounts.1.mountPropagation", "HostToContainer", MOUNTS),
    "mount gone": (f"{C}.volumeMounts.2", GONE, MOUNTS),
    "model": (f"{VOLUME}.image.reference", "registry.example/models/x@" + DIGEST, VOLUMES),
    "config map": ("spec.volumes.2.configMap.name", "other", VOLUMES),
    "keys of a config map": (
        "spec.volumes.2.configMap.items",
        [{"key": "schema.json", "path": "x"}],
        VOLUMES,
    ),
    "optional config map": ("spec.volumes.2.configMap.optional", True, VOLUMES),
    "secret": ("spec.volumes.3.secret.secretName", "other", VOLUMES),
    "keys of a secret": ("spec.volumes.3.secret.items", [{"key": "a", "path": "b"}], VOLUMES),
    "optional secret volume": ("spec.volumes.3.secret.optional", True, VOLUMES),
    "token volume": (
        "spec.volumes.0",
        {"name": "tmp", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}},
        VOLUMES,
    ),
    "claim": (
        "spec.volumes.0",
        {"name": "tmp", "persistentVolumeClaim": {"claimName": "x"}},
        VOLUMES,
    ),
    "service account": ("spec.serviceAccountName", "default", "the service account"),
    "token": ("spec.automountServiceAccountToken", True, MOUNTS),
    "token by default": ("spec.automountServiceAccountToken", GONE, "automountServiceAccountToken"),
    "environment of a config map": (f"{C}.envFrom", [{"configMapRef": {"name": "x"}}], FIELD),
    "lifecycle hook": (f"{C}.lifecycle", {"preStop": {"exec": {"command": ["x"]}}}, FIELD),
    "working directory": (f"{C}.workingDir", "/x", FIELD),
    "terminal": (f"{C}.stdin", True, FIELD),
    "restart rules": (f"{C}.restartPolicy", "Never", FIELD),
    "second container": ("spec.containers.1", SIDECAR, "the containers are not"),
    "another name": (f"{C}.name", "other", "the containers are not"),
    "init container": ("spec.initContainers", [SIDECAR], "got sidecar, expected none"),
    "host aliases": (
        "spec.hostAliases",
        [{"ip": "10.0.0.1", "hostnames": ["mes.line-4.svc"]}],
        POD_FIELD + "hostAliases",
    ),
    "resolver": ("spec.dnsConfig", {"nameservers": ["10.0.0.1"]}, POD_FIELD + "dnsConfig"),
    "user namespace": ("spec.hostUsers", False, POD_FIELD + "hostUsers"),
    "node": ("spec.nodeName", "kwok", POD_FIELD + "nodeName"),
    "shared processes": ("spec.shareProcessNamespace", True, POD_FIELD + "shareProcessNamespace"),
    "readiness command": (f"{C}.readinessProbe", {"exec": {"command": ["x"]}}, "a probe"),
    "liveness command": (f"{C}.livenessProbe", {"exec": {"command": ["x"]}}, "a probe"),
    "startup command": (f"{C}.startupProbe", {"exec": {"command": ["x"]}}, "a probe"),
    "writable root": (f"{C}.securityContext.readOnlyRootFilesystem", False, "readOnlyRoot"),
    "restart policy": ("spec.restartPolicy", "OnFailure", "restartPolicy must be"),
    "node's resolver": ("spec.dnsPolicy", "Default", "restartPolicy must be"),
    "service links": ("spec.enableServiceLinks", True, "restartPolicy must be"),
    "priority": ("spec.priorityClassName", "system-node-critical", "a priority class"),
}


def refused(answer: Answer, why: str) -> None:
    assert answer.code in (403, 422), answer.body
    assert why in answer.message


@pytest.mark.parametrize("name", DEVIATIONS)
def test_a_pod_that_deviates_is_refused(agent: Agent, pod: Object, name: str) -> None:
    path, value, why = DEVIATIONS[name]
    if name == "second container":
        pod["spec"]["containers"].append({**pod["spec"]["containers"][0], **SIDECAR})
    elif path == "spec.initContainers":
        pod["spec"]["initContainers"] = [{**pod["spec"]["containers"][0], **SIDECAR}]
        del pod["spec"]["initContainers"][0]["readinessProbe"]
    else:
        pod = changed(pod, path, value)
    for api in (agent.admin, agent.controller):
        refused(agent.dry_run(pod, api), why)


def test_an_added_variable_is_refused(agent: Agent, pod: Object) -> None:
    pod["spec"]["containers"][0]["env"].append({"name": "LD_PRELOAD", "value": "/tmp/x.so"})
    refused(agent.dry_run(pod), ENV)


def test_the_order_of_variables_counts_because_one_may_use_another(
    agent: Agent, pod: Object
) -> None:
    pod["spec"]["containers"][0]["env"].reverse()
    refused(agent.dry_run(pod), ENV)


def test_an_added_volume_is_refused_even_when_nothing_mounts_it(agent: Agent, pod: Object) -> None:
    pod["spec"]["volumes"].append({"name": "more", "emptyDir": {}})
    refused(agent.dry_run(pod), VOLUMES)


def test_a_pod_of_one_revision_under_the_label_of_another_is_refused(
    agent: Agent, pod: Object
) -> None:
    refused(agent.dry_run(changed(pod, REVISION, agent.revision("new"))), "an image is not")


def test_a_privileged_pod_is_stopped_by_pod_security(agent: Agent, pod: Object) -> None:
    refused(agent.dry_run(changed(pod, "spec.hostNetwork", True)), "hostNetwork")


@pytest.fixture(scope="module")
def running(admin: Api, controller: Api) -> Agent:
    """An agent with one stored pod, which its last tests quarantine and leave without admission."""
    agent = agents.make("running", admin, controller)
    answer = admin.post(agent.path("Pod"), changed(agent.pod(), "metadata.name", "one"))
    assert answer.ok, answer.message
    return agent


def patch(agent: Agent, body: Object, subresource: str = "") -> Answer:
    return agent.admin.patch(agent.path("Pod", "one") + subresource, body, STRATEGIC)


def test_the_image_of_a_running_pod_never_changes(running: Agent) -> None:
    body = {"spec": {"containers": [{"name": "agent", "image": OTHER}]}}
    refused(patch(running, body), "never changes")


def test_not_even_to_the_image_of_another_admitted_revision(running: Agent) -> None:
    image = running.pod("new")["spec"]["containers"][0]["image"]
    body = {"spec": {"containers": [{"name": "agent", "image": image}]}}
    refused(patch(running, body), "never changes")


def test_no_debug_container_gets_in(running: Agent) -> None:
    debug = {
        "name": "debug",
        "image": OTHER,
        "securityContext": running.pod()["spec"]["containers"][0]["securityContext"],
    }
    body = {"spec": {"ephemeralContainers": [debug]}}
    refused(patch(running, body, "/ephemeralcontainers"), "never changes")


def test_no_resize_in_place(running: Agent) -> None:
    # Of a pod without a node, as a kwok node cannot resize and would be the one who refuses.
    waiting = changed(running.pod(), "metadata.name", "waiting")
    waiting["spec"]["nodeSelector"] = {"no": "where"}
    assert running.admin.post(running.path("Pod"), waiting).ok
    cpu = {"requests": {"cpu": "50m"}, "limits": {"cpu": "50m"}}
    body = {"spec": {"containers": [{"name": "agent", "resources": cpu}]}}
    path = running.path("Pod", "waiting") + "/resize"
    refused(running.admin.patch(path, body, STRATEGIC), "never changes")


@pytest.mark.parametrize("subresource", ["", "/status"])
@pytest.mark.parametrize("label", [REVISION[-1], AGENT[-1]])
def test_a_pod_is_never_relabelled(running: Agent, label: str, subresource: str) -> None:
    for value in (running.revision("new"), None):
        body = {"metadata": {"labels": {label: value}}}
        refused(patch(running, body, subresource), "never change")


def test_other_metadata_and_status_still_move(running: Agent) -> None:
    assert patch(running, {"metadata": {"annotations": {"a": "b"}}}).ok
    assert patch(running, {"status": {"message": "fine"}}, "/status").ok


def test_a_quarantine_starts_nothing_and_lets_everything_end(running: Agent) -> None:
    assert patch(running, {"metadata": {"finalizers": ["example.com/evidence"]}}).ok
    running.admit(running.entry("old"), running.entry("new"), quarantined=True)
    refused(running.dry_run(running.pod()), "quarantined")
    pod = running.path("Pod", "one")
    assert running.admin.delete(pod, gracePeriodSeconds="0").ok
    assert patch(running, {"metadata": {"finalizers": None}}).ok
    until(lambda: running.admin.get(pod).code == 404, "the pod gone")


def test_without_an_admission_nothing_is_admitted(running: Agent) -> None:
    assert running.controller.delete(running.path("AgentAdmission", "current")).ok
    until(lambda: not running.dry_run(running.pod()).ok, "the missing admission noticed")
    refused(running.dry_run(running.pod()), "no params found")


def test_a_namespace_that_is_no_agents_is_left_alone(admin: Api) -> None:
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "theirs"}}
    pod["spec"] = {"containers": [{"name": "x", "image": "registry.example/x"}]}
    answer = admin.post("/api/v1/namespaces/default/pods", pod, dryRun="All")
    assert answer.ok, answer.message
