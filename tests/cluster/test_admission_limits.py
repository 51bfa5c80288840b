"""A stolen token of the controller is worth little; an agent's namespace stays closed (I12)."""

from typing import Any

import pytest

from interlock.api.names import LABEL_MANAGED
from interlock.render.namespace import namespace_objects
from support import agents
from support.agents import Agent
from support.documents import BASES, Object, changed
from support.kube import ADMISSION, OURS, Answer, Api, switched_off, until
from support.stolen import FOREIGN, RBAC, all_verbs

NAMESPACES = "/api/v1/namespaces"
MAY_NOT = "the controller may not"
LOCKED = "belong to Interlock"
__all__ = ["all_verbs"]  # a fixture that every test here uses
PSA = "pod-security.kubernetes.io/enforce"
AGENT_DEPLOYMENTS = f"{OURS}/namespaces/default/agentdeployments"


@pytest.fixture(scope="module")
def agent(admin: Api, controller: Api) -> Agent:
    return agents.make("limits", admin, controller)


def refused(answer: Answer, why: str) -> None:
    assert answer.code in (403, 422), answer.body
    assert why in answer.message


def namespace(team: str = "limits", name: str = "made") -> Object:
    return namespace_objects(team, name, "uid")[0]


# --- the controller


@pytest.mark.parametrize("where", ["default", "kube-system", "interlock-system"])
@pytest.mark.parametrize(
    "kind", ["Deployment", "Service", "ServiceAccount", "Pod", "NetworkPolicy", "ResourceQuota"]
)
def test_the_controller_writes_in_agents_namespaces_only(
    agent: Agent, kind: str, where: str
) -> None:
    made = {body["kind"]: body for body in namespace_objects("x", "y", "uid")}
    made |= {body["kind"]: body for body in agent.objects("old")}
    made["Pod"] = changed(agent.pod(), "spec.serviceAccountName", "default")
    body = changed(made[kind], "metadata.namespace", where)
    answer = agent.controller.post(agents.collection(body), body, dryRun="All")
    refused(answer, f"{MAY_NOT} CREATE")
    assert where in answer.message


def test_a_label_alone_makes_no_agents_namespace(admin: Api, controller: Api) -> None:
    body = changed(namespace(), "metadata.name", "captured")
    refused(admin.post(NAMESPACES, body), LOCKED)
    refused(controller.post(NAMESPACES, body), MAY_NOT)


def test_a_namespace_captured_before_the_lock_was_there_is_none_either(
    admin: Api, controller: Api
) -> None:
    body = changed(namespace(), "metadata.name", "captured")
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}}
    binding = f"{ADMISSION}/validatingadmissionpolicybindings/interlock-namespaces"
    with switched_off(admin, binding):
        until(lambda: admin.post(NAMESPACES, body).code in (201, 409), "the lock off")
        answer = controller.post(f"{NAMESPACES}/captured/configmaps", config, dryRun="All")
        refused(answer, MAY_NOT)
        admin.delete(f"{NAMESPACES}/captured")
    until(lambda: not admin.post(NAMESPACES, namespace(), dryRun="All").ok, "the lock on again")


def test_nor_does_the_name_alone(admin: Api, controller: Api) -> None:
    squatted = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "agent-squatted"}}
    assert admin.post(NAMESPACES, squatted).code in (201, 409)
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}}
    path = f"{NAMESPACES}/agent-squatted/configmaps"
    refused(controller.post(path, config, dryRun="All"), MAY_NOT)


@pytest.mark.parametrize("what", FOREIGN)
def test_the_controller_writes_a_fixed_list_of_kinds(agent: Agent, what: str) -> None:
    path, body = FOREIGN[what]
    refused(agent.controller.post(path.format(agent.home), body), MAY_NOT)


def test_the_controller_makes_no_pods_but_tries_them(agent: Agent) -> None:
    refused(agent.controller.post(agent.path("Pod"), agent.pod()), MAY_NOT)
    assert agent.dry_run(agent.pod(), agent.controller).ok


def test_the_controller_enters_no_pod(agent: Agent) -> None:
    pod = changed(agent.pod(), "metadata.name", "one")
    assert agent.admin.post(agent.path("Pod"), pod).ok
    answer = agent.controller.post(agent.path("Pod", "one") + "/exec", {}, command="sh", stdout="1")
    refused(answer, f"{MAY_NOT} CONNECT /pods/exec")


def test_the_controller_grants_itself_nothing(controller: Api) -> None:
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "more"},
        "rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}],
    }
    refused(controller.post(f"{RBAC}/clusterroles", role), MAY_NOT)
    refused(controller.delete(f"{RBAC}/clusterroles/view"), MAY_NOT)


def test_the_controller_keeps_house_in_its_own_namespace(controller: Api) -> None:
    home = "interlock-system"
    path, lease = FOREIGN["lease"]
    assert controller.post(path.format(home), lease, dryRun="All").ok
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "policy"}}
    assert controller.post(f"{NAMESPACES}/{home}/configmaps", config, dryRun="All").ok
    refused(controller.post(f"{NAMESPACES}/default/configmaps", config), MAY_NOT)


def test_the_controller_reports_events_where_the_agent_was_declared(controller: Api) -> None:
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "press.1", "namespace": "default"},
        "involvedObject": {
            "kind": "AgentDeployment",
            "name": "press",
            "namespace": "default",
        },
        "reason": "Serving",
        "message": "m",
        "type": "Normal",
    }
    assert controller.post(f"{NAMESPACES}/default/events", event).code in (201, 409)


