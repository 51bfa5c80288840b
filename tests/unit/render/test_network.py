"""Reachability is exactly what was declared: an evaluator of networking/v1 judges what renders."""

from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.api.kinds import AgentDeploymentSpec
from interlock.render import Unrenderable
from interlock.render.network import edges

REVISION = "press-ababababab"
IMAGE = f"registry.example/agents/press@sha256:{'ab' * 32}"
NAMESPACES = ("line-4", "line-5")
LABELS: tuple[dict[str, str], ...] = ({}, {"app": "mes"}, {"app": "mes", "zone": "4"})
PORTS = (443, 8443, 8080)
Pod = tuple[str, tuple[tuple[str, str], ...]]
PODS: list[Pod] = [(space, tuple(labels.items())) for space in NAMESPACES for labels in LABELS]


def spec_of(**network: Any) -> AgentDeploymentSpec:
    return AgentDeploymentSpec.model_validate(
        {"riskTier": "low", "image": IMAGE, "port": 8080, "network": network}
    )


def selects(peer: dict[str, Any], pod: Pod) -> bool:
    """networking/v1: both selectors of one peer must match; an absent podSelector matches all."""
    if "namespaceSelector" not in peer:
        return False
    space, labels = pod
    wanted = peer["namespaceSelector"]["matchLabels"]
    inside = wanted.items() <= {"kubernetes.io/metadata.name": space}.items()
    return bool(
        inside
        and peer.get("podSelector", {"matchLabels": {}})["matchLabels"].items() <= set(labels)
    )


def reachable(policies: list[dict[str, Any]], rules: str, side: str) -> set[tuple[Pod, int]]:
    return {
        (pod, port)
        for policy in policies
        for rule in policy.get(rules, [])
        for peer in rule[side]
        for pod in PODS
        for port in PORTS
        if selects(peer, pod) and port in {entry["port"] for entry in rule["ports"]}
    }


def declared(space: str, labels: dict[str, str], port: int) -> set[tuple[Pod, int]]:
    return {
        (pod, port) for pod in PODS if pod[0] == space and labels.items() <= dict(pod[1]).items()
    }


PEER = st.tuples(st.sampled_from(NAMESPACES), st.sampled_from(LABELS))
EGRESS = st.lists(st.tuples(PEER, st.sampled_from(PORTS)), max_size=4)


@given(outward=EGRESS, inward=st.lists(PEER, max_size=4))
def test_reachability_is_exactly_the_declared_edges(
    outward: list[tuple[tuple[str, dict[str, str]], int]], inward: list[tuple[str, dict[str, str]]]
) -> None:
    spec = spec_of(
        egress=[
            {"to": {"namespace": space, "labels": labels}, "port": port, "reason": "x"}
            for (space, labels), port in outward
        ],
        ingress=[{"from": {"namespace": space, "labels": labels}} for space, labels in inward],
    )
    policies = [policy for _, policy in edges(REVISION, spec)]
    assert len(policies) == len(outward) + len(inward)
    assert reachable(policies, "egress", "to") == set().union(
        *(declared(space, labels, port) for (space, labels), port in outward)
    )
    assert reachable(policies, "ingress", "from") == set().union(
        *(declared(space, labels, spec.port) for space, labels in inward)
    )


@given(outward=EGRESS, inward=st.lists(PEER, max_size=4))
def test_each_policy_has_one_direction_one_rule_one_peer_and_this_revision(
    outward: list[tuple[tuple[str, dict[str, str]], int]], inward: list[tuple[str, dict[str, str]]]
) -> None:
    spec = spec_of(
        egress=[
            {"to": {"namespace": space, "labels": labels}, "port": port, "reason": "x"}
            for (space, labels), port in outward
        ],
        ingress=[{"from": {"namespace": space, "labels": labels}} for space, labels in inward],
    )
    named = dict(edges(REVISION, spec))
    assert len(named) == len(outward) + len(inward)
    for name, policy in named.items():
        (direction,) = policy["policyTypes"]
        (rule,) = policy[direction.lower()]
        (peer,) = rule["to" if direction == "Egress" else "from"]
        assert peer
        assert rule["ports"]
        assert policy["podSelector"] == {"matchLabels": {"interlock.dev/revision": REVISION}}
        assert name.startswith(f"{REVISION}-{direction.lower()}-")


NEVER = [
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "::1",
    "fe80::1",
    "fd00:ec2::254",
    "::ffff:169.254.169.254",
]


