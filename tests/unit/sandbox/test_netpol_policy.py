"""NetworkPolicies are read strictly: what is not understood isolates and allows nothing."""

from ipaddress import ip_network
from typing import Any

import pytest

from interlock_sandbox.netpol import policy
from interlock_sandbox.netpol.policy import ALL_PORTS, PodPeer, Policy, Port, Selector

Object = dict[str, Any]


def read(spec: object) -> tuple[Policy, str]:
    return policy.read({"metadata": {"namespace": "n", "name": "p"}, "spec": spec})


def good(**spec: Any) -> Policy:
    found, problem = read({"podSelector": {}, **spec})
    assert problem == ""
    return found


def peer(value: object) -> Object:
    return {"ingress": [{"from": [value]}]}


def port(value: object) -> Object:
    return {"ingress": [{"ports": [value]}]}


def selector(value: object) -> Selector:
    return good(podSelector=value).selects


@pytest.mark.parametrize(
    ("spec", "isolated"),
    [
        ({}, (True, False)),
        ({"egress": []}, (True, False)),
        ({"egress": [{}]}, (True, True)),
        ({"policyTypes": ["Egress"]}, (False, True)),
        ({"policyTypes": ["Ingress"], "egress": [{}]}, (True, False)),
        ({"policyTypes": ["Egress"], "ingress": [{}]}, (False, True)),
        ({"policyTypes": ["Ingress", "Egress"]}, (True, True)),
    ],
)
def test_which_directions_a_policy_isolates(spec: Object, isolated: tuple[bool, bool]) -> None:
    found = good(**spec)
    assert (found.ingress is not None, found.egress is not None) == isolated


def test_a_list_that_is_empty_is_everybody_and_every_port() -> None:
    rules: tuple[Object, ...] = ({}, {"from": [], "ports": []}, {"from": None, "ports": None})
    for rule in rules:
        (found,) = good(ingress=[rule]).ingress or ()
        assert (found.pods, found.ports) == (None, None)


def test_a_peer_that_is_a_block_alone_is_not_everybody() -> None:
    (found,) = good(**peer({"ipBlock": {"cidr": "10.0.0.0/24"}})).ingress or ()
    assert found.pods == ()
    assert found.blocks == (ip_network("10.0.0.0/24"),)


def test_peers_by_namespace_pod_or_both() -> None:
    web = {"matchLabels": {"app": "web"}}
    peers = [{"podSelector": web}, {"namespaceSelector": {}}, {"namespaceSelector": web} | peer_pod]
    (found,) = good(ingress=[{"from": peers}]).ingress or ()
    chosen = selector(web)
    assert found.pods == (
        PodPeer(None, chosen),
        PodPeer(Selector(), Selector()),
        PodPeer(chosen, Selector()),
    )


peer_pod: Object = {"podSelector": {}}


@pytest.mark.parametrize(
    ("cidr", "holes", "left"),
    [
        ("10.0.0.0/30", [], ["10.0.0.0/30"]),
        ("10.0.0.9/30", [], ["10.0.0.8/30"]),
        ("10.0.0.0/30", ["10.0.0.1/32"], ["10.0.0.0/32", "10.0.0.2/31"]),
        ("10.0.0.0/30", ["10.0.0.0/31", "10.0.0.0/32"], ["10.0.0.2/31"]),
        ("10.0.0.0/30", ["10.9.0.0/16"], ["10.0.0.0/30"]),
        ("10.0.0.0/30", ["10.0.0.0/8"], []),
        ("fd00::/127", ["fd00::1/128"], ["fd00::/128"]),
    ],
)
def test_a_block_is_what_its_exceptions_leave(cidr: str, holes: list[str], left: list[str]) -> None:
    found = good(**peer({"ipBlock": {"cidr": cidr, "except": holes}}))
    assert [str(net) for net in (found.ingress or ())[0].blocks] == left


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({}, Port("TCP", *ALL_PORTS)),
        ({"protocol": "UDP"}, Port("UDP", *ALL_PORTS)),
        ({"port": 80}, Port("TCP", 80, 80)),
        ({"port": 80, "endPort": 90, "protocol": "SCTP"}, Port("SCTP", 80, 90)),
        ({"port": "http"}, Port("TCP", 0, 0, "http")),
    ],
)
def test_ports(value: Object, expected: Port) -> None:
    assert (good(**port(value)).ingress or ())[0].ports == (expected,)


