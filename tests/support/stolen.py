"""A stolen token with every right that RBAC can give: what it cannot do is the policies' work."""

from collections.abc import Iterator

import pytest

from interlock.api import names
from support.documents import Object
from support.kube import Api, until

RBAC = "/apis/rbac.authorization.k8s.io/v1"

# Kinds that neither account may write: path with a namespace left open, and a body.
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
    "daemon set": (
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


@pytest.fixture(scope="module", autouse=True)
def all_verbs(admin: Api) -> Iterator[None]:
    """Both accounts are cluster-admin while a module's tests run."""
    subjects = [
        {"kind": "ServiceAccount", "name": name, "namespace": names.SYSTEM_NAMESPACE}
        for name in (names.CONTROLLER_ACCOUNT, names.SYNCER_ACCOUNT)
    ]
    group = "rbac.authorization.k8s.io"
    body = {
        "apiVersion": f"{group}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "stolen"},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": subjects,
    }
    assert admin.post(f"{RBAC}/clusterrolebindings", body).ok
    until(lambda: _reads_secrets(admin), "the right to everything")
    yield
    assert admin.delete(f"{RBAC}/clusterrolebindings/stolen").ok
    until(lambda: not _reads_secrets(admin), "the right to everything gone")


def _reads_secrets(admin: Api) -> bool:
    return admin.named(names.SYNCER_USER).get("/api/v1/namespaces/default/secrets").ok
