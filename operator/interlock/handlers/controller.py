"""The controller process: holds the cluster token and the record key, and never parses strangers.

Order matters: preflight, caches, Lease, the last good policy, then the two lanes. Losing the
Lease ends the process at once, because a Lease is no fence and the standby acts already.
"""

import asyncio
import gc
import logging
import os
import signal
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from interlock.actions.govern import Governor
from interlock.actions.observe import Observer, is_pending
from interlock.actions.parse import Parser
from interlock.actions.ports import Governance, TrafficPorts, WorkPorts
from interlock.api import names
from interlock.api.config import Config
from interlock.api.kinds.base import seconds
from interlock.audit.records import load_keys
from interlock.cluster.cache import REQUESTS, Cache, Key
from interlock.cluster.client import Client
from interlock.cluster.lease import Lease, LeaseTimes
from interlock.cluster.turns import Turns
from interlock.evidence.verifierclient import VerifierClient
from interlock.handlers import metrics, preflight
from interlock.handlers.engine import Engine
from interlock.handlers.informers import Informers, fill
from interlock.handlers.watch import Signals
from interlock.signals.addresses import service_addresses
from interlock.signals.prometheus import Prometheus
from interlock.signals.sampled import sampled

log = logging.getLogger(__name__)
RESYNC_SECONDS = 60.0
READ_AGAIN_SECONDS = 10.0
"""Seconds between two looks of a standby for records that it has not checked."""
GC_THRESHOLDS = (10_000, 20, 50)
"""Rarer than Python's own (700, 10, 10): what a look allocates is freed by its counts."""
LEASE_NAME = "interlock-controller"
EXIT_LOST_LEASE = 3


@dataclass(frozen=True, slots=True)
class Options:
    """How one controller runs."""

    config: Config
    kubeconfig: Path | None
    listen: tuple[str, int]
    """Where metrics and health are served."""
    lease: LeaseTimes


