"""An agent's traffic is moved by the controller alone, and only to what was admitted (I2)."""

from collections.abc import Callable
from typing import Any

import pytest

from interlock.actions.drift import PEOPLES_ROLES
from interlock.api.names import ANNOTATION_EMERGENCY, LABEL_AGENT, LABEL_REVISION
from interlock.render.namespace import pointer_service
from support import agents
from support.agents import Agent
from support.documents import Object, changed
from support.kube import JSON_PATCH, Answer, Api, until

RBAC = "/apis/rbac.authorization.k8s.io/v1"
REASON = {ANNOTATION_EMERGENCY: "controller down, rejects up"}
ALONE, ONLY = "are written by Interlock alone", "only the revision in its selector moves"
SLICES = "/apis/discovery.k8s.io/v1/namespaces/{}/endpointslices"
ENDPOINTS = "/api/v1/namespaces/{}/endpoints"
PORTS = [{"name": "http", "port": 80, "targetPort": 9999, "protocol": "TCP"}]
APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


@pytest.fixture(scope="module")
def agent(admin: Api, controller: Api) -> Agent:
    made = agents.make("pointer", admin, controller)
    assert made.point("new").ok
    return made


@pytest.fixture(scope="module")
def oncall(agent: Agent) -> Api:
    """Who holds the role `interlock-emergency` in the agent's namespace."""
    return bound(agent, "oncall", "interlock-emergency")


@pytest.fixture(scope="module")
def editor(agent: Agent) -> Api:
    """Who may edit everything in the agent's namespace, by the built-in role."""
    return bound(agent, "editor", "edit")


def bound(agent: Agent, user: str, role: str) -> Api:
    subject = {"kind": "User", "name": user, "apiGroup": "rbac.authorization.k8s.io"}
    body = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": user},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": role,
        },
        "subjects": [subject],
    }
    path = f"{RBAC}/namespaces/{agent.home}/rolebindings"
    if role not in PEOPLES_ROLES:  # such a role can be held in the whole cluster only
        path, body["kind"] = f"{RBAC}/clusterrolebindings", "ClusterRoleBinding"
    answer = agent.admin.post(path, body)
    assert answer.ok or answer.code == 409, answer.message
    api = agent.admin.named(user)
    until(lambda: api.get(agent.path("Service", "agent")).ok, "the role in force")
    return api


@pytest.fixture(autouse=True)
def back_to_new(agent: Agent) -> None:
    """Each test begins with traffic on `new` and no emergency on record."""
    patch = {"metadata": {"annotations": {ANNOTATION_EMERGENCY: None}}}
    assert agent.controller.patch(agent.path("Service", "agent"), patch).ok
    assert agent.point("new").ok


def refused(answer: Answer, why: str) -> None:
    assert answer.code in (403, 422), answer.body
    assert why in answer.message


def patch(agent: Agent, body: object, api: Api | None = None, **query: str) -> Answer:
    return (api or agent.admin).patch(agent.path("Service", "agent"), body, **query)


def test_the_controller_moves_traffic_between_admitted_revisions_and_none(agent: Agent) -> None:
    for version in ("old", "none", "new"):
        assert agent.point(version).ok
    assert agent.serving() == agent.revision("new")


def test_the_controllers_own_json_patch_passes(agent: Agent) -> None:
    path = "/spec/selector/" + LABEL_REVISION.replace("/", "~1")
    steps = [
        {"op": "test", "path": path, "value": agent.revision("new")},
        {"op": "replace", "path": path, "value": agent.revision("old")},
    ]
    assert agent.controller.patch(agent.path("Service", "agent"), steps, JSON_PATCH).ok


def test_cluster_admin_is_refused(agent: Agent) -> None:
    refused(agent.point("old", agent.admin), ALONE)
    assert agent.serving() == agent.revision("new")


def test_who_may_edit_the_namespace_is_refused(agent: Agent, editor: Api) -> None:
    refused(agent.point("old", editor), ALONE)
    refused(agent.point("old", editor, annotations=REASON), ALONE)


CHANGES: dict[str, Object] = {
    "ports": {"ports": PORTS},
    "affinity": {"sessionAffinity": "ClientIP"},
    "unready pods": {"publishNotReadyAddresses": True},
    "local traffic": {"internalTrafficPolicy": "Local"},
    "third label": {"selector": {"app": "other"}},
    "agent": {"selector": {LABEL_AGENT: "other"}},
    "node port": {"type": "NodePort"},
    "external name": {"type": "ExternalName", "externalName": "evil.example"},
    "external address": {"externalIPs": ["192.0.2.1"]},
}


@pytest.mark.parametrize("name", CHANGES)
def test_the_rest_of_the_service_is_locked_for_everyone(agent: Agent, name: str) -> None:
    refused(patch(agent, {"spec": CHANGES[name]}), ALONE)
    body = {"spec": CHANGES[name], "metadata": {"annotations": REASON}}
    assert not patch(agent, body).ok
    assert not patch(agent, {"spec": CHANGES[name]}, agent.controller).ok


