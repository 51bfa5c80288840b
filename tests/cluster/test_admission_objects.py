"""Nobody but Interlock opens an agent's network or hands out rights in its namespace."""

from typing import Any

import pytest

from interlock.actions.drift import PEOPLES_ROLES
from support import agents
from support.agents import Agent
from support.documents import Object, changed
from support.kube import Answer, Api

RBAC = "/apis/rbac.authorization.k8s.io/v1"
ALONE = "are written by Interlock alone"
OPEN: Object = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "NetworkPolicy",
    "metadata": {"name": "open"},
    "spec": {"podSelector": {}, "egress": [{}], "policyTypes": ["Egress"]},
}
ROLE: Object = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "Role",
    "metadata": {"name": "more"},
    "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}],
}
BINDING: Object = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "RoleBinding",
    "metadata": {"name": "look"},
    "roleRef": {
        "apiGroup": "rbac.authorization.k8s.io",
        "kind": "ClusterRole",
        "name": "interlock-view",
    },
    "subjects": [{"kind": "User", "name": "sre-1", "apiGroup": "rbac.authorization.k8s.io"}],
}


@pytest.fixture(scope="module")
def agent(admin: Api, controller: Api) -> Agent:
    made = agents.make("objects", admin, controller)
    made.apply(made.objects("old")[0])
    return made


def refused(answer: Answer) -> None:
    assert answer.code in (403, 422), answer.body
    assert ALONE in answer.message


def test_nobody_else_opens_the_network(agent: Agent) -> None:
    refused(agent.admin.post(agent.path("NetworkPolicy"), OPEN))
    assert agent.controller.post(agent.path("NetworkPolicy"), OPEN, dryRun="All").ok


@pytest.mark.parametrize("name", ["default-deny", "allow-dns"])
def test_nobody_else_changes_or_takes_away_a_policy(agent: Agent, name: str) -> None:
    path = agent.path("NetworkPolicy", name)
    refused(agent.admin.patch(path, {"spec": {"ingress": [{}]}}))
    refused(agent.admin.patch(path, {"metadata": {"labels": {"a": "b"}}}))
    refused(agent.admin.delete(path))
    refused(agent.admin.delete(agent.path("NetworkPolicy")))


def test_nobody_makes_a_role(agent: Agent) -> None:
    refused(agent.admin.post(f"{RBAC}/namespaces/{agent.home}/roles", ROLE))


@pytest.mark.parametrize("role", sorted(PEOPLES_ROLES))
@pytest.mark.parametrize("kind", ["User", "Group"])
def test_people_are_bound_to_look_and_for_an_emergency(agent: Agent, role: str, kind: str) -> None:
    body = changed(changed(BINDING, "roleRef.name", role), "subjects.0.kind", kind)
    answer = agent.admin.post(_bindings(agent), body, dryRun="All")
    assert answer.ok, answer.message


ACCOUNT = {"kind": "ServiceAccount", "name": "agent", "namespace": "x"}
DEVIATIONS: dict[str, tuple[Any, Any]] = {
    "edit": ("roleRef.name", "edit"),
    "cluster-admin": ("roleRef.name", "cluster-admin"),
    "the controller's rights": ("roleRef.name", "interlock-controller"),
    "a Role": ("roleRef.kind", "Role"),
    "an account": ("subjects", [ACCOUNT]),
    "an account beside a person": ("subjects", [BINDING["subjects"][0], ACCOUNT]),
    "an account as a user": ("subjects.0.name", "system:serviceaccount:x:agent"),
    "everybody": (
        "subjects",
        [{"kind": "Group", "name": "system:authenticated", "apiGroup": RBAC.split("/")[2]}],
    ),
}


@pytest.mark.parametrize("what", DEVIATIONS)
def test_nobody_is_bound_to_more(agent: Agent, what: str) -> None:
    field, value = DEVIATIONS[what]
    refused(agent.admin.post(_bindings(agent), changed(BINDING, field, value), dryRun="All"))


def test_a_binding_that_passed_does_not_grow(agent: Agent) -> None:
    assert agent.admin.post(_bindings(agent), BINDING).ok
    path = f"{_bindings(agent)}/look"
    refused(agent.admin.patch(path, {"subjects": [ACCOUNT]}))
    assert agent.admin.delete(path).ok


def test_tools_policies_and_evidence_are_ours_and_other_config_maps_are_not(agent: Agent) -> None:
    path = agent.path("ConfigMap", "tools")
    refused(agent.admin.patch(path, {"metadata": {"labels": {"a": "b"}}}))
    refused(agent.admin.delete(path))
    body = {"metadata": {"name": "x", "labels": {"interlock.dev/managed": "true"}}}
    refused(agent.admin.post(agent.path("ConfigMap"), body))
    assert agent.admin.post(agent.path("ConfigMap"), {"metadata": {"name": "x"}}, dryRun="All").ok
    assert agent.admin.get(agent.path("ConfigMap", "kube-root-ca.crt")).ok


def test_other_namespaces_are_everybodys(admin: Api) -> None:
    path = "/apis/networking.k8s.io/v1/namespaces/default/networkpolicies"
    assert admin.post(path, OPEN, dryRun="All").ok
    assert admin.post(f"{RBAC}/namespaces/default/roles", ROLE, dryRun="All").ok


def test_the_controller_takes_a_binding_away_and_makes_none(agent: Agent) -> None:
    assert agent.admin.post(_bindings(agent), BINDING).ok
    assert agent.controller.delete(f"{_bindings(agent)}/look").ok
    answer = agent.controller.post(_bindings(agent), BINDING)
    assert answer.code == 403
    elsewhere = f"{RBAC}/namespaces/default/rolebindings"
    assert agent.admin.post(elsewhere, BINDING).ok
    answer = agent.controller.delete(f"{elsewhere}/look")
    assert agent.admin.delete(f"{elsewhere}/look").ok
    assert "the controller may not DELETE" in answer.message


def _bindings(agent: Agent) -> str:
    return f"{RBAC}/namespaces/{agent.home}/rolebindings"