@given(
    st.one_of(
        st.builds(
            lambda number, length: str(ip_network((number, length), strict=False)),
            st.integers(0, 2**32 - 1),
            st.integers(0, 32),
        ),
        st.builds(
            lambda number, length: str(ip_network((number, length), strict=False)),
            st.integers(2**32, 2**128 - 1),
            st.integers(0, 128),
        ),
        st.sampled_from(["0.0.0.0/0", "::/0", "128.0.0.0/1", "169.254.0.0/15", "126.0.0.0/7"]),
    )
)
def test_no_cidr_ever_opens_loopback_link_local_or_metadata(cidr: str) -> None:
    spec = spec_of(egress=[{"to": {"cidr": cidr}, "port": 443, "reason": "x"}])
    try:
        ((_, policy),) = edges(REVISION, spec)
    except Unrenderable:
        return
    block = policy["egress"][0]["to"][0]["ipBlock"]
    excepts = [ip_network(each) for each in block.get("except", [])]
    assert block["cidr"] == cidr
    for address in map(ip_address, NEVER):
        inside = address in ip_network(cidr)
        assert not inside or any(address in each for each in excepts)
    # The API server takes only strict parts of the block as exceptions.
    outer = ip_network(cidr)
    assert all(each != outer and each.subnet_of(outer) for each in excepts)  # type: ignore[arg-type]


def test_the_whole_internet_is_open_only_with_its_exceptions() -> None:
    spec = spec_of(egress=[{"to": {"cidr": "0.0.0.0/0"}, "port": 443, "reason": "x"}])
    ((_, policy),) = edges(REVISION, spec)
    assert policy["egress"][0]["to"] == [
        {"ipBlock": {"cidr": "0.0.0.0/0", "except": ["127.0.0.0/8", "169.254.0.0/16"]}}
    ]


def test_a_plain_network_needs_no_exception() -> None:
    spec = spec_of(ingress=[{"from": {"cidr": "10.1.0.0/16"}}])
    ((_, policy),) = edges(REVISION, spec)
    assert policy["ingress"][0]["from"] == [{"ipBlock": {"cidr": "10.1.0.0/16"}}]


@pytest.mark.parametrize(
    "cidr",
    [
        "169.254.169.254/32",
        "169.254.0.0/16",
        "127.0.0.0/8",
        "127.0.0.1/32",
        "::1/128",
        "::ffff:127.0.0.1/128",
        "fe80::/64",
    ],
)
def test_a_network_inside_the_forbidden_ones_is_refused(cidr: str) -> None:
    spec = spec_of(egress=[{"to": {"cidr": cidr}, "port": 80, "reason": "x"}])
    with pytest.raises(Unrenderable, match=r"network.egress\[0\].to.cidr is .*no agent may reach"):
        list(edges(REVISION, spec))


@pytest.mark.parametrize(
    "cidr", ["10.0.0.1/8", "300.1.1.1/8", "10.0.0.0/40", "::::/1", "01.2.3.4/32"]
)
def test_what_is_no_network_is_refused(cidr: str) -> None:
    spec = spec_of(egress=[{"to": {"cidr": cidr}, "port": 80, "reason": "x"}])
    with pytest.raises(Unrenderable, match="expected a network"):
        list(edges(REVISION, spec))


def test_labels_beside_a_cidr_are_refused_because_they_would_not_narrow_it() -> None:
    spec = spec_of(ingress=[{"from": {"cidr": "10.0.0.0/8", "labels": {"app": "mes"}}}])
    with pytest.raises(Unrenderable, match=r"network.ingress\[0\].from has labels beside a cidr"):
        list(edges(REVISION, spec))


@pytest.mark.parametrize("health", [{"http": "/healthz"}, {"grpc": ""}])
def test_an_agent_that_is_probed_is_open_to_the_controller_on_its_port_alone(
    health: dict[str, str],
) -> None:
    base = {"riskTier": "low", "image": IMAGE, "port": 9000}
    spec = AgentDeploymentSpec.model_validate(base | {"health": health})
    found = dict(edges("press-ab", spec))
    assert list(found) == ["press-ab-probe"]
    (rule,) = found["press-ab-probe"]["ingress"]
    (peer,) = rule["from"]
    assert peer["namespaceSelector"]["matchLabels"] == {
        "kubernetes.io/metadata.name": "interlock-system"
    }
    assert peer["podSelector"]["matchLabels"] == {"app.kubernetes.io/component": "controller"}
    assert rule["ports"] == [{"protocol": "TCP", "port": 9000}]
