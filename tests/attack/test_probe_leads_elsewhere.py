"""An agent or a Service that would make the controller connect to where it should not (SSRF)."""

import asyncio

import pytest

from interlock.signals.addresses import service_addresses
from interlock.signals.probe_grpc import GrpcProbe
from interlock.signals.probe_http import HttpProbe
from support.targets import NOW, POLICY, answering, anywhere, talking, target

REFUSES = service_addresses(["10.96.0.1"])
FOREIGN = (
    "10.96.0.1",  # the API server
    "127.0.0.1",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0177.0.0.1",
    "127.0.0.1:80",
    "localhost",
    "agent.example",
    "metadata.google.internal",
    "169.254.169.254",
    "169.254.170.2",
    "2852039166",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "0.0.0.0",  # noqa: S104 - to be refused
    "0.1.2.3",
    "",
    " 10.96.0.7",
    "10.96.0.7/32",
    "10.96.0.7@127.0.0.1",
    "10.96.0.7#",
    "10.96.0.7%eth0",
    "10.96.0.7\r\nHost: x",
    "224.0.0.1",
    "255.255.255.255",
    "240.0.0.1",
    "::",
    "::1",
    "[::1]",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:a9fe:a9fe",
    "::127.0.0.1",
    "64:ff9b::a9fe:a9fe",
    "2002:a9fe:a9fe::1",
    "fe80::1",
    "fe80::1%eth0",
    "fd00:96::7%eth0",
    "fd00:ec2::254",
    "ff02::1",
    "\u0661\u0660.96.0.7",  # digits of another script
)


@pytest.mark.parametrize("address", FOREIGN)
async def test_no_connection_is_made_to_it(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def connects(*_: object, **__: object) -> None:
        raise AssertionError("a connection was made")

    loop = asyncio.get_running_loop()
    monkeypatch.setattr(loop, "create_connection", connects)
    monkeypatch.setattr(loop, "sock_connect", connects)
    asked = target(address=address, health={"http": "/healthz", "grpc": ""})
    for probe in (HttpProbe(REFUSES), GrpcProbe(REFUSES)):
        sample = await probe.sample(asked, POLICY, NOW)
        assert (sample.verdict, sample.message.isprintable()) == ("none", True)


@pytest.mark.parametrize(
    "where", ["http://169.254.169.254/latest/meta-data/", "https://10.96.0.1/api", "//elsewhere/"]
)
async def test_a_redirect_is_not_followed(where: str) -> None:
    asked: list[int] = []

    async def elsewhere(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(1)

    async with talking(elsewhere) as other:
        to = where.replace("elsewhere", f"127.0.0.1:{other}")
        head = f"HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n"
        async with talking(answering(head.encode())) as port:
            agent = target(address="127.0.0.1", port=port, health={"http": "/healthz"})
            sample = await HttpProbe(anywhere).sample(agent, POLICY, NOW)
    assert sample.message.endswith("answered 302")
    assert asked == []


async def test_the_environments_proxy_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(1)

    async with talking(proxy) as other, talking(answering(b"HTTP/1.1 204 No\r\n\r\n")) as port:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "grpc_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{other}")
        agent = target(address="127.0.0.1", port=port, health={"http": "/", "grpc": ""})
        sample = await HttpProbe(anywhere).sample(agent, POLICY, NOW)
        await GrpcProbe(anywhere).sample(agent, POLICY, NOW)
    assert (sample.verdict, asked) == ("good", [])


@pytest.mark.parametrize("path", ["/@127.0.0.1/", "//127.0.0.1/", "/#@x", "/?a=b", "/%0d%0ax"])
async def test_a_path_stays_a_path(path: str) -> None:
    """What the team declares cannot name another host or write a line of the request."""
    heads: list[bytes] = []

    async def remember(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    async with talking(remember) as port:
        agent = target(address="127.0.0.1", port=port, health={"http": path})
        sample = await HttpProbe(anywhere).sample(agent, POLICY, NOW)
    lines = heads[0].decode().split("\r\n")
    assert sample.verdict == "good"
    assert lines[0] == f"GET {path.partition('#')[0]} HTTP/1.1"
    assert f"Host: 127.0.0.1:{port}" in lines
    assert not any(line.lower().startswith(("cookie", "authorization")) for line in lines)
