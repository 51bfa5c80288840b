"""Probes against what really answers: the sample agent over HTTP, a health service over gRPC."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from grpclib.health.check import ServiceStatus
from grpclib.health.service import Health
from grpclib.server import Server

from interlock.signals.contract import Sample, SampledSignal
from interlock.signals.probe_grpc import GrpcProbe
from interlock.signals.probe_http import HttpProbe
from interlock_sandbox.process import free_port
from support.sampleagent import agent
from support.targets import NOW, POLICY, answering, anywhere, talking, target


async def asked(signal: SampledSignal, port: int, **health: str) -> Sample:
    return await signal.sample(target(address="127.0.0.1", port=port, health=health), POLICY, NOW)


async def test_the_sample_agent_over_http(tmp_path: Path) -> None:
    probe = HttpProbe(anywhere)
    with agent(tmp_path) as running:
        assert (await asked(probe, running.port, http="/healthz")).verdict == "good"
        running.tell("unhealthy-after=0s")
        sick = await asked(probe, running.port, http="/healthz")
        assert (sick.verdict, "answered 503" in sick.message) == ("bad", True)
        assert (await asked(probe, running.port, http="/nothing")).verdict == "bad"
    assert "cannot be asked" in (await asked(probe, running.port, http="/healthz")).message


@pytest.mark.parametrize(("status", "verdict"), [(200, "good"), (399, "good"), (400, "bad")])
async def test_what_is_healthy_to_a_kubelet_is_healthy_here(status: int, verdict: str) -> None:
    async with talking(answering(f"HTTP/1.1 {status} Word\r\n\r\n".encode())) as port:
        assert (await asked(HttpProbe(anywhere), port, http="/")).verdict == verdict


async def test_each_question_has_a_connection_of_its_own() -> None:
    """A connection that lives on would stay with a pod that traffic has left."""
    connections: list[int] = []

    async def keeps(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(1)
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    async with talking(keeps) as port:
        probe = HttpProbe(anywhere)
        for _ in range(3):
            await asked(probe, port, http="/")
    assert len(connections) == 3


@asynccontextmanager
async def serving(status: ServiceStatus) -> AsyncIterator[int]:
    server, port = Server([Health({Named(): [status]})]), free_port()
    await server.start("127.0.0.1", port)
    try:
        yield port
    finally:
        server.close()
        await server.wait_closed()


class Named:
    """A service by its name alone."""

    def __mapping__(self) -> dict[str, object]:
        return {"/press.v1.Press/Rank": None}


async def test_a_health_service_over_grpc() -> None:
    status, probe = ServiceStatus(), GrpcProbe(anywhere)
    async with serving(status) as port:
        status.set(True)
        for service in ("", "press.v1.Press"):
            good = await asked(probe, port, grpc=service)
            assert (good.verdict, "SERVING" in good.message) == ("good", True)
        status.set(False)
        bad = await asked(probe, port, grpc="press.v1.Press")
        assert (bad.verdict, "NOT_SERVING" in bad.message) == ("bad", True)
        status.set(None)
        assert (await asked(probe, port, grpc="press.v1.Press")).verdict == "bad"
        unknown = await asked(probe, port, grpc="other.v1.Other")
        assert (unknown.verdict, "NOT_FOUND" in unknown.message) == ("bad", True)
    assert (await asked(probe, port, grpc="")).verdict == "bad"


async def test_what_the_team_did_not_declare_is_not_asked() -> None:
    assert not HttpProbe(anywhere).applies(target())
    assert not GrpcProbe(anywhere).applies(target())
    assert GrpcProbe(anywhere).applies(target(health={"grpc": ""}))
