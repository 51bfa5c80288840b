"""Who may talk to whom, as addresses and ports: Kubernetes' answer before it becomes nftables.

NetworkPolicy speaks of labels and port names, a packet of addresses and numbers. Everything in
between is decided here, in plain data that a test can compare with another evaluator.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any

from interlock_sandbox.netpol.policy import (
    Address,
    Network,
    Policy,
    Port,
    Rule,
    address,
    merge,
    read,
)

Object = Mapping[str, Any]
_FINISHED = ("Succeeded", "Failed")


@dataclass(frozen=True, slots=True, order=True)
class Ports:
    """Destination ports of one protocol, both ends included."""

    protocol: str
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Allow:
    """Traffic that may pass: with these networks, at these ports; None is any."""

    networks: tuple[Network, ...] | None
    ports: tuple[Ports, ...] | None


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod that can be talked to; a direction that is None is not isolated."""

    addresses: tuple[Address, ...]
    ingress: tuple[Allow, ...] | None
    egress: tuple[Allow, ...] | None


@dataclass(frozen=True, slots=True)
class Model:
    """All live pods of the node, and what could not be understood on the way."""

    pods: tuple[Pod, ...] = ()
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Live:
    namespace: str
    labels: Mapping[str, str]
    addresses: tuple[Address, ...]
    named: tuple[tuple[str, Ports], ...]

    @property
    def networks(self) -> tuple[Network, ...]:
        return tuple(ip_network(ip) for ip in self.addresses)


def resolve(
    namespaces: Iterable[Object], pods: Iterable[Object], policies: Iterable[Object]
) -> Model:
    """What each live pod may send and receive. Total: what is malformed closes, never raises."""
    spaces = {space["metadata"]["name"]: _labels(space) for space in namespaces}
    live, problems = _live(pods)
    parsed = [read(policy) for policy in policies]
    world = _World(spaces, live)
    rules = [_Resolved.of(policy, world) for policy, _ in parsed]
    return Model(
        pods=tuple(_pod(pod, rules, world) for pod in live),
        problems=(*problems, *(problem for _, problem in parsed if problem)),
    )


@dataclass(frozen=True, slots=True)
class _World:
    spaces: Mapping[str, Mapping[str, str]]
    pods: Sequence[_Live]

    def peers(self, rule: Rule, namespace: str) -> tuple[Network, ...] | None:
        """The networks of the rule's peers, None for anybody."""
        if rule.pods is None:
            return None
        found = {
            net
            for pod in self.pods
            if any(self._is(pod, peer.namespaces, peer.pods, namespace) for peer in rule.pods)
            for net in pod.networks
        }
        return merge([*found, *rule.blocks])

    def _is(self, pod: _Live, spaces: Any, labels: Any, own: str) -> bool:
        if spaces is None:
            inside = pod.namespace == own
        else:  # a namespace not seen yet has no labels to be selected by
            inside = pod.namespace in self.spaces and spaces.matches(self.spaces[pod.namespace])
        return bool(inside and labels.matches(pod.labels))


@dataclass(frozen=True, slots=True)
class _Resolved:
    """A policy with the networks of each rule's peers, looked up once for all its pods."""

    policy: Policy
    ingress: tuple[tuple[Rule, tuple[Network, ...] | None], ...] | None
    egress: tuple[Allow, ...] | None

    @classmethod
    def of(cls, policy: Policy, world: _World) -> "_Resolved":
        ingress, egress = (
            None
            if rules is None
            else tuple((rule, world.peers(rule, policy.namespace)) for rule in rules)
            for rules in (policy.ingress, policy.egress)
        )
        out = None
        if egress is not None:
            out = tuple(allow for rule, to in egress for allow in _egress(rule, to, world.pods))
        return cls(policy, ingress, out)


def _pod(pod: _Live, rules: Sequence[_Resolved], world: _World) -> Pod:
    mine = [
        rule
        for rule in rules
        if rule.policy.namespace == pod.namespace and rule.policy.selects.matches(pod.labels)
    ]
    ingress = [rule.ingress for rule in mine if rule.ingress is not None]
    egress = [rule.egress for rule in mine if rule.egress is not None]
    received = (_ingress(rule, peers, pod) for part in ingress for rule, peers in part)
    return Pod(
        addresses=pod.addresses,
        ingress=_useful(received) if ingress else None,
        egress=_useful(allow for part in egress for allow in part) if egress else None,
    )


