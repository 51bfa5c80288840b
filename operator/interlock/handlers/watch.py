"""Wires the signals that come from outside: what is asked, and what is told.

Both end in samples in memory; votes, and what they lead to, are made of those at the next look.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from interlock.actions.observe import Observer
from interlock.actions.ports import WorkPorts
from interlock.actions.sample import Sampler, Watch
from interlock.actions.traffic import pod_revision
from interlock.actions.votes import TOLD
from interlock.api import names
from interlock.api.config import Alerts
from interlock.cluster import pointer
from interlock.cluster.cache import Key, is_owned
from interlock.decide import view
from interlock.handlers.alerts import Receiver, listening
from interlock.handlers.engine import Engine
from interlock.policy.model import SignalPolicy
from interlock.signals.contract import Sample, SampledSignal, Target

POLL = 0.05
"""Seconds between two looks for what an alert led to."""


class Signals:
    """The sampler and the receiver of alerts, over one engine."""

    def __init__(
        self,
        ports: WorkPorts,
        observer: Observer,
        engine: Engine,
        signals: tuple[SampledSignal, ...],
    ) -> None:
        self._ports, self._observer = ports, observer
        watch = Watch(
            targets=self._targets,
            policy=self._policy,
            memory=ports.memory,
            changed=engine.enqueue,
            clock=ports.traffic.clock,
        )
        self.sampler = Sampler(signals, watch)

    @asynccontextmanager
    async def alerts(self, settings: Alerts | None) -> AsyncIterator[None]:
        """Take alerts meanwhile, where the configuration says where."""
        if settings is None:
            yield
            return
        receiver = Receiver(self._find, self._deliver, self._ports.traffic.clock)
        async with listening(settings, receiver):
            yield

    def _targets(self) -> list[tuple[Key, Target]]:
        return [(key, one) for key, found in self._observer.targets.items() for one in found]

    def _policy(self) -> SignalPolicy | None:
        current = self._ports.governance.current
        return current.policy.gates.signals if current else None

    def _find(self, namespace: str, pod: str) -> tuple[Key, str] | None:
        """Return agent and revision of a pod in a namespace that we made for that agent."""
        cache = self._ports.traffic.cache
        home = cache.get("Namespace", "", namespace)
        key = cache.key_of(home | {"kind": "Namespace"}) if home else None
        if home is None or key is None or not is_owned(home, key):
            return None
        known = cache.get("Pod", namespace, pod)
        serving = pointer.target(cache.get("Service", namespace, names.POINTER_SERVICE))
        return key, (pod_revision(known) if known else "") or serving or ""

    async def _deliver(self, key: Key, revision: str, sample: Sample) -> bool:
        """Bring a bad sample to where it counts; true when what it asks for was recorded."""
        if sample.verdict == "bad":
            self.sampler.record(key, revision, TOLD.name, sample)
            while not self._acted(key, revision):  # as long as the receiver has patience
                await asyncio.sleep(POLL)
        return True

    def _acted(self, key: Key, revision: str) -> bool:
        """Whether the revision neither serves nor is on its way to it."""
        seen = self._observer.look(key, self._ports.traffic.clock())
        asked = view.candidate(seen) == revision and view.may_stage(seen, revision)
        return view.quarantined(seen) or not (seen.pointer == revision or asked)
