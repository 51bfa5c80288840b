"""Each identity has the rights it needs and no other."""

from typing import Any

import pytest

from interlock.api import names
from support.kube import Api, until

WRITES = ("create", "update", "patch", "delete", "deletecollection")
EVERYONE = {  # what Kubernetes lets every authenticated user do
    ("create", "authentication.k8s.io/selfsubjectreviews"),
    ("create", "authorization.k8s.io/selfsubjectaccessreviews"),
    ("create", "authorization.k8s.io/selfsubjectrulesreviews"),
}
OURS = "interlock.dev"
RECORDS = ("agentrevisions", "gatedecisions", "agenttransitions", "agentadmissions")
MADE = (
    "/services",
    "/serviceaccounts",
    "/configmaps",
    "/resourcequotas",
    "/namespaces",
    "apps/deployments",
    "networking.k8s.io/networkpolicies",
)
STATUSES = (
    "agentdeployments",
    "agentrollbacks",
    "agentquarantines",
    "agentreleases",
    "agentbreakglasses",
    "governances",
    "agenttransitions",
)
CONTROLLER = (
    EVERYONE
    | {(verb, what) for what in MADE for verb in ("create", "patch", "delete")}
    | {(v, f"{OURS}/{r}") for r in RECORDS for v in ("create", "update", "patch", "delete")}
    | {(verb, f"{OURS}/{kind}/status") for kind in STATUSES for verb in ("update", "patch")}
    | {(verb, f"{OURS}/agentdeployments") for verb in ("update", "patch")}
    | {(verb, f"{OURS}/governances") for verb in ("create", "patch")}
    | {(verb, "/pods") for verb in ("create", "delete")}
    | {("delete", "rbac.authorization.k8s.io/rolebindings")}
    | {(verb, f"{group}/events") for group in ("", "events.k8s.io") for verb in ("create", "patch")}
)
SYNCER = (
    EVERYONE
    | {
        (verb, what)
        for what in (f"{OURS}/agentdeployments", "/configmaps")
        for verb in ("create", "patch", "delete")
    }
    | {(verb, f"{OURS}/agentrepositories/status") for verb in ("update", "patch")}
    | {(verb, f"{group}/events") for group in ("", "events.k8s.io") for verb in ("create", "patch")}
)
REQUESTS = {
    ("create", f"{OURS}/{kind}") for kind in ("agentrollbacks", "agentquarantines", "agentreleases")
}


def allowed(admin: Api, user: str, verb: str, what: str, namespace: str = "line-4") -> bool:
    group, _, rest = what.partition("/")
    resource, _, subresource = rest.partition("/")
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": user,
            "groups": ["system:authenticated"],
            "resourceAttributes": {
                "verb": verb,
                "group": group,
                "resource": resource,
                "subresource": subresource,
                "namespace": namespace,
            },
        },
    }
    answer = admin.post("/apis/authorization.k8s.io/v1/subjectaccessreviews", body)
    assert answer.ok, answer.message
    return bool(answer.body["status"]["allowed"])


@pytest.fixture(scope="module")
def resources(admin: Api) -> dict[str, list[str]]:
    """Everything that this API server serves, and the verbs that it knows for it."""
    found: dict[str, list[str]] = {}
    groups: list[dict[str, Any]] = admin.get("/apis").body["groups"]
    for path, group in [("/api/v1", "")] + [
        (f"/apis/{entry['preferredVersion']['groupVersion']}", entry["name"]) for entry in groups
    ]:
        for entry in admin.get(path).body["resources"]:
            found[f"{group}/{entry['name']}"] = entry["verbs"]
    return found


@pytest.mark.parametrize(
    ("user", "expected"),
    [(names.CONTROLLER_USER, CONTROLLER), (names.SYNCER_USER, SYNCER)],
    ids=["controller", "syncer"],
)
def test_an_account_may_write_exactly_this(
    admin: Api, resources: dict[str, list[str]], user: str, expected: set[tuple[str, str]]
) -> None:
    found = {
        (verb, what)
        for what, verbs in resources.items()
        for verb in WRITES
        if verb in verbs and allowed(admin, user, verb, what)
    }
    assert found == expected