def test_of_the_pointer_only_the_revision_moves(agent: Agent) -> None:
    for name in ("ports", "affinity", "unready pods", "agent"):
        refused(patch(agent, {"spec": CHANGES[name]}, agent.controller), ONLY)
    refused(patch(agent, {"spec": CHANGES["third label"]}, agent.controller), "nothing else")
    gone = {"spec": {"selector": {LABEL_AGENT: None}}}
    refused(patch(agent, gone, agent.controller), "nothing else")
    for name in ("node port", "external address"):
        refused(patch(agent, {"spec": CHANGES[name]}, agent.controller), "is a ClusterIP")


def test_the_pointer_is_not_deleted_and_made_anew(agent: Agent) -> None:
    refused(agent.admin.delete(agent.path("Service", "agent")), ALONE)
    refused(agent.admin.delete(agent.path("Service")), ALONE)


@pytest.mark.parametrize("revision", ["old", "pointer-0000000000"])
def test_the_pointer_begins_at_none(agent: Agent, revision: str) -> None:
    service = pointer_service(agents.TEAM, agent.name)
    to = agent.revision("old") if revision == "old" else revision
    service["spec"]["selector"][LABEL_REVISION] = to
    answer = agent.controller.post(agent.path("Service"), service, dryRun="All")
    refused(answer, "begins at revision none")


def test_no_second_service_leads_to_the_same_pods(agent: Agent, editor: Api) -> None:
    service = changed(pointer_service(agents.TEAM, agent.name), "metadata.name", "side-door")
    for api in (agent.admin, editor):
        refused(api.post(agent.path("Service"), service), ALONE)
    exposed = changed(service, "spec.type", "LoadBalancer")
    refused(agent.controller.post(agent.path("Service"), exposed), "is a ClusterIP")


def test_the_preview_is_the_controllers_too(agent: Agent) -> None:
    path = agent.path("Service", "preview")
    body = {"spec": {"selector": {LABEL_REVISION: agent.revision("new")}}}
    refused(agent.admin.patch(path, body), ALONE)
    assert agent.controller.patch(path, body).ok


def test_not_even_the_controller_points_at_what_was_not_admitted(agent: Agent) -> None:
    body = {"spec": {"selector": {LABEL_REVISION: "pointer-0000000000"}}}
    refused(patch(agent, body, agent.controller), "is not admitted")


# --- the emergency write


def test_an_emergency_move_to_an_eligible_revision_passes(agent: Agent, oncall: Api) -> None:
    answer = agent.point("old", oncall, annotations=REASON)
    assert answer.ok, answer.message
    assert agent.serving() == agent.revision("old")


def test_cluster_admin_may_as_well_but_must_say_why(agent: Agent) -> None:
    refused(agent.point("old", agent.admin, annotations={ANNOTATION_EMERGENCY: " "}), ALONE)
    assert agent.point("old", agent.admin, annotations=REASON).ok


def test_an_emergency_without_a_reason_is_refused(agent: Agent, oncall: Api) -> None:
    refused(agent.point("old", oncall), ALONE)
    refused(agent.point("old", oncall, annotations={ANNOTATION_EMERGENCY: ""}), ALONE)


def test_the_reason_of_the_last_emergency_does_not_count_twice(agent: Agent, oncall: Api) -> None:
    assert agent.point("old", oncall, annotations=REASON).ok
    assert agent.point("new").ok
    refused(agent.point("old", oncall, annotations=REASON), ALONE)
    refused(agent.point("old", oncall), ALONE)
    assert agent.point("old", oncall, annotations={ANNOTATION_EMERGENCY: "again"}).ok


def test_an_emergency_does_not_go_to_a_revision_that_is_not_eligible(
    agent: Agent, oncall: Api
) -> None:
    assert agent.point("old").ok
    for to in ("new", "none"):
        refused(agent.point(to, oncall, annotations=REASON), "only to an eligible revision")


def test_an_emergency_does_not_go_to_a_revision_that_nobody_admitted(
    agent: Agent, oncall: Api
) -> None:
    selector = {LABEL_REVISION: "pointer-0000000000"}
    body = {"spec": {"selector": selector}, "metadata": {"annotations": REASON}}
    refused(patch(agent, body, oncall), "is not admitted")