def _useful(allows: Iterable[Allow]) -> tuple[Allow, ...]:
    """Each allowance once, without those that no packet can meet."""
    return tuple(dict.fromkeys(a for a in allows if a.networks != () and a.ports != ()))


def _ingress(rule: Rule, peers: tuple[Network, ...] | None, target: _Live) -> Allow:
    if rule.ports is None:
        return Allow(peers, None)
    return Allow(peers, _merged(found for port in rule.ports for found in _at(port, target)))


def _egress(
    rule: Rule, peers: tuple[Network, ...] | None, pods: Sequence[_Live]
) -> Iterator[Allow]:
    """Numbers hold for all peers at once; a name is resolved by each destination for itself."""
    if rule.ports is None:
        yield Allow(peers, None)
        return
    numeric = (Ports(port.protocol, port.low, port.high) for port in rule.ports if not port.name)
    yield Allow(peers, _merged(numeric))
    names = [port for port in rule.ports if port.name]
    for pod in pods if names else ():
        ports = _merged(found for port in names for found in _at(port, pod))
        reached = (net for net in pod.networks if ports and _within(net, peers))
        yield Allow(tuple(reached), ports)


def _within(host: Any, networks: tuple[Any, ...] | None) -> bool:
    if networks is None:
        return True
    return any(host.version == net.version and host.subnet_of(net) for net in networks)


def _at(port: Port, pod: _Live) -> Iterator[Ports]:
    if not port.name:
        yield Ports(port.protocol, port.low, port.high)
        return
    for name, ports in pod.named:
        if name == port.name and ports.protocol == port.protocol:
            yield ports


def _merged(ports: Iterable[Ports]) -> tuple[Ports, ...]:
    """The same ports without overlaps, which nftables refuses."""
    merged: list[Ports] = []
    for port in sorted(set(ports)):
        last = merged[-1] if merged else None
        if last and last.protocol == port.protocol and port.low <= last.high + 1:
            merged[-1] = Ports(last.protocol, last.low, max(last.high, port.high))
        else:
            merged.append(port)
    return tuple(merged)


def _live(pods: Iterable[Object]) -> tuple[list[_Live], tuple[str, ...]]:
    """Pods with an address of their own. One that two pods claim is nobody's, so it is closed."""
    found = [
        (pod, _addresses(pod))
        for pod in pods
        if not (pod.get("spec") or {}).get("hostNetwork")
        and (pod.get("status") or {}).get("phase") not in _FINISHED
    ]
    claims = Counter(ip for _, ips in found for ip in ips)
    live = [
        _Live(
            pod["metadata"]["namespace"],
            _labels(pod),
            tuple(ip for ip in ips if claims[ip] == 1),
            tuple(_named(pod)),
        )
        for pod, ips in found
    ]
    twice = (ip for ip, count in claims.items() if count > 1)
    return [pod for pod in live if pod.addresses], tuple(
        f"The address {ip} is claimed by {claims[ip]} running pods; it is closed until one of "
        "them is gone."
        for ip in twice
    )


def _addresses(pod: Object) -> tuple[Address, ...]:
    """Its addresses; what is none stays unknown, and unknown addresses are closed."""
    status = pod.get("status") or {}
    texts = [entry.get("ip") for entry in status.get("podIPs") or []] or [status.get("podIP")]
    found = []
    for text in dict.fromkeys(texts):
        try:
            found.append(address(text))
        except ValueError:
            continue
    return tuple(found)


def _named(pod: Object) -> Iterator[tuple[str, Ports]]:
    spec = pod.get("spec") or {}
    sidecars = (
        container
        for container in spec.get("initContainers") or []
        if container.get("restartPolicy") == "Always"
    )
    for container in (*(spec.get("containers") or []), *sidecars):
        for port in container.get("ports") or []:
            if name := port.get("name"):
                number = port["containerPort"]
                yield name, Ports(port.get("protocol") or "TCP", number, number)


def _labels(obj: Object) -> Mapping[str, str]:
    labels: Mapping[str, str] = obj["metadata"].get("labels") or {}
    return labels
