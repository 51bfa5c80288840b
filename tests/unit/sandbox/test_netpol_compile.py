"""The text for nft: exact for a small model, and made of addresses and numbers alone."""

import re
from ipaddress import ip_address, ip_network

from interlock_sandbox.netpol.compile import TABLES, next_table, ruleset
from interlock_sandbox.netpol.model import Allow, Model, Pod, Ports, resolve
from interlock_sandbox.netpol.policy import ALL_PORTS

RANGES = (ip_network("10.0.0.0/24"), ip_network("fd00::/64"))
WEB = (
    Allow(
        (ip_network("10.0.0.2"), ip_network("fd00::2")),
        (Ports("TCP", 80, 80), Ports("TCP", 90, 95), Ports("UDP", *ALL_PORTS)),
    ),
    Allow(None, None),
)


def chains(text: str) -> dict[str, list[str]]:
    found = re.findall(r"chain (\S+) \{\n(.*?)\n  \}", text, re.DOTALL)
    return {name: [line.strip() for line in body.split("\n")] for name, body in found}


def elements(text: str) -> dict[str, str]:
    found = re.findall(r"(?:set|map) (\S+) \{\n(.*?)\n  \}", text, re.DOTALL)
    named = {name: re.search(r"elements = \{ (.*) \}", body) for name, body in found}
    return {name: match[1] for name, match in named.items() if match}


def pod(last: int, ingress: tuple[Allow, ...] | None, egress: tuple[Allow, ...] | None) -> Pod:
    return Pod((ip_address(f"10.0.0.{last}"), ip_address(f"fd00::{last}")), ingress, egress)


def test_a_text_replaces_its_own_table_and_no_other() -> None:
    for table in TABLES:
        text = ruleset(Model(), RANGES, table)
        head = f"add table {table}\ndelete table {table}\ntable {table} {{\n"
        assert text.startswith(head)
        assert text.count("table inet ") == 3


def test_the_next_table_is_never_the_only_one_in_force() -> None:
    a, b = TABLES
    assert [next_table(there) for there in ([], [a], [b], [a, b])] == [a, b, a, a]


def test_without_pods_the_whole_range_is_closed() -> None:
    text = ruleset(Model(), RANGES)
    assert elements(text) == {"range4": "10.0.0.0/24", "range6": "fd00::/64"}
    closed = [
        f"{ip} {field} @range{version} {ip} {field} != @pods{version} drop"
        for version, ip in ((4, "ip"), (6, "ip6"))
        for field in ("saddr", "daddr")
    ]
    assert [rule for rule in chains(text)["forward"] if rule.endswith("drop")] == closed
    link = 'iifname "veth*" ip6 saddr fe80::/10 drop'
    dropped = [rule for rule in chains(text)["input"] if rule.endswith("drop")]
    assert dropped == [link, *closed[::2]]


def test_addresses_lead_to_the_chain_of_their_allowances() -> None:
    text = ruleset(Model((pod(1, WEB, ()), pod(3, None, None))), RANGES)
    assert elements(text) == {
        "range4": "10.0.0.0/24",
        "pods4": "10.0.0.1, 10.0.0.3",
        "self4": "10.0.0.1 . 10.0.0.1, 10.0.0.3 . 10.0.0.3",
        "ingress4": "10.0.0.1 : jump ingress-0",
        "egress4": "10.0.0.1 : jump egress-1",
        "range6": "fd00::/64",
        "pods6": "fd00::1, fd00::3",
        "self6": "fd00::1 . fd00::1, fd00::3 . fd00::3",
        "ingress6": "fd00::1 : jump ingress-0",
        "egress6": "fd00::1 : jump egress-1",
    }


def test_a_chain_returns_for_what_is_allowed_and_drops_the_rest() -> None:
    found = chains(ruleset(Model((pod(1, WEB, WEB[:1]), pod(3, (), None))), RANGES))
    assert found["ingress-0"] == [
        "ip saddr { 10.0.0.2/32 } tcp dport { 80, 90-95 } return",
        "ip saddr { 10.0.0.2/32 } meta l4proto udp return",
        "ip6 saddr { fd00::2/128 } tcp dport { 80, 90-95 } return",
        "ip6 saddr { fd00::2/128 } meta l4proto udp return",
        "return",
        "drop",
    ]
    assert found["egress-1"][0] == "ip daddr { 10.0.0.2/32 } tcp dport { 80, 90-95 } return"
    assert found["ingress-2"] == ["drop"]


def test_pods_with_the_same_allowances_share_a_chain() -> None:
    found = chains(ruleset(Model((pod(1, WEB, None), pod(2, WEB, None))), RANGES))
    assert set(found) == {"ingress-0", "forward", "input"}


def test_answers_pass_first_and_a_pod_reaches_itself_before_it_is_judged() -> None:
    forward = chains(ruleset(Model(), RANGES))["forward"]
    assert forward[1] == "ct state established ct direction reply accept"
    own = forward.index("ip saddr . ip daddr @self4 accept")
    assert own < forward.index("ip saddr vmap @egress4") < forward.index("ip daddr vmap @ingress4")


def test_what_reaches_the_node_is_judged_as_sent_and_never_as_received() -> None:
    found = chains(ruleset(Model(), RANGES))["input"]
    assert "ip saddr vmap @egress4" in found
    assert not [rule for rule in found if "ingress" in rule or "daddr" in rule]
    assert found.index('iifname "lo" accept') < found.index("ip saddr vmap @egress4")


def test_no_text_that_a_user_wrote_gets_in() -> None:
    evil = '"; flush ruleset; #'
    meta = {"namespace": evil, "name": evil, "labels": {evil: evil}}
    port = {"name": evil, "containerPort": 80}
    pods = [
        {
            "metadata": meta,
            "spec": {"containers": [{"name": evil, "ports": [port]}]},
            "status": {"podIPs": [{"ip": "10.0.0.1"}]},
        }
    ]
    rule = {"from": [{"podSelector": {"matchLabels": {evil: evil}}}], "ports": [{"port": evil}]}
    policy = {"metadata": meta, "spec": {"podSelector": {}, "ingress": [rule]}}
    space = {"metadata": {"name": evil, "labels": {evil: evil}}}
    text = ruleset(resolve([space], [*pods], [policy]), RANGES)
    assert "ip saddr { 10.0.0.1/32 } tcp dport { 80 } return" in text
    assert "flush" not in text
