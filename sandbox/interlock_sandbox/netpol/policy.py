"""Reads a NetworkPolicy strictly: what is not understood must never open anything.

A policy is an allow list, so a rule that was read wrongly lets traffic through. Whatever is of an
unknown shape raises `Malformed`, and the caller isolates the pods without allowing anything.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    collapse_addresses,
    ip_address,
    ip_network,
)
from typing import Any, TypeVar

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
PROTOCOLS = ("TCP", "UDP", "SCTP")
ALL_PORTS = (0, 65535)
_T = TypeVar("_T")


class Malformed(ValueError):
    """A policy, or a part of one, that cannot be read: what was got and what was expected."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """One term of a label selector, as Kubernetes evaluates it."""

    key: str
    operator: str
    values: frozenset[str]

    def holds(self, labels: Mapping[str, str]) -> bool:
        """Whether `labels` meet it; a missing key meets NotIn, as in the API server."""
        value = labels.get(self.key)
        if self.operator == "In":
            return value is not None and value in self.values
        if self.operator == "NotIn":
            return value is None or value not in self.values
        return (value is not None) == (self.operator == "Exists")


@dataclass(frozen=True, slots=True)
class Selector:
    """A label selector; one without requirements matches everything."""

    requirements: tuple[Requirement, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether all requirements hold."""
        return all(requirement.holds(labels) for requirement in self.requirements)


@dataclass(frozen=True, slots=True)
class PodPeer:
    """Pods by label, in the policy's own namespace unless `namespaces` selects others."""

    namespaces: Selector | None
    pods: Selector


@dataclass(frozen=True, slots=True)
class Port:
    """Ports of one protocol: a range, or `name`, which each destination pod resolves itself."""

    protocol: str
    low: int
    high: int
    name: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """Who may talk at which ports; None is anybody and everything."""

    pods: tuple[PodPeer, ...] | None
    blocks: tuple[Network, ...]
    ports: tuple[Port, ...] | None


@dataclass(frozen=True, slots=True)
class Policy:
    """A NetworkPolicy; a direction that is None is not isolated by it."""

    namespace: str
    selects: Selector
    ingress: tuple[Rule, ...] | None
    egress: tuple[Rule, ...] | None


def read(obj: Mapping[str, Any]) -> tuple[Policy, str]:
    """The policy and what is wrong with it, "" for nothing; what is wrong allows nothing."""
    namespace, name = obj["metadata"]["namespace"], obj["metadata"]["name"]
    try:
        return _policy(namespace, _dict(obj.get("spec"), "spec", *_SPEC)), ""
    except Malformed as error:
        closed = Policy(namespace, _selects(obj), (), ())
        return closed, (
            f"NetworkPolicy {namespace}/{name} cannot be read: {error}. The pods that it selects "
            "are isolated in both directions until it is repaired; it allows nothing."
        )


_SPEC = ("podSelector", "policyTypes", "ingress", "egress")


def _selects(obj: Mapping[str, Any]) -> Selector:
    """The pods of a policy that is malformed elsewhere; all of its namespace if need be."""
    try:
        return _selector(obj["spec"]["podSelector"], "podSelector")
    except (Malformed, TypeError, KeyError):
        return Selector()


def _policy(namespace: str, spec: Mapping[str, Any]) -> Policy:
    types = _types(spec)
    ingress = _list(spec.get("ingress"), "ingress", lambda rule, at: _rule(rule, at, "from"))
    egress = _list(spec.get("egress"), "egress", lambda rule, at: _rule(rule, at, "to"))
    return Policy(
        namespace=namespace,
        selects=_selector(spec.get("podSelector") or {}, "podSelector"),
        ingress=ingress if "Ingress" in types else None,
        egress=egress if "Egress" in types else None,
    )


def _types(spec: Mapping[str, Any]) -> tuple[str, ...]:
    types = _list(spec.get("policyTypes"), "policyTypes", _one_of("Ingress", "Egress"))
    if types:
        return types
    return ("Ingress", "Egress") if spec.get("egress") else ("Ingress",)


def _rule(value: object, at: str, peers_key: str) -> Rule:
    rule = _dict(value, at, peers_key, "ports")
    peers = _list(rule.get(peers_key), f"{at}.{peers_key}", _peer)
    ports = _list(rule.get("ports"), f"{at}.ports", _port)
    return Rule(
        pods=tuple(peer for peer in peers if isinstance(peer, PodPeer)) if peers else None,
        blocks=tuple(net for peer in peers if not isinstance(peer, PodPeer) for net in peer),
        ports=ports or None,
    )


def _peer(value: object, at: str) -> PodPeer | tuple[Network, ...]:
    peer = _dict(value, at, "podSelector", "namespaceSelector", "ipBlock")
    found = {key for key in peer if peer[key] is not None}
    if found == {"ipBlock"}:
        return _block(peer["ipBlock"], f"{at}.ipBlock")
    if not found or "ipBlock" in found:
        raise Malformed(f"{at} is {sorted(found)}, expected selectors or an ipBlock alone")
    spaces = peer.get("namespaceSelector")
    return PodPeer(
        namespaces=None if spaces is None else _selector(spaces, f"{at}.namespaceSelector"),
        pods=_selector(peer.get("podSelector") or {}, f"{at}.podSelector"),
    )


