"""A stolen token of Interlock's is worth little, and an agent's namespace cannot be opened (I12)."""

from typing import Any

import pytest
from support import agents
from support.agents import Agent
from support.documents import BASES, Object, changed
from support.kube import APPLY, OURS, Answer, Api, until

from interlock.api.names import LABEL_MANAGED, LABEL_SYNCED_BY
from interlock.render.namespace import namespace_objects

NAMESPACES = "/api/v1/namespaces"
MAY_NOT = "the controller may not"
LOCKED = "belong to Interlock"
PSA = "pod-security.kubernetes.io/enforce"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
AGENT_DEPLOYMENTS = f"{OURS}/namespaces/default/agentdeployments"
CONFIG: Object = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "mes-1f09c2", "labels": {LABEL_SYNCED_BY: "agents"}},
    "immutable": True,
    "data": {"schema.json": "{}"},
}


@pytest.fixture(scope="module")
def agent(admin: Api, controller: Api) -> Agent:
    return agents.make("limits", admin, controller)


@pytest.fixture(scope="module", autouse=True)
def all_verbs(admin: Api) -> None:
    """Both accounts get every right that RBAC can give: what remains is the policies' work."""
    subjects = [
        {"kind": "ServiceAccount", "name": name, "namespace": "interlock-system"}
        for name in ("interlock-controller", "interlock-syncer")
    ]
    body = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "stolen"},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": "cluster-admin",
        },
        "subjects": subjects,
    }
    assert admin.post(f"{RBAC}/clusterrolebindings", body).code in (201, 409)


@pytest.fixture(scope="module", autouse=True)
def _no_longer(admin: Api, all_verbs: None) -> Any:
    yield
    admin.delete(f"{RBAC}/clusterrolebindings/stolen")


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
    made |= {"Pod": agent.pod(), "Service": made["Service"]}
    body = changed(made[kind], "metadata.namespace", where)
    answer = agent.controller.post(agents.collection(body), body, dryRun="All")
    refused(answer, f"{MAY_NOT} CREATE")
    assert where in answer.message


def test_a_label_alone_makes_no_agents_namespace(admin: Api, controller: Api) -> None:
    """Nobody can give it, see below; if somebody could, the prefix is still missing."""
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "captured"}}
    body["metadata"]["labels"] = {LABEL_MANAGED: "true", PSA: "restricted", f"{PSA}-version": "v1"}
    refused(admin.post(NAMESPACES, body), LOCKED)
    refused(controller.post(NAMESPACES, body), MAY_NOT)


FOREIGN: dict[str, tuple[str, Object]] = {
    "secret": (
        "/api/v1/namespaces/{}/secrets",
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x"}},
    ),
    "role": (
        RBAC + "/namespaces/{}/roles",
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "Role",
            "metadata": {"name": "x"},
            "rules": [],
        },
    ),
    "job": (
        "/apis/apps/v1/namespaces/{}/daemonsets",
        {
            "apiVersion": "apps/v1",
            "kind": "DaemonSet",
            "metadata": {"name": "x"},
            "spec": {
                "selector": {"matchLabels": {"a": "b"}},
                "template": {
                    "metadata": {"labels": {"a": "b"}},
                    "spec": {"containers": [{"name": "x", "image": "x.example/x"}]},
                },
            },
        },
    ),
    "token": (
        "/api/v1/namespaces/{}/serviceaccounts/default/token",
        {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest"},
    ),
    "lease": (
        "/apis/coordination.k8s.io/v1/namespaces/{}/leases",
        {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": "x"},
        },
    ),
}


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
    answer = agent.controller.post(f"{agent.path('Pod', 'one')}/exec?command=sh&stdout=true&x", {})
    assert answer.code in (400, 403)
    assert MAY_NOT in answer.message


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
    refused(controller.patch(wish, patch), MAY_NOT)


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
    labels = {"metadata": {"labels": namespace()["metadata"]["labels"]}}
    refused(agent.controller.patch(f"{NAMESPACES}/default", labels), MAY_NOT)
    squatted = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "agent-squatted"}}
    assert agent.admin.post(NAMESPACES, squatted).code in (201, 409)
    refused(agent.controller.patch(f"{NAMESPACES}/agent-squatted", labels), MAY_NOT)
    refused(agent.controller.delete(f"{NAMESPACES}/agent-squatted"), MAY_NOT)
    refused(agent.controller.delete(f"{NAMESPACES}/kube-public"), MAY_NOT)


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
def test_nobody_unlocks_an_agents_namespace(
    agent: Agent, labels: Object, subresource: str
) -> None:
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


