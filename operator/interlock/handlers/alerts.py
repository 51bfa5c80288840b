"""Takes alerts of the nodes' runtimes, Falco and Tetragon, over mutual TLS.

A certificate decides who may speak, and the sender is believed in two things only: where something
happened and how bad it is. It gets its yes after the alert has arrived where it counts; anything
else is a no, so that a sender who repeats loses none.
"""

import asyncio
import logging
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import cast

from aiohttp import web

from interlock.api.config import Alerts as Settings
from interlock.api.values import Clock
from interlock.cluster.cache import Key
from interlock.signals.contract import Sample
from interlock.signals.runtime import Alert, Unreadable, alerts

log = logging.getLogger(__name__)
PATH = "/alerts"
MAX_BYTES = 64 * 1024
PATIENCE = 5.0
"""Seconds for a handshake, for a body, and for an alert to arrive where it counts."""
AT_ONCE = 64
"""Deliveries under way at a time."""
ALL_RATE, ALL_BURST = 200.0, 400.0
AGENT_RATE, AGENT_BURST = 10.0, 40.0
"""Alerts a second and at once: of all senders, and of one agent and kind of priority."""
MAX_BUCKETS = 4096

Find = Callable[[str, str], tuple[Key, str] | None]
"""Agent and revision of a pod, from its namespace and name; None where the namespace is not ours.

A pod that is unknown in a namespace that is ours is the agent's, too: the answer names what serves.
"""
Deliver = Callable[[Key, str, Sample], Awaitable[bool]]
"""Brings a sample to where it counts, and says whether it did."""


@dataclass(slots=True)
class Bucket:
    """So many a second, and so many at once."""

    rate: float
    burst: float
    left: float = field(init=False)
    at: float = field(init=False, default=0.0)

    def __post_init__(self) -> None:
        self.left = self.burst

    def take(self, now: float) -> bool:
        """Whether there is room for one more now, which it takes."""
        self.left = min(self.burst, self.left + (now - self.at) * self.rate)
        self.at = now
        if self.left < 1:
            return False
        self.left -= 1
        return True


class Receiver:
    """Answers one delivery after the other, each in bounded time and space."""

    def __init__(
        self,
        find: Find,
        deliver: Deliver,
        clock: Clock,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._find, self._deliver = find, deliver
        self._clock, self._monotonic = clock, monotonic
        self._all = Bucket(ALL_RATE, ALL_BURST)
        self._each: dict[tuple[Key, bool], Bucket] = {}
        self._under_way = 0

    def application(self) -> web.Application:
        """Return it as a web application."""
        app = web.Application(client_max_size=MAX_BYTES)
        app.router.add_post(PATH, self._bounded)
        return app

    async def _bounded(self, request: web.Request) -> web.Response:
        if not self._all.take(self._monotonic()):
            return _busy("Too many alerts.")
        if self._under_way >= AT_ONCE:
            return _not_now("Too many alerts are under way.")
        self._under_way += 1
        try:
            return await self._received(request)
        finally:
            self._under_way -= 1

    async def _received(self, request: web.Request) -> web.Response:
        try:
            async with asyncio.timeout(PATIENCE):
                body = await request.read()
        except TimeoutError:
            return web.Response(status=408, text="The body did not come in time.\n")
        try:
            found = [(alert, self._find(alert.namespace, alert.pod)) for alert in alerts(body)]
        except Unreadable as error:
            return web.Response(status=400, text=f"{error}\n")
        known = [(alert, place) for alert, place in found if place is not None]
        if not known:
            return web.Response(status=404, text="This namespace is no agent's.\n")
        return await self._all_delivered(known)

    async def _all_delivered(self, known: list[tuple[Alert, tuple[Key, str]]]) -> web.Response:
        now = self._monotonic()
        taken = [one for one in known if self._has_room(one[1][0], one[0].critical, now)]
        try:
            async with asyncio.timeout(PATIENCE):
                done = [await self._one(alert, *place) for alert, place in taken]
        except TimeoutError:
            return _not_now("The alert did not arrive where it counts in time.")
        except Exception:  # the sender repeats, and the next alert must find a receiver
            log.exception("an alert could not be delivered")
            return _not_now("The alert could not be delivered.")
        if not all(done):
            return _not_now("The alert was not taken.")
        return web.Response(status=202) if len(taken) == len(known) else _busy("Too many of one.")

    async def _one(self, alert: Alert, key: Key, revision: str) -> bool:
        level = logging.WARNING if alert.critical else logging.INFO
        log.log(level, alert.message, extra={"agent": f"{key.namespace}/{key.name}"})
        return await self._deliver(key, revision, alert.sample(self._clock()))

    def _has_room(self, key: Key, critical: bool, now: float) -> bool:
        """Critical alerts have room of their own: noise must not drown them."""
        if len(self._each) >= MAX_BUCKETS:
            self._each.clear()
        bucket = self._each.setdefault((key, critical), Bucket(AGENT_RATE, AGENT_BURST))
        return bucket.take(now)


@asynccontextmanager
async def listening(settings: Settings, receiver: Receiver) -> AsyncIterator[int]:
    """Take alerts meanwhile; the value is the port."""
    host, _, port = settings.listen.rpartition(":")
    runner = web.AppRunner(
        receiver.application(), access_log=None, auto_decompress=False, shutdown_timeout=1.0
    )
    await runner.setup()
    try:
        server = await asyncio.get_running_loop().create_server(
            cast(web.Server, runner.server),  # there since setup
            host.strip("[]"),
            int(port),
            ssl=_mutual(settings),
            ssl_handshake_timeout=PATIENCE,
        )
        async with server:
            yield server.sockets[0].getsockname()[1]
    finally:
        await runner.cleanup()


def _mutual(settings: Settings) -> ssl.SSLContext:
    """Only who holds a client certificate of this authority gets as far as a request."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=settings.client_ca_file)
    context.verify_mode = ssl.CERT_REQUIRED
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(settings.cert_file, settings.key_file)
    return context


def _busy(words: str) -> web.Response:
    return web.Response(status=429, text=f"{words}\n", headers={"Retry-After": "1"})


def _not_now(words: str) -> web.Response:
    return web.Response(status=503, text=f"{words} Send it again.\n", headers={"Retry-After": "1"})
