"""One NetworkPolicy an edge, so that a reader finds each declared edge and nothing else.

Policies are additive: what no edge allows, the namespace's default-deny refuses. Addresses that
lead to the node or to a cloud's metadata service are never opened, whatever was declared.
"""

from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

from interlock.api.kinds.deployment import AgentDeploymentSpec, Peer
from interlock.api.names import LABEL_REVISION, SYSTEM_NAMESPACE
from interlock.render import Unrenderable
from interlock.render.namespace import NAMESPACE_NAME_LABEL

Object = dict[str, Any]
Network = IPv4Network | IPv6Network

FORBIDDEN: tuple[Network, ...] = (
    ip_network("127.0.0.0/8"),
    ip_network("169.254.0.0/16"),
    ip_network("::1/128"),
    ip_network("::ffff:0:0/96"),
    ip_network("fd00:ec2::254/128"),
    ip_network("fe80::/10"),
)
"""Loopback, link-local (RFC 3927, 4291: also where clouds keep metadata), IPv4 written as IPv6."""


_CONTROLLER: Object = {
    "namespaceSelector": {"matchLabels": {NAMESPACE_NAME_LABEL: SYSTEM_NAMESPACE}},
    "podSelector": {"matchLabels": {"app.kubernetes.io/component": "controller"}},
}
"""The controller's own pods, which probe an agent from outside of it."""


def edges(revision: str, spec: AgentDeploymentSpec) -> Iterator[tuple[str, Object]]:
    """Yield name and spec of one NetworkPolicy for each declared edge of a revision's pods."""
    for index, egress in enumerate(spec.network.egress):
        peer = _peer(egress.to, f"network.egress[{index}].to")
        rule = {"to": [peer], "ports": [_tcp(egress.port)]}
        yield f"{revision}-egress-{index}", _spec(revision, "Egress", {"egress": [rule]})
    for index, ingress in enumerate(spec.network.ingress):
        peer = _peer(ingress.from_, f"network.ingress[{index}].from")
        rule = {"from": [peer], "ports": [_tcp(spec.port)]}
        yield f"{revision}-ingress-{index}", _spec(revision, "Ingress", {"ingress": [rule]})
    if spec.health.http or spec.health.grpc is not None:
        rule = {"from": [_CONTROLLER], "ports": [_tcp(spec.port)]}
        yield f"{revision}-probe", _spec(revision, "Ingress", {"ingress": [rule]})


def _spec(revision: str, direction: str, rules: Object) -> Object:
    selector = {"matchLabels": {LABEL_REVISION: revision}}
    return {"podSelector": selector, "policyTypes": [direction], **rules}


def _tcp(port: int) -> Object:
    return {"protocol": "TCP", "port": port}


def _peer(peer: Peer, where: str) -> Object:
    if peer.namespace:
        selectors: Object = {"namespaceSelector": _match({NAMESPACE_NAME_LABEL: peer.namespace})}
        return selectors | ({"podSelector": _match(dict(peer.labels))} if peer.labels else {})
    if peer.cidr and not peer.labels:
        return {"ipBlock": _block(peer.cidr, f"{where}.cidr")}
    raise Unrenderable(
        f"{where} has labels beside a cidr, which would not narrow it; labels go with a namespace."
    )


def _match(labels: dict[str, str]) -> Object:
    return {"matchLabels": labels}


def _block(cidr: str, where: str) -> Object:
    network = _network(cidr, where)
    touched = [bad for bad in FORBIDDEN if bad.version == network.version and bad.overlaps(network)]
    for bad in touched:
        if bad.prefixlen <= network.prefixlen:
            raise Unrenderable(
                f"{where} is {network}, which lies in {bad} (loopback, link-local or metadata "
                "addresses); no agent may reach those. Remove the edge."
            )
    excepts = {"except": [str(bad) for bad in touched]} if touched else {}
    return {"cidr": str(network), **excepts}


def _network(cidr: str, where: str) -> Network:
    try:
        return ip_network(cidr)
    except ValueError as error:
        raise Unrenderable(
            f"{where} is {cidr!r}, expected a network such as 10.1.0.0/16 without host bits: "
            f"{error}."
        ) from error