# --- the syncer


def applied(syncer: Api, path: str, body: Object) -> Answer:
    return syncer.patch(path, body, APPLY, fieldManager="interlock-sync", force="true")


def test_the_syncer_delivers_and_prunes(syncer: Api) -> None:
    wish = changed(BASES["AgentDeployment"], "metadata.name", "synced")
    for path, body in (
        (f"{AGENT_DEPLOYMENTS}/synced", wish),
        (f"{NAMESPACES}/default/configmaps/mes-1f09c2", CONFIG),
    ):
        for _ in range(2):
            answer = applied(syncer, path, body)
            assert answer.ok, answer.message
        assert syncer.delete(path).ok


@pytest.mark.parametrize(
    "case",
    ["mutable", "of nobody", "in Interlock's namespace", "in kube-system", "in an agent's"],
)
def test_the_syncer_writes_only_its_own_kind_of_config_map(
    agent: Agent, syncer: Api, case: str
) -> None:
    where = {
        "in Interlock's namespace": "interlock-system",
        "in kube-system": "kube-system",
        "in an agent's": agent.home,
    }.get(case, "default")
    body = CONFIG
    if case == "mutable":
        body = changed(CONFIG, "immutable", False)
    if case == "of nobody":
        body = changed(CONFIG, "metadata.labels", {})
    refused(syncer.post(f"{NAMESPACES}/{where}/configmaps", body), "the syncer may not")


def test_the_syncer_touches_no_config_map_of_others(syncer: Api) -> None:
    path = f"{NAMESPACES}/default/configmaps/kube-root-ca.crt"
    refused(syncer.delete(path), "the syncer may not")
    take_over = {"metadata": {"labels": {LABEL_SYNCED_BY: "agents"}}, "immutable": True}
    refused(syncer.patch(path, take_over), "the syncer may not")


def test_the_syncer_does_not_lift_a_finalizer(controller: Api, syncer: Api, wish: str) -> None:
    hold = {"metadata": {"finalizers": ["interlock.dev/finalizer"]}}
    assert controller.patch(wish, hold).ok
    refused(syncer.patch(wish, {"metadata": {"finalizers": None}}), "the syncer may not")
    assert syncer.patch(wish, {"spec": {"replicas": 2}}).ok
    assert controller.patch(wish, {"metadata": {"finalizers": None}}).ok


@pytest.mark.parametrize("what", FOREIGN)
def test_the_syncer_writes_a_fixed_list_of_kinds(syncer: Api, what: str) -> None:
    path, body = FOREIGN[what]
    refused(syncer.post(path.format("default"), body), "the syncer may not")


def test_the_syncer_asks_for_no_rollback_and_moves_no_traffic(agent: Agent, syncer: Api) -> None:
    body = changed(BASES["AgentRollback"], "metadata.name", "synced")
    path = f"{OURS}/namespaces/default/agentrollbacks"
    refused(syncer.post(path, body), "the syncer may not")
    assert not agent.point("old", syncer).ok
    assert not agent.point("old", syncer, **{"interlock.dev/emergency-reason": "x"}).ok


def test_the_syncer_does_not_deliver_into_an_agents_namespace(agent: Agent, syncer: Api) -> None:
    body = changed(BASES["AgentDeployment"], "metadata.namespace", agent.home)
    answer = syncer.post(f"{OURS}/namespaces/{agent.home}/agentdeployments", body)
    refused(answer, "the syncer may not")


def test_an_agents_namespace_is_still_closed_after_all_that(agent: Agent) -> None:
    labels = agent.admin.get(f"{NAMESPACES}/{agent.home}").body["metadata"]["labels"]
    assert labels[LABEL_MANAGED] == "true"
    assert labels[PSA] == "restricted"
    until(lambda: agent.dry_run(agent.pod()).ok, "the admitted pod")
