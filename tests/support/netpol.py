"""Random policies on a small fixed cluster, and who may talk there by the model's answer.

The generator keeps to what the API server accepts. `NotIn` is only asked about the label `tier`,
which everything has: cyclonus 0.5.6 says that a missing key fails `NotIn`, while the API server
(`labels.Requirement.Matches`) says that it meets it. Unit tests hold us to the API server.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any

from interlock_sandbox.netpol.model import Allow, Model, resolve
from interlock_sandbox.netpol.policy import Address

Object = dict[str, Any]
POD_NETWORKS = (ip_network("10.99.0.0/24"), ip_network("fd99::/64"))
OUTSIDE = (ip_address("192.0.2.9"), ip_address("2001:db8::9"))
LISTENS = (("TCP", 8080), ("TCP", 8081), ("TCP", 9090), ("UDP", 8080), ("UDP", 5353))
SILENT = (("SCTP", 8080), ("SCTP", 36412))  # judged by the evaluators, not tried by packets
_LABELS = {"app": ("web", "db"), "team": ("red", "blue"), "tier": ("one", "two")}
_SPACES = ("line-1", "line-2", "line-3")
_BLOCKS = (
    *("0.0.0.0/0", "10.99.0.0/24", "10.99.0.8/29", "10.99.0.12/32", "192.0.2.0/24"),
    *("::/0", "fd99::/64", "fd99::8/125", "2001:db8::9/128"),
)


@dataclass(frozen=True, slots=True)
class Host:
    """Somebody who talks: a pod, or somebody outside, who has no namespace."""

    name: str
    addresses: tuple[Address, ...]
    namespace: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    space_labels: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[tuple[str, int], str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Traffic:
    """One connection that might be opened."""

    source: Host
    target: Host
    version: int
    protocol: str
    port: int

    def ends(self) -> tuple[Address, Address]:
        """Source and destination address."""
        index = 0 if self.version == 4 else 1
        return self.source.addresses[index], self.target.addresses[index]


@dataclass(frozen=True, slots=True)
class Case:
    """One cluster: its objects, and everybody in and around it."""

    namespaces: Sequence[Object]
    pods: Sequence[Object]
    policies: Sequence[Object]
    hosts: Sequence[Host]

    def model(self) -> Model:
        """What our own program makes of it."""
        return resolve(self.namespaces, self.pods, self.policies)

    def traffic(self, protocols: Sequence[tuple[str, int]]) -> Iterator[Traffic]:
        """Everybody with everybody else, but not from outside to outside."""
        for source in self.hosts:
            for target in self.hosts:
                if source is not target:
                    for version in (4, 6):
                        for protocol, port in protocols:
                            yield Traffic(source, target, version, protocol, port)


def case(seed: int, pods: int = 6) -> Case:
    """The same cluster for the same seed."""
    chance = random.Random(seed)  # noqa: S311 - repeatable, not secret
    spaces = [_space(chance, name) for name in _SPACES]
    made = [_pod(chance, index) for index in range(pods)]
    policies = [_policy(chance, index) for index in range(chance.randint(1, 6))]
    hosts = [_host(pod, spaces) for pod in made] + [Host("outside", OUTSIDE)]
    return Case(spaces, made, policies, hosts)


def allowed(model: Model, traffic: Traffic) -> bool:
    """The model's answer, read without nftables."""
    pods = {ip: pod for pod in model.pods for ip in pod.addresses}
    source, target = traffic.ends()
    sends, receives = pods.get(source), pods.get(target)
    out = sends is None or _passes(sends.egress, target, traffic)
    return out and (receives is None or _passes(receives.ingress, source, traffic))


def _passes(allows: tuple[Allow, ...] | None, peer: Address, traffic: Traffic) -> bool:
    return allows is None or any(
        (allow.networks is None or any(peer in net for net in allow.networks))
        and (
            allow.ports is None
            or any(
                ports.protocol == traffic.protocol and ports.low <= traffic.port <= ports.high
                for ports in allow.ports
            )
        )
        for allow in allows
    )


def _space(chance: random.Random, name: str) -> Object:
    return {"metadata": {"name": name, "labels": _labels(chance)}}


