"""Asks the agent itself over gRPC: `grpc.health.v1.Health/Check`, as kubelets ask it.

grpclib is pure Python over h2: whoever answers here is a stranger, and this process holds the
cluster's token, so a parser in C++ would be the wrong one to hand his bytes to. Reading in Python
takes time in which nothing else moves, so that an answer is cut off before it is long.
"""

import asyncio
from asyncio import BaseTransport, Transport
from datetime import datetime
from typing import cast

from grpclib.client import Channel, Handler
from grpclib.config import Configuration
from grpclib.const import Status
from grpclib.exceptions import GRPCError, ProtocolError, StreamTerminatedError
from grpclib.health.v1.health_grpc import HealthStub
from grpclib.health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpclib.protocol import H2Protocol

from interlock.api.kinds.base import seconds
from interlock.api.observed import Action
from interlock.policy.model import SignalPolicy
from interlock.signals.addresses import Refuses, host
from interlock.signals.contract import Sample, Target
from interlock.signals.fields import sentence

MAX_BYTES = 8 * 1024
"""All that an agent may send; a check needs some 200. It is the work of about 20 ms at most."""
WINDOW = 65_535
"""Bytes that it is told it may send: the least that HTTP/2 knows."""
_WINDOWS = Configuration(http2_connection_window_size=WINDOW, http2_stream_window_size=WINDOW)


class _Brief(H2Protocol):
    """HTTP/2 of which no byte beyond the limit is looked at."""

    def connection_made(self, transport: BaseTransport) -> None:
        self._wire, self._left = cast(Transport, transport), MAX_BYTES
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        self._left -= len(data)
        if self._left < 0:
            self._wire.abort()
        elif not self._wire.is_closing():
            super().data_received(data)


class _BriefChannel(Channel):
    def _protocol_factory(self) -> H2Protocol:
        return _Brief(Handler(), self._config, self._h2_config)


class GrpcProbe:
    """One check of the service that `spec.health.grpc` names, on a connection of its own."""

    name = "grpc-probe"
    action: Action = "rollback"
    lasting = False

    def __init__(self, refuses: Refuses) -> None:
        self._refuses = refuses

    def applies(self, target: Target) -> bool:
        """Whether the agent declared a service; an empty name means the server as a whole."""
        return target.spec.health.grpc is not None

    async def sample(self, target: Target, policy: SignalPolicy, now: datetime) -> Sample:
        """Return good for SERVING, bad for anything else."""
        if why := self._refuses(target.address):
            return Sample(now, "none", why)
        service, port = target.spec.health.grpc or "", target.port
        where = f"grpc://{host(target.address)}:{port}/{service}"
        try:
            async with asyncio.timeout(seconds(policy.timeout)):
                status = await _check(target.address, port, service)
        except TimeoutError:
            return Sample(now, "bad", f"{where} did not answer within {policy.timeout}")
        except _TROUBLE as error:
            return Sample(now, "bad", f"{where} cannot be asked: {_words(error)}")
        if status == HealthCheckResponse.SERVING:
            return Sample(now, "good", f"{where} is SERVING")
        return Sample(now, "bad", f"{where} is {_name(status)}, expected SERVING")


_TROUBLE = (
    OSError,
    GRPCError,
    ProtocolError,
    StreamTerminatedError,
    AssertionError,  # grpclib's own checks of a message's length
    NotImplementedError,  # and of compression
    ValueError,  # protobuf's DecodeError is one
)


async def _check(address: str, port: int, service: str) -> int:
    async with _BriefChannel(address, port, config=_WINDOWS) as channel:
        answer = await HealthStub(channel).Check(HealthCheckRequest(service=service))
        return int(answer.status)


def _name(status: int) -> str:
    known = HealthCheckResponse.ServingStatus.items()
    return next((name for name, value in known if value == status), f"status {status}")


def _words(error: Exception) -> str:
    if isinstance(error, GRPCError) and isinstance(error.status, Status):
        return f"{error.status.name} {sentence(error.message or '')}".strip()
    return sentence(str(error)) or type(error).__name__
