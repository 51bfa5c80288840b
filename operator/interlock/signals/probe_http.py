"""Asks the agent itself over HTTP, through the Service that leads to it.

The question is the kubelet's: any answer from 200 to 399 is healthy. Unlike the kubelet it follows
no redirect, for the agent writes the answer and would choose where the controller connects. Only
the status line is read: a body without end costs nothing.
"""

import asyncio
import socket
from datetime import datetime

import aiohttp
from aiohttp import AddrInfoType
from yarl import URL

from interlock.api.kinds.base import seconds
from interlock.api.observed import Action
from interlock.policy.model import SignalPolicy
from interlock.signals.addresses import Refuses, host
from interlock.signals.contract import Sample, Target
from interlock.signals.fields import sentence

HEALTHY = range(200, 400)
LINE = 4096
"""Bytes of a header line; an agent that needs more is not answering a health check."""
RECEIVED = 4096
"""Bytes that the kernel takes in at once: reading heads without end, others still move between."""
USER_AGENT = "interlock-probe"


class HttpProbe:
    """One GET of `spec.health.http`, on a connection of its own."""

    name = "http-probe"
    action: Action = "rollback"
    lasting = False

    def __init__(self, refuses: Refuses) -> None:
        self._refuses = refuses

    def applies(self, target: Target) -> bool:
        """Whether the agent declared a path."""
        return target.spec.health.http is not None

    async def sample(self, target: Target, policy: SignalPolicy, now: datetime) -> Sample:
        """Return good for a healthy status, bad for any other or none at all."""
        if why := self._refuses(target.address):
            return Sample(now, "none", why)
        url = f"http://{host(target.address)}:{target.port}{target.spec.health.http}"
        try:
            async with asyncio.timeout(seconds(policy.timeout)):
                status = await _status(url)
        except TimeoutError:
            return Sample(now, "bad", f"{url} did not answer within {policy.timeout}")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            words = sentence(str(error)) or type(error).__name__
            return Sample(now, "bad", f"{url} cannot be asked: {words}")
        message = f"{url} answered {status}"
        if status in HEALTHY:
            return Sample(now, "good", message)
        return Sample(now, "bad", f"{message}, expected 200 to 399")


async def _status(url: str) -> int:
    # A connection of its own: one that is kept alive would stay with a pod that no longer serves.
    connector = aiohttp.TCPConnector(force_close=True, socket_factory=_small)
    async with (
        aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            headers={"User-Agent": USER_AGENT, "Accept": "*/*"},
            max_line_size=LINE,
            max_field_size=LINE,
        ) as session,
        session.get(URL(url, encoded=True), allow_redirects=False) as answer,  # as it was declared
    ):
        answer.close()  # without reading what may never end
        return answer.status


def _small(info: AddrInfoType) -> socket.socket:
    made = socket.socket(*info[:3])
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVED)
    return made