@pytest.mark.parametrize("user", [names.CONTROLLER_USER, names.SYNCER_USER])
@pytest.mark.parametrize(
    ("verb", "what"),
    [
        ("get", "/secrets"),
        ("list", "/secrets"),
        ("watch", "/secrets"),
        ("create", "/pods/exec"),
        ("get", "/pods/exec"),
        ("create", "/pods/attach"),
        ("create", "/pods/portforward"),
        ("create", "/serviceaccounts/token"),
        ("impersonate", "/users"),
        ("impersonate", "/serviceaccounts"),
        ("bind", "rbac.authorization.k8s.io/clusterroles"),
        ("escalate", "rbac.authorization.k8s.io/clusterroles"),
        ("delete", "admissionregistration.k8s.io/validatingadmissionpolicies"),
        ("delete", "admissionregistration.k8s.io/validatingadmissionpolicybindings"),
        ("patch", "apiextensions.k8s.io/customresourcedefinitions"),
        ("patch", "/nodes"),
        ("emergency-rollback", f"{OURS}/agentadmissions"),
    ],
)
def test_no_account_may(admin: Api, user: str, verb: str, what: str) -> None:
    for namespace in ("", "line-4", "kube-system", names.SYSTEM_NAMESPACE):
        assert not allowed(admin, user, verb, what, namespace)


def test_the_controller_alone_reads_logs(admin: Api) -> None:
    assert allowed(admin, names.CONTROLLER_USER, "get", "/pods/log")
    assert not allowed(admin, names.SYNCER_USER, "get", "/pods/log")


def test_the_lease_is_taken_at_home_only(admin: Api) -> None:
    lease = "coordination.k8s.io/leases"
    assert allowed(admin, names.CONTROLLER_USER, "update", lease, names.SYSTEM_NAMESPACE)
    assert not allowed(admin, names.CONTROLLER_USER, "update", lease, "kube-system")
    assert not allowed(admin, names.SYNCER_USER, "update", lease, names.SYSTEM_NAMESPACE)


@pytest.mark.parametrize(
    ("role", "expected"),
    [
        ("interlock-view", set()),
        ("view", set()),
        ("interlock-approver", set()),
        ("interlock-auditor", set()),
        ("interlock-break-glass", {("create", f"{OURS}/agentbreakglasses")}),
        ("interlock-sre", REQUESTS | {("patch", f"{OURS}/agentdeployments")}),
        (
            "interlock-team",
            {
                (verb, f"{OURS}/{kind}")
                for kind in ("agentdeployments", "agentrepositories")
                for verb in ("create", "update", "patch", "delete")
            },
        ),
    ],
)
def test_a_role_for_people_writes_exactly_this(
    admin: Api, resources: dict[str, list[str]], role: str, expected: set[tuple[str, str]]
) -> None:
    group = "rbac.authorization.k8s.io"
    user = f"holder-of-{role}"
    body = {
        "apiVersion": f"{group}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": user},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": role},
        "subjects": [{"kind": "User", "name": user, "apiGroup": group}],
    }
    path = f"/apis/{group}/v1/clusterrolebindings"
    assert admin.post(path, body).code in (201, 409)
    ours = {what: verbs for what, verbs in resources.items() if what.startswith(f"{OURS}/")}
    reads = [what for what in ours if not what.endswith("/status")]

    def writes() -> set[tuple[str, str]]:
        return {
            (verb, what)
            for what, verbs in ours.items()
            for verb in WRITES
            if verb in verbs and allowed(admin, user, verb, what)
        }

    if role != "interlock-approver":
        until(lambda: all(allowed(admin, user, "get", what) for what in reads), "the right to read")
    until(lambda: writes() >= expected, "the right to write")
    assert writes() == expected
    assert admin.delete(f"{path}/{user}").ok


def test_editors_and_sres_hold_no_emergency_right(admin: Api) -> None:
    group = "rbac.authorization.k8s.io"
    for role in ("edit", "admin", "interlock-sre", "interlock-team"):
        rules = admin.get(f"/apis/{group}/v1/clusterroles/{role}").body["rules"]
        for rule in rules:
            assert OURS not in rule.get("apiGroups", ()) or not (
                {"*", "emergency-rollback"} & set(rule["verbs"])
            )
