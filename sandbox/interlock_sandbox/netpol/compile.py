"""The model as a table of nftables, and how one table takes over from another.

Nothing that a user wrote gets into the text, only addresses and numbers that were parsed. Packets
of a connection's first direction are judged each time, not only the first one, so that a policy
taken away also stops what is already open: an agent under quarantine must not keep its sessions.

A table is not replaced by deleting and adding it in one transaction: between its old and its new
base chain a packet can meet neither (seen in tests). The new one is added beside the old one, and
the old one goes afterwards; in between only passes what both allow.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby

from interlock_sandbox.netpol.model import Allow, Model, Ports
from interlock_sandbox.netpol.policy import ALL_PORTS, Address, Network, merge

TABLES = ("inet interlock-netpol-a", "inet interlock-netpol-b")
"""They take turns."""
_FAMILIES = ((4, "ip", "ipv4_addr"), (6, "ip6", "ipv6_addr"))
_Chains = Mapping[tuple[str, tuple[Allow, ...]], str]
_PASS = (
    "ct state established ct direction reply accept",
    "ct state related accept",
)


def next_table(there: Iterable[str]) -> str:
    """The table to write, given those in force: never the only one, whose rules still hold."""
    return TABLES[1] if set(there) == {TABLES[0]} else TABLES[0]


def removal(table: str) -> str:
    """The text that takes a table away, also where there is none."""
    return f"add table {table}\ndelete table {table}\n"


def ruleset(model: Model, pod_networks: Sequence[Network], table: str = TABLES[0]) -> str:
    """The text for `nft -f -`. Addresses of `pod_networks` that no pod has are closed."""
    chains = _chains(model)
    lines = [f"table {table} {{"]
    for version, _, kind in _FAMILIES:
        lines += _sets(model, pod_networks, chains, version, kind)
    for (direction, allowed), name in chains.items():
        lines += _chain(name, _allowances(direction, allowed), "drop")
    lines += _base("forward", [*_PASS, *_selves(), *_unknown("saddr", "daddr"), *_JUDGE_ALL])
    lines += _base("input", [*_PASS, *_OWN, *_unknown("saddr"), *_JUDGE_EGRESS])
    return removal(table) + "\n".join([*lines, "}", ""])


_JUDGE_EGRESS = tuple(f"{ip} saddr vmap @egress{version}" for version, ip, _ in _FAMILIES)
_JUDGE_ALL = (
    *_JUDGE_EGRESS,
    *(f"{ip} daddr vmap @ingress{version}" for version, ip, _ in _FAMILIES),
)
# What the node says to itself, and finding one's neighbours, without which IPv6 has no link. A
# pod's link-local address is in no map: over it, nothing else may reach the node.
_OWN = (
    'iifname "lo" accept',
    "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-solicit } accept",
    'iifname "veth*" ip6 saddr fe80::/10 drop',
)


def _chains(model: Model) -> _Chains:
    """One chain for each distinct list of allowances; pods of one revision share theirs."""
    chains: dict[tuple[str, tuple[Allow, ...]], str] = {}
    for pod in model.pods:
        for direction, allowed in (("ingress", pod.ingress), ("egress", pod.egress)):
            if allowed is not None:
                chains.setdefault((direction, allowed), f"{direction}-{len(chains)}")
    return chains


def _sets(
    model: Model, pod_networks: Sequence[Network], chains: _Chains, version: int, kind: str
) -> Iterator[str]:
    pods = [(ip, pod) for pod in model.pods for ip in pod.addresses if ip.version == version]
    ours = _of_version(merge(pod_networks), version)
    yield from _set("set", f"range{version}", kind, ours, "flags interval")
    yield from _set("set", f"pods{version}", kind, (str(ip) for ip, _ in pods))
    both = (f"{ip} . {ip}" for ip, _ in pods)
    yield from _set("set", f"self{version}", f"{kind} . {kind}", both)
    for direction in ("ingress", "egress"):
        elements = (
            f"{ip} : jump {chains[direction, allowed]}"
            for ip, pod in pods
            if (allowed := pod.ingress if direction == "ingress" else pod.egress) is not None
        )
        yield from _set("map", f"{direction}{version}", f"{kind} : verdict", elements)


def _set(what: str, name: str, kind: str, elements: Iterable[str], *flags: str) -> Iterator[str]:
    yield f"  {what} {name} {{"
    yield f"    type {kind}"
    yield from (f"    {flag}" for flag in flags)
    if found := ", ".join(elements):
        yield f"    elements = {{ {found} }}"
    yield "  }"


def _base(hook: str, rules: Iterable[str]) -> list[str]:
    head = f"type filter hook {hook} priority filter; policy accept;"
    return _chain(hook, (head, *rules))


def _chain(name: str, rules: Iterable[str], *last: str) -> list[str]:
    return [f"  chain {name} {{", *(f"    {rule}" for rule in (*rules, *last)), "  }"]


def _selves() -> Iterator[str]:
    """A pod that reaches itself through a Service: no policy can forbid that."""
    for version, ip, _ in _FAMILIES:
        yield f"{ip} saddr . {ip} daddr @self{version} accept"


def _unknown(*fields: str) -> Iterator[str]:
    for version, ip, _ in _FAMILIES:
        for field in fields:
            yield f"{ip} {field} @range{version} {ip} {field} != @pods{version} drop"


def _allowances(direction: str, allowed: tuple[Allow, ...]) -> Iterator[str]:
    field = "saddr" if direction == "ingress" else "daddr"
    for allow in allowed:
        for peers in _peers(allow.networks, field):
            for ports in _ports(allow.ports):
                yield " ".join(part for part in (peers, ports, "return") if part)


def _peers(networks: tuple[Network, ...] | None, field: str) -> Iterator[str]:
    if networks is None:
        yield ""
        return
    for version, ip, _ in _FAMILIES:
        if found := ", ".join(_of_version(networks, version)):
            yield f"{ip} {field} {{ {found} }}"


def _ports(ports: tuple[Ports, ...] | None) -> Iterator[str]:
    if ports is None:
        yield ""
        return
    for protocol, group in groupby(ports, lambda port: port.protocol.lower()):
        ranges = [(port.low, port.high) for port in group]
        if ranges == [ALL_PORTS]:
            yield f"meta l4proto {protocol}"
        else:
            found = ", ".join(str(lo) if lo == hi else f"{lo}-{hi}" for lo, hi in ranges)
            yield f"{protocol} dport {{ {found} }}"


def _of_version(items: Iterable[Network | Address], version: int) -> list[str]:
    return [str(item) for item in items if item.version == version]
