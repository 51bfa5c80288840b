"""The agent's own namespace and what stands in it before any revision does: closed on all sides.

Pods are refused by Pod Security `restricted` (pinned, so that a new server does not change it),
by a quota of zero and by an empty AgentAdmission; traffic by default-deny (CIS Kubernetes 5.3.2).
"""

from collections.abc import Iterable, Mapping
from typing import Any

from interlock.api.kinds.deployment import Resources
from interlock.api.names import (
    ADMISSION_NAME,
    AGENT_ACCOUNT,
    ANNOTATION_OWNER,
    API_VERSION,
    LABEL_AGENT,
    LABEL_MANAGED,
    LABEL_REVISION,
    LABEL_TEAM,
    NO_REVISION,
    POINTER_SERVICE,
    PREVIEW_SERVICE,
    agent_namespace,
    owner_mark,
)
from interlock.render.admission import quota

Object = dict[str, Any]

POD_SECURITY = "restricted"
POD_SECURITY_VERSION = "v1.37"
QUOTA_NAME = "agent"
SERVICE_PORT = 80
PORT_NAME = "http"
DNS_PORT = 53
NAMESPACE_NAME_LABEL = "kubernetes.io/metadata.name"
"""Set by the API server on each namespace; nobody can give it another value."""


def namespace_objects(team: str, name: str, uid: str) -> list[Object]:
    """Return all that an admitted agent gets first, in the order of creation.

    `uid` is the AgentDeployment's. Quota, AgentAdmission and preview hold starting values: create
    them once, then change them with `resource_quota`, `agent_admission` and `preview_service`.
    """
    return [
        _namespace(team, name, uid),
        _object("v1", "ServiceAccount", AGENT_ACCOUNT, team, name)
        | {"automountServiceAccountToken": False},
        _policy("default-deny", team, name, {"policyTypes": ["Ingress", "Egress"]}),
        _policy("allow-dns", team, name, {"policyTypes": ["Egress"], "egress": [_dns()]}),
        resource_quota(team, name, ()),
        agent_admission(team, name, ()),
        preview_service(team, name),
    ]


def resource_quota(team: str, name: str, entries: Iterable[tuple[int, Resources]]) -> Object:
    """Return the quota for these (replicas, resources of one replica) pairs; none, no pods."""
    body = _object("v1", "ResourceQuota", QUOTA_NAME, team, name)
    return body | {"spec": {"hard": quota(entries)}}


def agent_admission(
    team: str, name: str, revisions: Iterable[Mapping[str, Any]], *, quarantined: bool = False
) -> Object:
    """Return the AgentAdmission that lists these entries (see `render.admission.admitted`)."""
    spec = {"quarantined": quarantined, "revisions": [dict(entry) for entry in revisions]}
    return _object(API_VERSION, "AgentAdmission", ADMISSION_NAME, team, name) | {"spec": spec}


def preview_service(team: str, name: str, revision: str = NO_REVISION) -> Object:
    """Return the Service through which a candidate is proved before it gets traffic."""
    return _service(PREVIEW_SERVICE, team, name, revision)


def pointer_service(team: str, name: str) -> Object:
    """Return the Service `agent` at its first state: it selects nothing. Created once."""
    return _service(POINTER_SERVICE, team, name, NO_REVISION)


def _service(service: str, team: str, name: str, revision: str) -> Object:
    port = {"name": PORT_NAME, "port": SERVICE_PORT, "targetPort": PORT_NAME, "protocol": "TCP"}
    return _object("v1", "Service", service, team, name) | {
        "spec": {
            "type": "ClusterIP",
            "selector": {LABEL_AGENT: name, LABEL_REVISION: revision},
            "ports": [port],
        }
    }


def _namespace(team: str, name: str, uid: str) -> Object:
    body = _object("v1", "Namespace", agent_namespace(team, name), team, name)
    metadata = body["metadata"]
    del metadata["namespace"]
    metadata["annotations"] = {ANNOTATION_OWNER: owner_mark(team, name, uid)}
    for mode in ("enforce", "audit", "warn"):
        metadata["labels"][f"pod-security.kubernetes.io/{mode}"] = POD_SECURITY
        metadata["labels"][f"pod-security.kubernetes.io/{mode}-version"] = POD_SECURITY_VERSION
    return body


def _policy(policy: str, team: str, name: str, spec: Object) -> Object:
    body = _object("networking.k8s.io/v1", "NetworkPolicy", policy, team, name)
    return body | {"spec": {"podSelector": {}, **spec}}


def _dns() -> Object:
    # One peer with both selectors: as two list items they would mean "either".
    peer = {
        "namespaceSelector": {"matchLabels": {NAMESPACE_NAME_LABEL: "kube-system"}},
        "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
    }
    ports = [{"protocol": protocol, "port": DNS_PORT} for protocol in ("UDP", "TCP")]
    return {"to": [peer], "ports": ports}


def _object(api_version: str, kind: str, object_name: str, team: str, name: str) -> Object:
    labels = {LABEL_MANAGED: "true", LABEL_TEAM: team, LABEL_AGENT: name}
    metadata = {"name": object_name, "namespace": agent_namespace(team, name), "labels": labels}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata}