EXTRAS: dict[str, Callable[[Object], Any]] = {
    "ports": lambda body: body["spec"].update(ports=PORTS),
    "the other label": lambda body: body["spec"]["selector"].update({LABEL_AGENT: "other"}),
    "a label": lambda body: body["metadata"].update(labels={"a": "b"}),
    "an annotation": lambda body: body["metadata"]["annotations"].update(a="b"),
    "a finalizer": lambda body: body["metadata"].update(finalizers=["example.com/stay"]),
    "an owner": lambda body: body["metadata"].update(
        ownerReferences=[{"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "x"}]
    ),
}


@pytest.mark.parametrize("extra", EXTRAS)
def test_an_emergency_changes_nothing_else(agent: Agent, oncall: Api, extra: str) -> None:
    body: Object = {
        "spec": {"selector": {LABEL_REVISION: agent.revision("old")}},
        "metadata": {"annotations": dict(REASON)},
    }
    EXTRAS[extra](body)
    answer = patch(agent, body, oncall)
    assert not answer.ok
    assert ALONE in answer.message or ONLY in answer.message


def test_an_emergency_that_moves_nothing_is_none(agent: Agent, oncall: Api) -> None:
    refused(patch(agent, {"metadata": {"annotations": REASON}}, oncall), ALONE)


def test_an_emergency_removes_no_annotation(agent: Agent, oncall: Api) -> None:
    assert patch(agent, {"metadata": {"annotations": {"kept": "x"}}}, agent.controller).ok
    body = {
        "spec": {"selector": {LABEL_REVISION: agent.revision("old")}},
        "metadata": {"annotations": {**REASON, "kept": None}},
    }
    refused(patch(agent, body, oncall), ALONE)


def test_an_emergency_is_about_the_pointer_alone(agent: Agent, oncall: Api) -> None:
    path = agent.path("Service", "preview")
    now = agent.admin.get(path).body["spec"]["selector"][LABEL_REVISION]
    to = agent.revision("old") if now != agent.revision("old") else agent.revision("new")
    selector = {LABEL_REVISION: to}
    body = {"spec": {"selector": selector}, "metadata": {"annotations": REASON}}
    assert oncall.patch(path, body).code == 403
    refused(agent.admin.patch(path, body), ALONE)


# --- endpoints


def endpoint_slice(agent: Agent) -> Object:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "forged", "labels": {"kubernetes.io/service-name": "agent"}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["192.0.2.1"]}],
        "ports": [{"name": "http", "port": 80}],
    }


@pytest.mark.parametrize("who", ["admin", "controller"])
def test_nobody_writes_endpoints_by_hand(agent: Agent, who: str) -> None:
    api: Api = getattr(agent, who)
    answer = api.post(SLICES.format(agent.home), endpoint_slice(agent))
    assert answer.code in (403, 422)
    endpoints = {"apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": "agent"}}
    assert api.post(ENDPOINTS.format(agent.home), endpoints).code in (403, 422)
    if who == "admin":
        assert "computed by the controller manager" in answer.message


def test_nobody_changes_or_removes_them(agent: Agent) -> None:
    listing = SLICES.format(agent.home)
    until(lambda: agent.admin.get(listing).body["items"], "the slice of the pointer")
    name = agent.admin.get(listing).body["items"][0]["metadata"]["name"]
    body = {"endpoints": [{"addresses": ["192.0.2.1"]}]}
    why = "computed by the controller manager"
    refused(agent.admin.patch(f"{listing}/{name}", body), why)
    refused(agent.admin.delete(f"{listing}/{name}"), why)


def test_the_controller_manager_computes_them(agent: Agent) -> None:
    assert agent.point("old").ok
    pod = changed(agent.pod(), "metadata.name", "served")
    assert agent.admin.post(agent.path("Pod"), pod).ok

    def served() -> bool:
        slices = agent.admin.get(SLICES.format(agent.home)).body["items"]
        return any(
            one["targetRef"]["name"] == "served"
            for entry in slices
            for one in entry.get("endpoints") or []
        )

    until(served, "an endpoint for the pod")


# --- quarantine, and the end


def test_in_a_quarantine_the_pointer_goes_to_none_only(admin: Api, controller: Api) -> None:
    agent = agents.make("isolated", admin, controller)
    assert agent.point("new").ok
    agent.admit(agent.entry("old"), agent.entry("new"), quarantined=True)
    until(lambda: not agent.point("old").ok, "the quarantine noticed")
    refused(agent.point("old"), "is quarantined")
    refused(agent.point("old", agent.admin, annotations=REASON), "is quarantined")
    assert agent.point("none").ok


def test_without_an_admission_the_pointer_does_not_move(admin: Api, controller: Api) -> None:
    agent = agents.make("orphan", admin, controller)
    assert controller.delete(agent.path("AgentAdmission", "current")).ok
    until(
        lambda: not agent.point("none", annotations={"a": "b"}).ok, "the missing admission noticed"
    )
    refused(agent.point("old"), "no params found")


def test_when_the_namespace_goes_everything_in_it_goes(admin: Api, controller: Api) -> None:
    agent = agents.make("leaving", admin, controller)
    assert agent.point("old").ok
    pod = changed(agent.pod(), "metadata.name", "one")
    assert admin.post(agent.path("Pod"), pod).ok
    assert controller.delete(f"/api/v1/namespaces/{agent.home}").ok
    gone = f"/api/v1/namespaces/{agent.home}"
    until(lambda: admin.get(gone).code == 404, "the namespace gone", 60)