def _pod(chance: random.Random, index: int) -> Object:
    """Two pods a namespace; the same port name means another number in another pod."""
    http = chance.choice((8080, 8081))
    ports = [
        {"name": "http", "containerPort": http},
        {"name": "dns", "containerPort": 5353, "protocol": "UDP"},
        {"name": "s1", "containerPort": 36412, "protocol": "SCTP"},
    ]
    ips = [{"ip": f"10.99.0.{10 + index}"}, {"ip": f"fd99::{10 + index:x}"}]
    return {
        "metadata": {
            "namespace": _SPACES[index % len(_SPACES)],
            "name": f"pod-{index}",
            "labels": _labels(chance),
        },
        "spec": {"containers": [{"ports": ports[: chance.randint(0, 3)]}]},
        "status": {"phase": "Running", "podIP": ips[0]["ip"], "podIPs": ips},
    }


def _host(pod: Object, spaces: Sequence[Object]) -> Host:
    meta = pod["metadata"]
    (space,) = (one for one in spaces if one["metadata"]["name"] == meta["namespace"])
    ports = pod["spec"]["containers"][0]["ports"]
    return Host(
        name=meta["name"],
        addresses=tuple(ip_address(entry["ip"]) for entry in pod["status"]["podIPs"]),
        namespace=meta["namespace"],
        labels=meta["labels"],
        space_labels=space["metadata"]["labels"],
        names={
            (port.get("protocol", "TCP"), port["containerPort"]): port["name"] for port in ports
        },
    )


def _labels(chance: random.Random) -> dict[str, str]:
    labels = {key: chance.choice(values) for key, values in _LABELS.items()}
    for key in ("app", "team"):
        if chance.random() < 0.25:
            del labels[key]
    return labels


def _policy(chance: random.Random, index: int) -> Object:
    types = chance.choice((["Ingress"], ["Egress"], ["Ingress", "Egress"]))
    spec: Object = {"podSelector": _selector(chance), "policyTypes": types}
    for direction, peers in (("ingress", "from"), ("egress", "to")):
        if chance.random() < 0.8:
            rules = range(chance.randint(0, 3))
            spec[direction] = [_rule(chance, peers) for _ in rules]
    return {
        "metadata": {"namespace": chance.choice(_SPACES), "name": f"policy-{index}"},
        "spec": spec,
    }


def _rule(chance: random.Random, key: str) -> Object:
    rule: Object = {}
    if chance.random() < 0.85:
        rule[key] = [_peer(chance) for _ in range(chance.randint(0, 3))]
    if chance.random() < 0.75:
        rule["ports"] = [_port(chance) for _ in range(chance.randint(0, 3))]
    return rule


def _peer(chance: random.Random) -> Object:
    if chance.random() < 0.3:
        return {"ipBlock": _block(chance)}
    kinds = chance.choice((("podSelector",), ("namespaceSelector",), ("a", "b")))
    keys = kinds if len(kinds) == 1 else ("podSelector", "namespaceSelector")
    return {key: _selector(chance) for key in keys}


def _block(chance: random.Random) -> Object:
    cidr = chance.choice(_BLOCKS)
    whole = ip_network(cidr)
    inner = [ip_network(text) for text in _BLOCKS]
    holes = [
        str(net)
        for net in inner
        if net.version == whole.version
        and net.prefixlen > whole.prefixlen
        and net.overlaps(whole)
        and chance.random() < 0.3
    ]
    return {"cidr": cidr, "except": holes} if holes else {"cidr": cidr}


def _port(chance: random.Random) -> Object:
    protocol = chance.choice(("TCP", "TCP", "UDP", "SCTP"))
    if chance.random() < 0.3:
        return {"protocol": protocol, "port": chance.choice(("http", "dns", "s1", "absent"))}
    low = chance.choice((80, 5353, 8080, 8081, 9090, 36412))
    port: Object = {"port": low}
    if chance.random() < 0.8:
        port["protocol"] = protocol
    if chance.random() < 0.2:
        port["endPort"] = min(low + chance.choice((0, 1, 1500)), 65535)
    return {"protocol": protocol} if chance.random() < 0.15 else port


def _selector(chance: random.Random) -> Object:
    if chance.random() < 0.25:
        return {}
    keys = chance.sample(sorted(_LABELS), chance.randint(0, 2))
    labels = {key: chance.choice(_LABELS[key]) for key in keys}
    terms = [_term(chance) for _ in range(chance.choice((0, 0, 1, 2)))]
    return {"matchLabels": labels} | ({"matchExpressions": terms} if terms else {})


def _term(chance: random.Random) -> Object:
    operator = chance.choice(("In", "NotIn", "Exists", "DoesNotExist"))
    key = "tier" if operator == "NotIn" else chance.choice(sorted(_LABELS))
    term: Object = {"key": key, "operator": operator}
    if operator in ("In", "NotIn"):
        term["values"] = chance.sample(_LABELS[key], chance.randint(1, len(_LABELS[key])))
    return term