def _block(value: object, at: str) -> tuple[Network, ...]:
    """The block without its exceptions: plain networks, so that nothing has to subtract later."""
    block = _dict(value, at, "cidr", "except")
    whole = network(block.get("cidr"), f"{at}.cidr")
    left = [whole]
    for hole in _list(block.get("except"), f"{at}.except", network):
        if hole.version != whole.version:
            raise Malformed(f"{at}.except has {hole}, expected a part of {whole}")
        left = [part for net in left for part in _minus(net, hole)]
    return merge(left)


def _minus(net: Any, hole: Any) -> list[Network]:
    if not net.overlaps(hole):
        return [net]
    return [] if net.subnet_of(hole) else list(net.address_exclude(hole))


def merge(networks: Sequence[Network]) -> tuple[Network, ...]:
    """The same addresses in as few networks as possible, IPv4 first; none overlaps another."""
    four = collapse_addresses(net for net in networks if isinstance(net, IPv4Network))
    six = collapse_addresses(net for net in networks if isinstance(net, IPv6Network))
    return (*four, *six)


def network(value: object, at: str) -> Network:
    """A network; bits behind its prefix are ignored, as Kubernetes does."""
    try:
        return ip_network(_plain(value), strict=False)
    except ValueError as error:
        raise Malformed(f"{at} is {value!r}, expected a network such as 10.0.0.0/8") from error


def address(value: object) -> Address:
    """An address of a pod. Raises ValueError."""
    return ip_address(_plain(value))


def _plain(value: object) -> str:
    """Text without a zone: Python would take `fe80::1%anything`, and print it again."""
    if not isinstance(value, str) or "%" in value:
        raise ValueError(f"{value!r} is no plain address")
    return value


def _port(value: object, at: str) -> Port:
    entry = _dict(value, at, "protocol", "port", "endPort")
    protocol = _one_of(*PROTOCOLS)(entry.get("protocol") or "TCP", f"{at}.protocol")
    port, end = entry.get("port"), entry.get("endPort")
    if isinstance(port, str) and port and end is None:
        return Port(protocol, 0, 0, port)
    if port is None and end is None:
        return Port(protocol, *ALL_PORTS)
    low = _number(port, f"{at}.port")
    high = low if end is None else _number(end, f"{at}.endPort")
    if high < low:
        raise Malformed(f"{at}.endPort is {high}, expected at least the port, {low}")
    return Port(protocol, low, high)


def _number(value: object, at: str) -> int:
    if type(value) is not int or not 1 <= value <= ALL_PORTS[1]:
        raise Malformed(f"{at} is {value!r}, expected a port number from 1 to {ALL_PORTS[1]}")
    return value


def _selector(value: object, at: str) -> Selector:
    selector = _dict(value, at, "matchLabels", "matchExpressions")
    labels = selector.get("matchLabels") or {}
    if not isinstance(labels, dict) or not all(isinstance(text, str) for text in labels.values()):
        raise Malformed(f"{at}.matchLabels is {labels!r}, expected text by key")
    equal = (Requirement(key, "In", frozenset({text})) for key, text in labels.items())
    expressions = _list(selector.get("matchExpressions"), f"{at}.matchExpressions", _requirement)
    return Selector((*equal, *expressions))


def _requirement(value: object, at: str) -> Requirement:
    term = _dict(value, at, "key", "operator", "values")
    operator = _one_of("In", "NotIn", "Exists", "DoesNotExist")(
        term.get("operator"), f"{at}.operator"
    )
    values = _list(term.get("values"), f"{at}.values", _text)
    if bool(values) != (operator in ("In", "NotIn")):
        raise Malformed(f"{at} has {len(values)} values, which {operator} does not take")
    return Requirement(_text(term.get("key"), f"{at}.key"), operator, frozenset(values))


def _text(value: object, at: str) -> str:
    if not isinstance(value, str):
        raise Malformed(f"{at} is {value!r}, expected text")
    return value


def _one_of(*known: str) -> Callable[[object, str], str]:
    def check(value: object, at: str) -> str:
        if value not in known:
            raise Malformed(f"{at} is {value!r}, expected one of {', '.join(known)}")
        return str(value)

    return check


def _dict(value: object, at: str, *known: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise Malformed(f"{at} is {value!r}, expected an object")
    if unknown := set(value) - set(known):
        raise Malformed(f"{at} has the unknown field {min(unknown, key=str)!r}")
    return value


def _list(value: object, at: str, read_one: Callable[[object, str], _T]) -> tuple[_T, ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise Malformed(f"{at} is {value!r}, expected a list")
    return tuple(read_one(item, f"{at}[{index}]") for index, item in enumerate(value))