def test_the_controller_asks_what_it_may(controller: Api) -> None:
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {"verb": "get", "resource": "pods"}},
    }
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    assert controller.post(path, body).ok


@pytest.fixture
def wish(admin: Api) -> str:
    """The path of a stored AgentDeployment."""
    body = changed(BASES["AgentDeployment"], "metadata.name", "limits")
    assert admin.post(AGENT_DEPLOYMENTS, body).code in (201, 409)
    return f"{AGENT_DEPLOYMENTS}/limits"


def test_the_controller_holds_an_agent_deployment_and_lets_it_go(
    controller: Api, wish: str
) -> None:
    for finalizers in (["interlock.dev/finalizer"], []):
        answer = controller.patch(wish, {"metadata": {"finalizers": finalizers}})
        assert answer.ok, answer.message
    assert controller.patch(f"{wish}/status", {"status": {"reason": "x"}}).ok


@pytest.mark.parametrize(
    "patch",
    [
        {"spec": {"replicas": 3}},
        {"spec": {"paused": True}},
        {"metadata": {"labels": {"a": "b"}}},
        {"metadata": {"annotations": {"a": "b"}}},
    ],
    ids=str,
)
def test_the_wish_is_the_teams(controller: Api, wish: str, patch: Object) -> None:
    refused(controller.patch(wish, patch, dryRun="All"), MAY_NOT)


def test_the_controller_neither_makes_nor_deletes_a_wish(controller: Api, wish: str) -> None:
    body = changed(BASES["AgentDeployment"], "metadata.name", "own-wish")
    refused(controller.post(AGENT_DEPLOYMENTS, body), MAY_NOT)
    refused(controller.delete(wish), MAY_NOT)
    request = changed(BASES["AgentRollback"], "metadata.name", "own-request")
    refused(controller.post(f"{OURS}/namespaces/default/agentrollbacks", request), MAY_NOT)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("metadata.name", "line-4"),
        ("metadata.labels", {PSA: "restricted", f"{PSA}-version": "v1.37"}),
        (("metadata", "labels", PSA), "privileged"),
        (("metadata", "labels", PSA), "baseline"),
        (("metadata", "labels", f"{PSA}-version"), "latest"),
    ],
    ids=str,
)
def test_the_controller_makes_closed_namespaces_only(
    controller: Api, path: Any, value: object
) -> None:
    assert controller.post(NAMESPACES, namespace(), dryRun="All").ok
    refused(controller.post(NAMESPACES, changed(namespace(), path, value), dryRun="All"), MAY_NOT)


def test_the_controller_opens_none_and_takes_none_over(agent: Agent) -> None:
    for labels in ({PSA: "privileged"}, {PSA: None}, {LABEL_MANAGED: None}):
        patch = {"metadata": {"labels": labels}}
        refused(agent.controller.patch(f"{NAMESPACES}/{agent.home}", patch), MAY_NOT)
    take = {"metadata": {"labels": namespace()["metadata"]["labels"]}}
    refused(agent.controller.patch(f"{NAMESPACES}/default", take, dryRun="All"), MAY_NOT)
    squatted = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "agent-squatted"}}
    assert agent.admin.post(NAMESPACES, squatted).code in (201, 409)
    refused(agent.controller.patch(f"{NAMESPACES}/agent-squatted", take, dryRun="All"), MAY_NOT)
    refused(agent.controller.delete(f"{NAMESPACES}/agent-squatted", dryRun="All"), MAY_NOT)
    own = f"{NAMESPACES}/interlock-system"
    refused(agent.controller.delete(own, dryRun="All"), MAY_NOT)


# --- the namespace lock


@pytest.mark.parametrize(
    "labels",
    [
        {LABEL_MANAGED: None},
        {LABEL_MANAGED: "false"},
        {PSA: "privileged"},
        {"a": "b"},
    ],
    ids=str,
)
@pytest.mark.parametrize("subresource", ["", "/status", "/finalize"])
def test_nobody_unlocks_an_agents_namespace(agent: Agent, labels: Object, subresource: str) -> None:
    path = f"{NAMESPACES}/{agent.home}"
    body = agent.admin.get(path).body
    for key, value in labels.items():
        body = changed(body, ("metadata", "labels", key), value)
    body["metadata"]["labels"] = {k: v for k, v in body["metadata"]["labels"].items() if v}
    answer = agent.admin.put(path + subresource, body)
    refused(answer, "change only with the namespace itself" if subresource else LOCKED)


def test_nobody_deletes_an_agents_namespace(agent: Agent) -> None:
    refused(agent.admin.delete(f"{NAMESPACES}/{agent.home}"), LOCKED)


def test_nobody_makes_one_or_captures_another(admin: Api) -> None:
    refused(admin.post(NAMESPACES, namespace()), LOCKED)
    patch = {"metadata": {"labels": {LABEL_MANAGED: "true"}}}
    refused(admin.patch(f"{NAMESPACES}/default", patch), LOCKED)


def test_other_namespaces_are_everybodys(admin: Api) -> None:
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "agent-of-others"}}
    assert admin.post(NAMESPACES, body, dryRun="All").ok
    patch = {"metadata": {"labels": {PSA: "baseline"}}}
    assert admin.patch(f"{NAMESPACES}/default", patch, dryRun="All").ok


def test_an_agents_namespace_is_still_closed_after_all_that(agent: Agent) -> None:
    labels = agent.admin.get(f"{NAMESPACES}/{agent.home}").body["metadata"]["labels"]
    assert labels[LABEL_MANAGED] == "true"
    assert labels[PSA] == "restricted"
    until(lambda: agent.dry_run(agent.pod()).ok, "the admitted pod")
