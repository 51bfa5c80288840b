"""Where a probe may connect: the cluster IP of a Service, and nothing that only looks like one.

Whoever can make the controller connect to an address of his choice speaks with the controller's
place in the network (SSRF). So an address is a literal, never a name, and never one of a node, of
a cloud's metadata service or of the API server.
"""

from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from interlock.render.network import FORBIDDEN

METADATA = tuple(
    ip_network(each)
    for each in (
        "100.100.100.200/32",  # Alibaba
        "168.63.129.16/32",  # Azure
        "192.0.0.0/24",  # Oracle, and RFC 6890
        "0.0.0.0/8",  # "this host": loopback under another name
        "64:ff9b::/96",  # NAT64: an IPv4 address in disguise
        "64:ff9b:1::/48",
        "2002::/16",  # 6to4: the same
        "2001::/32",  # Teredo: the same
        "::/96",  # IPv4-compatible: the same
    )
)
"""Metadata services outside link-local addresses, and other ways to write what is forbidden."""

Refuses = Callable[[str], str]
"""Says why an address may not be asked; nothing where it may."""


def service_addresses(never: Iterable[str] = ()) -> Refuses:
    """Return the rule for cluster IPs; `never` are addresses of the cluster's own, as literals."""
    own = frozenset(str(ip_address(each)) for each in never)

    def refused(address: str) -> str:
        if not address:
            return "no Service leads to a ready pod of it"
        try:
            found = ip_address(address)
        except ValueError:
            return f"{address[:64]!r} is no literal IP address; a Service has a cluster IP"
        if str(found) in own or _reserved(found):
            return f"{found} is an address that no agent's Service may have"
        return ""

    return refused


def host(address: str) -> str:
    """Return a literal address as it stands in a URL."""
    return f"[{address}]" if ":" in address else address


def _reserved(found: IPv4Address | IPv6Address) -> bool:
    special = (
        found.is_loopback,
        found.is_link_local,
        found.is_multicast,
        found.is_unspecified,
        found.is_reserved,
        isinstance(found, IPv6Address) and found.scope_id is not None,
    )
    return any(special) or any(found in network for network in (*FORBIDDEN, *METADATA))
