"""Labels and names become addresses and numbers: what cyclonus is not asked about."""

from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from interlock_sandbox.netpol.model import Allow, Model, Pod, Ports, resolve

Object = dict[str, Any]


def pod(name: str, *ips: str, namespace: str = "n", **more: Any) -> Object:
    status = {"phase": more.pop("phase", "Running"), "podIPs": [{"ip": ip} for ip in ips]}
    meta = {"namespace": namespace, "name": name, "labels": {"name": name}}
    return {"metadata": meta, "spec": more, "status": status}


def policy(namespace: str = "n", **spec: Any) -> Object:
    meta = {"namespace": namespace, "name": "p"}
    return {"metadata": meta, "spec": {"podSelector": {}, **spec}}


def model(pods: list[Object], *policies: Object) -> Model:
    spaces = [{"metadata": {"name": name, "labels": {"is": name}}} for name in ("n", "m")]
    return resolve(spaces, pods, policies)


def nets(*texts: str) -> tuple[Any, ...]:
    return tuple(ip_network(text) for text in texts)


def named(name: str) -> Object:
    return {"matchLabels": {"name": name}}


A, B = pod("a", "10.0.0.1"), pod("b", "10.0.0.2")


def test_a_pod_that_no_policy_selects_is_not_isolated() -> None:
    found = model([A], policy("m"), policy(podSelector=named("b"), policyTypes=["Egress"]))
    assert found.pods == (Pod((ip_address("10.0.0.1"),), None, None),)


def test_policies_of_one_pod_are_added_up() -> None:
    first = policy(ingress=[{"from": [{"podSelector": named("b")}]}])
    second = policy(podSelector=named("a"), ingress=[{"ports": [{"port": 80}]}])
    a, b = model([A, B], first, second).pods
    from_b = Allow(nets("10.0.0.2"), None)
    assert a.ingress == (from_b, Allow(None, (Ports("TCP", 80, 80),)))
    assert b.ingress == (from_b,)
    assert a.egress is None


def test_a_rule_that_no_packet_meets_is_left_out_and_isolates_still() -> None:
    rules = [{"from": [{"podSelector": named("nobody")}]}, {"ports": [{"port": "absent"}]}]
    (a,) = model([A], policy(ingress=rules)).pods
    assert a.ingress == ()


@pytest.mark.parametrize(
    "gone",
    [
        pod("b", "10.0.0.2", phase="Succeeded"),
        pod("b", "10.0.0.2", phase="Failed"),
        pod("b", "10.0.0.2", hostNetwork=True),
        pod("b"),
        pod("b", "what"),
        pod("b", "fe80::1%x; flush ruleset"),
    ],
)
def test_who_has_no_address_of_its_own_is_neither_target_nor_peer(gone: Object) -> None:
    found = model([A, gone], policy(ingress=[{"from": [{"podSelector": named("b")}]}]))
    assert found.pods == (Pod((ip_address("10.0.0.1"),), (), None),)


def test_a_pod_that_starts_or_ends_counts_and_so_does_the_old_status_field() -> None:
    starting, old = pod("b", "10.0.0.2", phase="Pending"), pod("c")
    old["status"]["podIP"] = "10.0.0.3"
    old["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert [str(each.addresses[0]) for each in model([starting, old]).pods] == [
        "10.0.0.2",
        "10.0.0.3",
    ]


def test_an_address_that_two_pods_claim_is_nobodys() -> None:
    found = model([A, pod("b", "10.0.0.1", "fd00::2"), pod("c", "10.0.0.9", phase="Failed")])
    assert found.pods == (Pod((ip_address("fd00::2"),), None, None),)
    (problem,) = found.problems
    assert "10.0.0.1 is claimed by 2 running pods" in problem


def test_a_pod_selector_alone_stays_in_its_own_namespace() -> None:
    stranger = pod("b", "10.0.0.3", namespace="m")
    found = model([A, B, stranger], policy(ingress=[{"from": [{"podSelector": named("b")}]}]))
    assert found.pods[0].ingress == (Allow(nets("10.0.0.2"), None),)


