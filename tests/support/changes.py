"""What an administrator can do to an agent's namespace with the policies off, as a table."""

from collections.abc import Callable
from typing import Any

from support.engine import Agent, Pair
from support.kube import JSON_PATCH, MERGE_PATCH

Object = dict[str, Any]
Change = Callable[[Agent, Pair], None]
STRATEGIC = "application/strategic-merge-patch+json"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
OTHER = "x.example/y@sha256:" + "1" * 64


def patched(kind: str, name: str, body: object, how: str = MERGE_PATCH) -> Change:
    """An administrator patches an object; `{new}` in the name is the serving revision."""

    def change(agent: Agent, pair: Pair) -> None:
        place = agent.place(kind, name.format(new=agent.revision(pair.new)))
        if kind == "Namespace":
            place = f"/api/v1/namespaces/{agent.home}"
        answer = agent.api.patch(place, body, how, fieldManager="kubectl-edit")
        assert answer.ok, answer.message

    return change


def added(path: str, body: Object) -> Change:
    """An administrator creates an object in the agent's namespace."""

    def change(agent: Agent, pair: Pair) -> None:
        answer = agent.api.post(path.format(agent.home), body, fieldManager="kubectl-create")
        assert answer.ok, answer.message

    return change


def removed(kind: str, name: str) -> Change:
    """An administrator deletes an object."""

    def change(agent: Agent, pair: Pair) -> None:
        place = agent.place(kind, name.format(new=agent.revision(pair.new)))
        if kind == "ServiceAccount":
            place = f"/api/v1/namespaces/{agent.home}/serviceaccounts/{name}"
        assert agent.api.delete(place).ok

    return change


def container(**fields: Any) -> Object:
    """A strategic patch of the agent's container in its Deployment."""
    return {"spec": {"template": {"spec": {"containers": [{"name": "agent"} | fields]}}}}


def sidecar(name: str = "spy") -> Object:
    """A strategic patch that adds a container."""
    image = "registry.example/spy@sha256:" + "0" * 64
    return {"spec": {"template": {"spec": {"containers": [{"name": name, "image": image}]}}}}


def meta(**fields: Any) -> Object:
    """A merge patch of metadata."""
    return {"metadata": fields}


def binding(role: str, **subject: str) -> Object:
    """A RoleBinding `more`."""
    subject = {"kind": "User", "name": "mallory"} | subject
    return {
        "metadata": {"name": "more"},
        "roleRef": {"apiGroup": RBAC.split("/")[2], "kind": "ClusterRole", "name": role},
        "subjects": [subject],
    }