class Controller:
    """All parts of one controller process, wired."""

    def __init__(self, options: Options, client: Client) -> None:
        config = options.config
        if config.records is None or config.verifier is None:
            raise ValueError("the configuration needs records.keyFile and verifier.socket")
        signer, keyring = load_keys(config.records)
        self._options, self.client, self.cache = options, client, Cache()
        self.verifier = VerifierClient(config.verifier.socket)
        self._governance = governance = Governance()
        self._turns = turns = Turns()
        urgent = client.taking(turns.traffic)
        traffic = TrafficPorts(urgent, self.cache, signer, keyring, _now)
        patient = replace(traffic, client=client.taking(turns.work))
        ports = WorkPorts(patient, self.verifier, governance, {}, config.cluster, config.copier)
        self._prometheus = Prometheus(config.prometheus) if config.prometheus else None
        signals = sampled(service_addresses(_api_server(client)), self._prometheus)
        parser = Parser(keyring)
        self._observer = Observer(self.cache, parser, governance, ports.memories, signals)
        self.engine = Engine(ports, traffic, self._observer)
        self._signals = Signals(ports, self._observer, self.engine, signals)
        self.governor = Governor(traffic, governance, self.verifier, self.engine.enqueue_all)
        self.warm = self.acting = False
        self.informers = Informers(client, self.cache, self._changed)
        self._stopped = asyncio.Event()

    def measure(self) -> None:
        """Set the gauges that are derived when somebody asks."""
        current, engine = self._governance.current, self.engine
        metrics.POLICY_FRESH.set(bool(current and current.fresh))
        for lane in (engine.traffic, engine.work):
            metrics.LANE_DEPTH.labels(lane.name).set(lane.depth)
        metrics.count_agents(self.cache.all("AgentDeployment"))
        metrics.PROMOTING.set(self._observer.fleet.promoting)
        if current:
            halted = self._observer.fleet.halted(current.policy.gates.breakers, _now())
            metrics.FLEET_HALTED.set(bool(halted))

    async def run(self) -> None:
        """Run until SIGTERM, a lost Lease, or a watch that ended for good."""
        gc.set_threshold(*GC_THRESHOLDS)
        await preflight.check(self.client)
        for obstacle in await preflight.obstacles(self.client):
            log.warning(obstacle)
        runner = await _serve(self, *self._options.listen)
        lead = asyncio.create_task(self._lead(), name="lead")
        watch = asyncio.create_task(self.informers.run(), name="informers")
        stop = asyncio.create_task(self._asked_to_stop(), name="stop")
        try:
            await asyncio.wait({lead, watch, stop}, return_when=asyncio.FIRST_COMPLETED)
            for task in (lead, watch):
                if task.done():
                    task.result()
        finally:
            stop.cancel()
            lead.cancel()
            await asyncio.gather(lead, stop, return_exceptions=True)
            await runner.cleanup()
            # kopf cancels whatever else still runs when it ends: it ends last
            self.informers.stop()
            await asyncio.gather(watch, return_exceptions=True)
            await self.verifier.close()
            if self._prometheus:
                await self._prometheus.close()
            await self.client.close()

    async def _asked_to_stop(self) -> None:
        await self.informers.ready.wait()
        _on_signals(self._stopped.set)  # kopf has set its own when it started; ours replace them
        await self._stopped.wait()

    async def _lead(self) -> None:
        """Wait for the Lease with warm caches, then act as long as it is ours."""
        await self._fill()
        self.warm = True
        holder = f"{os.uname().nodename}-{os.getpid()}"
        client = self.client.taking(self._turns.traffic)
        lease = Lease(client, names.SYSTEM_NAMESPACE, LEASE_NAME, holder, self._options.lease)
        reading = asyncio.create_task(self._read_ahead(), name="read ahead")
        try:
            await lease.acquire()
        finally:
            reading.cancel()
        try:
            await self._act(lease)
        finally:
            self.acting = False
            await asyncio.shield(lease.release())

    async def _act(self, lease: Lease) -> None:
        alerts = self._signals.alerts(self._options.config.alerts)
        governance = self._options.config.governance
        interval = seconds(governance.interval) if governance else RESYNC_SECONDS
        async with asyncio.TaskGroup() as group:
            # from the first moment on: with many agents, taking over lasts longer than the Lease
            group.create_task(_end_when_lost(lease.lost()))
            await self._take_over()
            async with alerts, asyncio.TaskGroup() as loops:
                for work in self._loops(interval):
                    loops.create_task(work)
                self._enqueue_everything()

    async def _take_over(self) -> None:
        """See all that the last leader wrote, and act by the policy that it had."""
        await self._fill()
        await self.governor.restore()
        self.acting = True
        metrics.HOLDS_LEASE.set(1)

    async def _fill(self) -> None:
        """Fill the caches out of the garbage collector's sight.

        They are plain dicts without cycles, freed by their counts. A full collection would walk
        all of them, and nothing moves meanwhile, the Lease neither: about a millisecond an agent.
        """
        gc.disable()
        try:
            await fill(self.client, self.cache)
        finally:
            gc.freeze()
            gc.enable()

    async def _read_ahead(self) -> None:
        """Check records while another acts: to check all of them is most of a take-over."""
        while True:
            for obj in list(self.cache.all("AgentDeployment")):
                self._observer.read(Key(obj["metadata"]["namespace"], obj["metadata"]["name"]))
                await asyncio.sleep(0)
            await asyncio.sleep(READ_AGAIN_SECONDS)

    def _loops(self, interval: float) -> list[Coroutine[None, None, None]]:
        return [
            self.engine.traffic.run(),
            self.engine.work.run(),
            self.governor.run(interval, asyncio.sleep),
            self._signals.sampler.run(),
            _every(RESYNC_SECONDS, self._resync),
        ]

    async def _resync(self) -> None:
        self.cache.forget_unwatched()
        self._enqueue_everything(RESYNC_SECONDS / 2)

    def _enqueue_everything(self, spread: float = 0.0) -> None:
        for kind in REQUESTS:
            for obj in filter(is_pending, self.cache.all(kind)):
                if key := self.cache.key_of(obj):
                    self.engine.enqueue(key, asked=True)
        self.engine.enqueue_all(spread)

    def _changed(self, key: Key, kind: str) -> None:
        if self.acting:
            self.engine.enqueue(key, asked=kind in REQUESTS)


async def run(options: Options) -> None:
    """Connect and run a controller until it ends."""
    client = await Client.connect(options.kubeconfig)
    await Controller(options, client).run()


async def _end_when_lost(lost: Awaitable[None]) -> None:
    await lost
    log.critical("the lease was lost; this replica ends at once, the standby acts")
    os._exit(EXIT_LOST_LEASE)


def _api_server(client: Client) -> list[str]:
    """Return the API server's own address, where it is one: no probe may lead there."""
    host = urlsplit(client.settings.host).hostname or ""
    try:
        return [str(ip_address(host))]
    except ValueError:
        return []


async def _every(period: float, action: Callable[[], Awaitable[None]]) -> None:
    while True:
        await asyncio.sleep(period)
        await action()


def _on_signals(stop: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)


async def _serve(controller: Controller, host: str, port: int) -> web.AppRunner:
    """Serve /livez, /readyz and /metrics. A standby is ready: its caches are warm."""

    async def livez(_: web.Request) -> web.Response:
        return web.Response(text="ok")

    async def readyz(_: web.Request) -> web.Response:
        if not controller.warm:
            return web.Response(text="starting", status=web.HTTPServiceUnavailable.status_code)
        return web.Response(text="acting" if controller.acting else "standby")

    async def numbers(_: web.Request) -> web.Response:
        controller.measure()
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.router.add_get("/livez", livez)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", numbers)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    return runner


def _now() -> datetime:
    return datetime.now(UTC)
