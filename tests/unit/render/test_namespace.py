"""Before any revision, an agent's namespace lets nothing in, nothing out and nothing run."""

from typing import Any

import pytest

from interlock.api.kinds import AgentAdmission
from interlock.api.kinds.deployment import Resources
from interlock.api.names import agent_namespace
from interlock.render import namespace

TEAM, NAME, UID = "line-4", "press-scheduler", "5d1c"
HOME = agent_namespace(TEAM, NAME)


def objects() -> dict[tuple[str, str], dict[str, Any]]:
    rendered = namespace.namespace_objects(TEAM, NAME, UID)
    return {(entry["kind"], entry["metadata"]["name"]): entry for entry in rendered}


def test_the_namespace_comes_first_and_everything_else_lies_in_it() -> None:
    first, *others = namespace.namespace_objects(TEAM, NAME, UID)
    assert (first["kind"], first["metadata"]["name"]) == ("Namespace", HOME)
    assert "namespace" not in first["metadata"]
    assert {entry["metadata"]["namespace"] for entry in others} == {HOME}


def test_exactly_these_objects_are_there() -> None:
    assert set(objects()) == {
        ("Namespace", HOME),
        ("ServiceAccount", "agent"),
        ("NetworkPolicy", "default-deny"),
        ("NetworkPolicy", "allow-dns"),
        ("ResourceQuota", "agent"),
        ("AgentAdmission", "current"),
        ("Service", "preview"),
    }


def test_every_object_says_whose_it_is() -> None:
    for entry in [*objects().values(), namespace.pointer_service(TEAM, NAME)]:
        labels = entry["metadata"]["labels"]
        assert labels["interlock.dev/managed"] == "true"
        assert labels["interlock.dev/team"] == TEAM
        assert labels["interlock.dev/agent"] == NAME
    mark = objects()["Namespace", HOME]["metadata"]["annotations"]
    assert mark == {"interlock.dev/owner": f"{TEAM}/{NAME}/{UID}"}


@pytest.mark.parametrize("mode", ["enforce", "audit", "warn"])
def test_pod_security_is_restricted_and_pinned(mode: str) -> None:
    labels = objects()["Namespace", HOME]["metadata"]["labels"]
    assert labels[f"pod-security.kubernetes.io/{mode}"] == "restricted"
    assert labels[f"pod-security.kubernetes.io/{mode}-version"] == "v1.37"


def test_the_account_carries_no_token() -> None:
    assert objects()["ServiceAccount", "agent"]["automountServiceAccountToken"] is False


def test_default_deny_selects_all_pods_in_both_directions_and_has_no_rule() -> None:
    assert objects()["NetworkPolicy", "default-deny"]["spec"] == {
        "podSelector": {},
        "policyTypes": ["Ingress", "Egress"],
    }


def test_dns_is_one_peer_with_both_selectors() -> None:
    (rule,) = objects()["NetworkPolicy", "allow-dns"]["spec"]["egress"]
    (peer,) = rule["to"]
    assert set(peer) == {"namespaceSelector", "podSelector"}
    assert {(port["protocol"], port["port"]) for port in rule["ports"]} == {
        ("UDP", 53),
        ("TCP", 53),
    }


def test_the_first_quota_lets_no_pod_exist() -> None:
    hard = objects()["ResourceQuota", "agent"]["spec"]["hard"]
    assert set(hard) >= {"pods", "services.nodeports", "services.loadbalancers"}
    assert set(hard.values()) == {"0"}


def test_a_later_quota_is_the_same_object_with_other_limits() -> None:
    first = objects()["ResourceQuota", "agent"]
    later = namespace.resource_quota(TEAM, NAME, [(1, Resources())])
    assert later["metadata"] == first["metadata"]
    assert later["spec"]["hard"]["pods"] == "2"


def test_the_first_admission_lists_nothing_and_is_a_valid_one() -> None:
    entry = objects()["AgentAdmission", "current"]
    assert entry["spec"] == {"quarantined": False, "revisions": []}
    AgentAdmission.model_validate(entry)


@pytest.mark.parametrize("service", ["agent", "preview"])
def test_both_services_select_no_pod_at_first(service: str) -> None:
    made = {"agent": namespace.pointer_service, "preview": namespace.preview_service}
    entry = made[service](TEAM, NAME)
    assert entry["metadata"]["name"] == service
    assert entry["spec"] == {
        "type": "ClusterIP",
        "selector": {"interlock.dev/agent": NAME, "interlock.dev/revision": "none"},
        "ports": [{"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP"}],
    }
