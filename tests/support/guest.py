"""A policy of the cluster's owner that Interlock knows nothing of, and that stands in its way."""

from typing import Any

from support.engine import Agent, until

_GROUP = "/apis/admissionregistration.k8s.io/v1"


def refuse_pods(agent: Agent) -> None:
    """Let no pod of an agent be created from now on.

    The policy is asked about a ConfigMap in the team's namespace to know that it is in force: the
    agent's own may not exist yet, and has policies of its own.
    """
    for collection, body in (
        ("validatingadmissionpolicies", _policy(agent)),
        ("validatingadmissionpolicybindings", _binding(agent)),
    ):
        answer = agent.api.post(f"{_GROUP}/{collection}", body)
        assert answer.ok, answer.message
    probe = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "probe"}}
    path = f"/api/v1/namespaces/{agent.team}/configmaps"
    until(
        lambda: agent.api.post(path, probe, dryRun="All").message,
        lambda message: "guest policy" in message,
        "the guest policy is in force",
    )


def _policy(agent: Agent) -> dict[str, Any]:
    resources = {
        "apiGroups": [""],
        "apiVersions": ["v1"],
        "operations": ["CREATE"],
        "resources": ["pods", "configmaps"],
    }
    harmless = "request.resource.resource == 'configmaps' && object.metadata.name != 'probe'"
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": _name(agent)},
        "spec": {
            "matchConstraints": {"resourceRules": [resources]},
            "validations": [{"expression": harmless, "message": "a guest policy says no"}],
        },
    }


def _binding(agent: Agent) -> dict[str, Any]:
    namespaces = {
        "key": "kubernetes.io/metadata.name",
        "operator": "In",
        "values": [agent.team, agent.home],
    }
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": _name(agent)},
        "spec": {
            "policyName": _name(agent),
            "validationActions": ["Deny"],
            "matchResources": {"namespaceSelector": {"matchExpressions": [namespaces]}},
        },
    }


def _name(agent: Agent) -> str:
    return f"guest-{agent.team}"