def test_neighbouring_addresses_are_merged_in_both_families() -> None:
    pods = [pod(f"p{i}", f"10.0.0.{i}", f"fd00::{i}", namespace="m") for i in range(2)]
    peer = {"namespaceSelector": {"matchLabels": {"is": "m"}}}
    block = {"ipBlock": {"cidr": "10.0.0.0/31"}}
    (a, *_) = model([A | {}, *pods[:1]], policy(ingress=[{"from": [peer, block]}])).pods
    assert a.ingress == (Allow(nets("10.0.0.0/31", "fd00::/128"), None),)


def test_pods_of_a_namespace_that_is_not_known_yet_are_selected_by_no_selector() -> None:
    stranger = pod("b", "10.0.0.2", namespace="unseen")
    missing = {"matchExpressions": [{"key": "x", "operator": "DoesNotExist"}]}
    for spaces in ({}, missing):
        everyone = policy(ingress=[{"from": [{"namespaceSelector": spaces}]}])
        a, _ = model([A, stranger], everyone).pods
        assert a.ingress == (Allow(nets("10.0.0.1"), None),)


def container(*ports: tuple[str, int, str]) -> Object:
    return {"ports": [{"name": n, "containerPort": p, "protocol": proto} for n, p, proto in ports]}


HTTP = container(("http", 8080, "TCP"), ("http", 5353, "UDP"))
OTHER = container(("http", 9090, "TCP"))


def test_a_name_at_the_receiver_is_its_own_port_of_that_protocol() -> None:
    pods = [pod("a", "10.0.0.1", containers=[HTTP]), pod("b", "10.0.0.2", containers=[OTHER])]
    a, b = model(pods, policy(ingress=[{"ports": [{"port": "http"}]}])).pods
    assert a.ingress == (Allow(None, (Ports("TCP", 8080, 8080),)),)
    assert b.ingress == (Allow(None, (Ports("TCP", 9090, 9090),)),)


def test_a_name_to_send_to_is_another_port_at_each_peer() -> None:
    sidecar = {**OTHER, "restartPolicy": "Always"}
    pods = [
        A,
        pod("b", "10.0.0.2", "fd00::2", containers=[HTTP]),
        pod("c", "10.0.0.3", containers=[], initContainers=[sidecar]),
        pod("d", "10.0.0.4", containers=[], initContainers=[OTHER]),
        pod("e", "10.9.0.5", containers=[HTTP]),
    ]
    block = {"ipBlock": {"cidr": "10.0.0.0/24"}}
    rule = {"to": [block], "ports": [{"port": "http"}, {"port": 80}]}
    a, *_ = model(pods, policy(policyTypes=["Egress"], egress=[rule])).pods
    assert a.egress == (
        Allow(nets("10.0.0.0/24"), (Ports("TCP", 80, 80),)),
        Allow(nets("10.0.0.2/32"), (Ports("TCP", 8080, 8080),)),
        Allow(nets("10.0.0.3/32"), (Ports("TCP", 9090, 9090),)),
    )


def test_a_name_to_send_to_anybody_is_every_pod_that_has_it() -> None:
    pods = [A, pod("b", "10.0.0.2", containers=[HTTP])]
    rule = {"ports": [{"port": "http", "protocol": "UDP"}]}
    a, _ = model(pods, policy(policyTypes=["Egress"], egress=[rule])).pods
    assert a.egress == (Allow(nets("10.0.0.2/32"), (Ports("UDP", 5353, 5353),)),)


def test_overlapping_ports_are_merged_a_protocol() -> None:
    ports: list[Object] = [
        {"port": 80, "endPort": 90},
        {"port": 85, "endPort": 95},
        {"port": 96},
        {"port": 98},
    ]
    ports += [{"port": 81, "endPort": 82}, {"protocol": "UDP", "port": 97}]
    (a,) = model([A], policy(ingress=[{"ports": ports}])).pods
    (allow,) = a.ingress or ()
    assert allow.ports == (Ports("TCP", 80, 96), Ports("TCP", 98, 98), Ports("UDP", 97, 97))


def test_a_malformed_policy_closes_whom_it_selects_and_is_named() -> None:
    broken = policy(podSelector=named("a"), ingress=[{"from": [{"new": {}}]}, {}])
    a, b = (found := model([A, B], broken)).pods
    assert (a.ingress, a.egress) == ((), ())
    assert (b.ingress, b.egress) == (None, None)
    assert "NetworkPolicy n/p cannot be read" in found.problems[0]