ANY: list[Object] = [{}]
SECRET_ENV = {"name": "X", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}
WIDE = {"metadata": {"name": "wide"}, "spec": {"podSelector": {}, "egress": ANY}}
SECURITY = "/spec/template/spec/containers/0/securityContext"
CHANGES: dict[str, tuple[Change, str]] = {
    "another image": (
        patched("Deployment", "{new}", container(image=OTHER), STRATEGIC),
        "spec.template.spec.containers[0].image was changed",
    ),
    "another container": (
        patched("Deployment", "{new}", sidecar(), STRATEGIC),
        "spec.template.spec.containers[",
    ),
    "another variable": (
        patched("Deployment", "{new}", container(env=[{"name": "A", "value": "b"}]), STRATEGIC),
        "env[",
    ),
    "a variable from a secret": (
        patched("Deployment", "{new}", container(env=[SECRET_ENV]), STRATEGIC),
        "env[",
    ),
    "no read-only root": (
        patched(
            "Deployment",
            "{new}",
            [{"op": "remove", "path": f"{SECURITY}/readOnlyRootFilesystem"}],
            JSON_PATCH,
        ),
        "readOnlyRootFilesystem is missing",
    ),
    "a paused Deployment": (
        patched("Deployment", "{new}", {"spec": {"paused": True}}),
        "spec.paused was added",
    ),
    "a restart": (
        patched(
            "Deployment",
            "{new}",
            {"spec": {"template": {"metadata": {"annotations": {"restartedAt": "now"}}}}},
        ),
        "spec.template.metadata",
    ),
    "a label of a Deployment": (
        patched("Deployment", "{new}", meta(labels={"team": "x"})),
        "metadata.labels.team was added",
    ),
    "an egress rule more": (
        patched("NetworkPolicy", "{new}-egress-0", {"spec": {"egress": ANY}}),
        "NetworkPolicy/one-",
    ),
    "a peer that is any namespace": (
        patched(
            "NetworkPolicy",
            "{new}-egress-0",
            [{"op": "replace", "path": "/spec/egress/0/to/0/namespaceSelector", "value": {}}],
            JSON_PATCH,
        ),
        "namespaceSelector.matchLabels is missing",
    ),
    "default-deny lets in": (
        patched("NetworkPolicy", "default-deny", {"spec": {"ingress": ANY}}),
        "spec.ingress was added",
    ),
    "default-deny is of ingress alone": (
        patched("NetworkPolicy", "default-deny", {"spec": {"policyTypes": ["Ingress"]}}),
        "spec.policyTypes[1] is missing",
    ),
    "no default-deny": (
        removed("NetworkPolicy", "default-deny"),
        "NetworkPolicy/default-deny: is missing",
    ),
    "no policy of an edge": (removed("NetworkPolicy", "{new}-egress-0"), "is missing"),
    "a policy that nobody rendered": (
        added("/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies", WIDE),
        "NetworkPolicy/wide: nobody rendered it",
    ),
    "a role for somebody": (
        added(RBAC + "/namespaces/{}/rolebindings", binding("edit")),
        "RoleBinding/more: nobody rendered it",
    ),
    "a look for the agent's own account": (
        added(
            RBAC + "/namespaces/{}/rolebindings",
            binding("view", kind="ServiceAccount", name="agent", namespace="default"),
        ),
        "RoleBinding/more: nobody rendered it",
    ),
    "a label of the namespace": (
        patched("Namespace", "", meta(labels={"mesh": "on"})),
        "metadata.labels.mesh was added",
    ),
    "pods unrestricted": (
        patched("Namespace", "", meta(labels={"pod-security.kubernetes.io/warn": "privileged"})),
        "pod-security.kubernetes.io/warn was changed",
    ),
    "a token for the account": (
        patched("ServiceAccount", "agent", {"automountServiceAccountToken": True}),
        "automountServiceAccountToken was changed",
    ),
    "a cloud's role for the account": (
        patched("ServiceAccount", "agent", meta(annotations={"cloud.example/role": "admin"})),
        "metadata.annotations.cloud.example/role was added",
    ),
    "no account": (removed("ServiceAccount", "agent"), "ServiceAccount/agent: is missing"),
    "a larger quota": (
        patched("ResourceQuota", "agent", {"spec": {"hard": {"pods": "1000"}}}),
        "ResourceQuota/agent: spec was written by kubectl-edit",
    ),
    "a quota without a limit": (
        patched("ResourceQuota", "agent", {"spec": {"hard": {"limits.cpu": None}}}),
        "spec.hard.limits.cpu is missing",
    ),
    "no quota": (removed("ResourceQuota", "agent"), "ResourceQuota/agent: is missing"),
    "a port of the preview": (
        patched(
            "Service", "preview", [{"op": "replace", "path": "/spec/ports/0/port", "value": 81}],
            JSON_PATCH,
        ),
        "Service/preview: spec.ports[0].port was changed",
    ),
    "another image admitted": (
        patched(
            "AgentAdmission",
            "current",
            [
                {
                    "op": "replace",
                    "path": "/spec/revisions/0/containers/0/image",
                    "value": "x.example/y@sha256:" + "2" * 64,
                }
            ],
            JSON_PATCH,
        ),
        "AgentAdmission/current: entry one-",
    ),
}  # fmt: skip