NUMBER = {"key": "a", "operator": "NotIn", "values": [1]}
LABELS = {"app": "web", "empty": ""}


@pytest.mark.parametrize(
    ("term", "holds"),
    [
        ({"key": "app", "operator": "In", "values": ["web", "db"]}, True),
        ({"key": "app", "operator": "In", "values": ["db"]}, False),
        ({"key": "none", "operator": "In", "values": ["db"]}, False),
        ({"key": "app", "operator": "NotIn", "values": ["db"]}, True),
        ({"key": "app", "operator": "NotIn", "values": ["web"]}, False),
        ({"key": "none", "operator": "NotIn", "values": ["web"]}, True),
        ({"key": "empty", "operator": "Exists"}, True),
        ({"key": "none", "operator": "Exists"}, False),
        ({"key": "none", "operator": "DoesNotExist"}, True),
        ({"key": "empty", "operator": "DoesNotExist"}, False),
    ],
)
def test_operators_as_the_api_server_evaluates_them(term: Object, holds: bool) -> None:
    assert selector({"matchExpressions": [term]}).matches(LABELS) is holds


def test_all_terms_of_a_selector_must_hold() -> None:
    term = {"key": "none", "operator": "Exists"}
    both = selector({"matchLabels": {"app": "web"}, "matchExpressions": [term]})
    assert not both.matches(LABELS)
    assert both.matches({**LABELS, "none": "x"})
    assert not selector({"matchLabels": {"none": ""}}).matches(LABELS)
    assert selector({}).matches({})


@pytest.mark.parametrize(
    "spec",
    [
        {"unheard": 1},
        {"policyTypes": ["Sideways"]},
        {"policyTypes": "Ingress"},
        {"ingress": {}},
        {"ingress": [[]]},
        {"ingress": [{"to": []}]},
        {"egress": [{"from": []}]},
        {"policyTypes": ["Ingress"], "egress": [{"to": [{"serviceSelector": {}}]}]},
        peer({}),
        peer({"podSelector": None}),
        peer({"serviceSelector": {}, "podSelector": {}}),
        peer({"ipBlock": {"cidr": "10.0.0.0/8"}, "podSelector": {}}),
        peer({"ipBlock": {}}),
        peer({"ipBlock": {"cidr": "10.0.0.0/33"}}),
        peer({"ipBlock": {"cidr": 7}}),
        peer({"ipBlock": {"cidr": "fe80::1%x; flush ruleset"}}),
        peer({"ipBlock": {"cidr": "10.0.0.0/8", "except": ["fd00::/8"]}}),
        peer({"ipBlock": {"cidr": "10.0.0.0/8", "except": "10.0.0.0/9"}}),
        peer({"podSelector": {"matchFields": {}}}),
        peer({"podSelector": {"matchLabels": ["app"]}}),
        peer({"podSelector": {"matchLabels": {"app": 1}}}),
        peer({"podSelector": {"matchExpressions": [{"key": "a", "operator": "Like"}]}}),
        peer({"podSelector": {"matchExpressions": [{"key": "a", "operator": "In"}]}}),
        peer({"podSelector": {"matchExpressions": [{"key": 1, "operator": "Exists"}]}}),
        peer(
            {
                "podSelector": {
                    "matchExpressions": [{"key": "a", "operator": "NotIn", "values": [1]}]
                }
            }
        ),
        port({"port": 0}),
        port({"port": 65536}),
        port({"port": True}),
        port({"port": ""}),
        port({"port": 80.0}),
        port({"port": 80, "endPort": 79}),
        port({"port": "http", "endPort": 90}),
        port({"endPort": 90}),
        port({"protocol": "ICMP"}),
        port({"protocol": ["TCP"]}),
        port(80),
    ],
)
def test_what_is_malformed_isolates_both_ways_and_allows_nothing(spec: Object) -> None:
    only = {"matchLabels": {"app": "web"}}
    found, problem = read({"podSelector": only, **spec})
    assert found == Policy("n", selector(only), (), ())
    assert problem.startswith("NetworkPolicy n/p cannot be read: ")


@pytest.mark.parametrize("spec", [None, [], {"podSelector": 7}, {"podSelector": {"app": "web"}}])
def test_who_is_selected_by_something_malformed_is_everybody_in_its_namespace(spec: Any) -> None:
    found, problem = read(spec)
    assert found == Policy("n", Selector(), (), ())
    assert problem
