"""A role for people lets its holder do the whole job with the plugin, and nothing more."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from interlock.api import names
from interlock_sandbox.sandbox import Sandbox
from support.engine import Agent, Pair
from support.kube import MERGE_PATCH, Api, until
from support.shell import Shell, impersonating

RBAC = "rbac.authorization.k8s.io"
REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"
READ = ("get", "list", "watch")
Right = tuple[str, str]
"""A verb, and a group with a resource."""


def _rights(verbs: tuple[str, ...], *what: str) -> set[Right]:
    return set(itertools.product(verbs, what))


EVERYONE = _rights(
    ("create",),
    "authentication.k8s.io/selfsubjectreviews",
    "authorization.k8s.io/selfsubjectaccessreviews",
    "authorization.k8s.io/selfsubjectrulesreviews",
)
ALL = _rights(READ, "interlock.dev/*")
ROLES: dict[str, set[Right]] = {
    "interlock-view": ALL,
    "interlock-auditor": ALL | _rights(("get", "list"), "/configmaps"),
    "interlock-team": ALL
    | _rights(
        ("create", "update", "patch", "delete"),
        "interlock.dev/agentdeployments",
        "interlock.dev/agentrepositories",
    )
    | _rights(("edit-spec",), "interlock.dev/agentdeployments"),
    "interlock-approver": _rights(
        READ,
        "interlock.dev/agentdeployments",
        "interlock.dev/agentrevisions",
        "interlock.dev/agenttransitions",
        "interlock.dev/gatedecisions",
        "interlock.dev/governances",
    ),
    "interlock-sre": ALL
    | _rights(READ, "/pods", "/services", "discovery.k8s.io/endpointslices")
    | _rights(
        ("create",),
        "interlock.dev/agentrollbacks",
        "interlock.dev/agentquarantines",
        "interlock.dev/agentreleases",
    )
    | _rights(("patch",), "interlock.dev/agentdeployments"),
    "interlock-break-glass": ALL | _rights(("create",), "interlock.dev/agentbreakglasses"),
    "interlock-emergency": _rights(
        ("get", "list", "emergency-rollback"), "interlock.dev/agentadmissions"
    )
    | _rights(("get", "patch", "update"), "/services=agent"),
}
Bound = Callable[[str], str]


@pytest.fixture(scope="module")
def bound(admin: Api) -> Bound:
    """Gives a role to a user of its own, in the whole cluster."""

    def bind(role: str) -> str:
        user = f"{role}-1"
        body = {
            "apiVersion": f"{RBAC}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": user},
            "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": role},
            "subjects": [{"kind": "User", "name": user, "apiGroup": RBAC}],
        }
        assert admin.post(f"/apis/{RBAC}/v1/clusterrolebindings", body).code in (201, 409)
        until(lambda: rights(admin, user) - EVERYONE, f"the rights of {role}")
        return user

    return bind


@pytest.fixture
def terminal(installed: Sandbox, bound: Bound, tmp_path: Path) -> Callable[[str], Shell]:
    """The terminal of somebody who holds one role."""
    return lambda role: Shell(impersonating(installed.kubeconfig, bound(role), tmp_path))


def rights(admin: Api, user: str) -> set[Right]:
    """Everything that a user may do in a namespace, as the API server lists it."""
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": "line-4"},
    }
    answer = admin.named(user).post(REVIEWS, review)
    assert answer.ok, answer.message
    return {
        (verb, f"{group}/{resource}" + (f"={name}" if name else ""))
        for rule in answer.body["status"]["resourceRules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
        for name in rule.get("resourceNames") or [""]
    }


@pytest.mark.parametrize("role", ROLES)
def test_a_role_holds_exactly_these_rights(admin: Api, bound: Bound, role: str) -> None:
    user = bound(role)
    until(lambda: rights(admin, user) >= ROLES[role], "the aggregated rights")
    assert rights(admin, user) - EVERYONE == ROLES[role]


def test_each_role_for_people_is_in_the_list(admin: Api) -> None:
    found = admin.get(f"/apis/{RBAC}/v1/clusterroles").body["items"]
    ours = {one["metadata"]["name"] for one in found if "interlock" in one["metadata"]["name"]}
    parts = {"interlock-requests", "interlock-traffic"}  # of interlock-sre
    assert ours == {*ROLES, *parts, "interlock-controller", "interlock-syncer"}


def test_an_sre_does_a_night_shift(pair: Pair, terminal: Callable[[str], Shell]) -> None:
    agent, sre = pair.agent, terminal("interlock-sre")
    place = (agent.name, "-n", agent.team)
    for look in (("get",), ("why",), ("history",), ("diff", "serving", pair.old)):
        done = sre(look[0], agent.name, *look[1:], "-n", agent.team)
        assert done.returncode == 0, done.stderr
    assert "you may not read" not in sre("get", *place).stdout
    back = sre("rollback", *place, "--reason", "rejects up")
    assert back.returncode == 0, back.stderr
    assert "requested by interlock-sre-1" in back.stdout
    assert f"last endpoint of {pair.new} gone from the Service" in back.stdout
    agent.until("shows the hold", lambda status: bool(status.get("holds")))
    for verb in ("pause", "release", "quarantine", "restore"):
        done = sre(verb, *place, "--reason", "night shift")
        assert done.returncode == 0, f"{verb}: {done.stderr}"
    done = sre("resume", *place)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "body",
    [
        {"spec": {"image": "registry.example/other@sha256:" + "0" * 64}},
        {"spec": {"paused": True, "replicas": 5}},
        {"spec": {"port": 9999}},
        {"metadata": {"finalizers": []}},
        {"metadata": {"labels": {names.LABEL_SYNCED_BY: "mine"}}},
        {"metadata": {"annotations": {"kubectl.kubernetes.io/other": "x"}}},
    ],
    ids=["image", "replicas", "new-field", "finalizers", "labels", "annotations"],
)
def test_an_sre_changes_nothing_but_the_pause(
    fresh: Agent, admin: Api, bound: Bound, body: dict[str, Any]
) -> None:
    fresh.serves("a")
    sre = admin.named(bound("interlock-sre"))
    answer = sre.patch(fresh.path, body, MERGE_PATCH, dryRun="All")
    assert answer.code == 422, answer.body
    assert "more needs the verb edit-spec" in answer.message
    assert sre.patch(fresh.path, {"spec": {"paused": True}}, MERGE_PATCH, dryRun="All").ok


def test_an_sre_may_not_write_the_status(fresh: Agent, admin: Api, bound: Bound) -> None:
    fresh.want("a")
    sre = admin.named(bound("interlock-sre"))
    assert sre.patch(f"{fresh.path}/status", {"status": {"ready": "True"}}).code == 403
    assert sre.delete(fresh.path).code == 403


def test_a_team_says_what_runs_and_pauses_it(
    fresh: Agent, terminal: Callable[[str], Shell], admin: Api, bound: Bound
) -> None:
    fresh.serves("a")
    team, place = terminal("interlock-team"), (fresh.name, "-n", fresh.team)
    assert admin.named(bound("interlock-team")).patch(fresh.path, {"spec": {"port": 9999}}).ok
    for verb in (("pause", "--reason", "stock-taking"), ("why",), ("resume",)):
        done = team(verb[0], *place, *verb[1:])
        assert done.returncode == 0, done.stderr
    asked = team("rollback", *place, "--reason", "r", "--no-wait")
    assert asked.returncode == 1
    assert "cannot create resource" in asked.stderr


@pytest.mark.parametrize("role", ["interlock-approver", "interlock-auditor"])
def test_approvers_and_auditors_look_and_never_act(
    fresh: Agent, terminal: Callable[[str], Shell], role: str
) -> None:
    digest = fresh.serves("a")
    holder, place = terminal(role), (fresh.name, "-n", fresh.team)
    assert f"serves {digest}" in holder("why", *place).stdout
    assert "Promotion" in holder("history", *place).stdout
    assert "you may not read" in holder("get", *place).stdout
    for verb in ("rollback", "quarantine", "pause"):
        done = holder(verb, *place, "--reason", "r")
        assert done.returncode == 1, done.stderr
        assert "annot" in done.stderr  # cannot create, cannot patch


def test_the_policy_for_pauses_type_checks(admin: Api) -> None:
    path = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/interlock-spec"
    until(lambda: "typeChecking" in (admin.get(path).body.get("status") or {}), "a type check")
    assert not admin.get(path).body["status"]["typeChecking"].get("expressionWarnings")
