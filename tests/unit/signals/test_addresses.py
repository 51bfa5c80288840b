"""Only what can be a Service's cluster IP is ever connected to."""

import pytest

from interlock.signals.addresses import host, service_addresses

REFUSES = service_addresses(["10.96.0.1", "fd00:96::1"])


@pytest.mark.parametrize("address", ["10.96.0.7", "172.20.3.4", "34.118.224.9", "fd00:96::7"])
def test_a_cluster_ip_is_allowed(address: str) -> None:
    assert REFUSES(address) == ""


def test_the_clusters_own_addresses_are_not() -> None:
    assert "no agent's Service may have" in REFUSES("10.96.0.1")
    assert REFUSES("fd00:96:0::1")  # however it is written


def test_an_address_of_six_stands_in_brackets() -> None:
    assert (host("fd00::1"), host("10.0.0.1")) == ("[fd00::1]", "10.0.0.1")
