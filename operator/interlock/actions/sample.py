"""Asks the outside about revisions, once an interval each, and never in anybody's way.

Samples are measurements, not decisions: they are kept in memory, bounded, and turned into votes at
the next look. A source that hangs costs its own team's share of questions and nothing else. What
is watched no longer has no samples, so that a revision that comes back begins anew.
"""

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zlib import crc32

from interlock.actions.ports import Memory
from interlock.api.kinds.base import seconds
from interlock.api.values import Clock
from interlock.cluster.cache import Key
from interlock.policy.model import SignalPolicy
from interlock.signals.contract import Sample, SampledSignal, Target, counts
from interlock.signals.window import HYSTERESIS

log = logging.getLogger(__name__)
TICK = 1.0
"""Seconds between two looks for what is due."""
WORKERS = 32
SHARE = 8
"""Questions that may be under way at once, of all and of one team."""
KEPT = 16
"""Samples of a signal that are kept at least."""
FORGET = timedelta(minutes=1)
"""After so long out of sight a revision's samples are forgotten."""
SLACK = 1.0
"""Seconds that a signal has beyond the policy's timeout, which it keeps by itself."""


@dataclass(frozen=True, slots=True)
class Watch:
    """Where the sampler learns what to ask, and whom it tells."""

    targets: Callable[[], Iterable[tuple[Key, Target]]]
    policy: Callable[[], SignalPolicy | None]
    memory: Callable[[Key], Memory]
    changed: Callable[[Key], None]
    """Called when a vote may have changed."""
    clock: Clock
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


@dataclass(slots=True)
class _Seen:
    """A revision that is, or was lately, to be sampled."""

    target: Target
    last: datetime
    due: dict[str, datetime]
    """Signal to the moment of its next question."""

    def take_due(self, now: datetime, interval: timedelta) -> list[str]:
        """Return the signals whose moment has come, and set the next one of each."""
        names = [name for name, due in self.due.items() if due <= now]
        for name in names:
            self.due[name] = max(self.due[name] + interval, now)
        return names


_Place = tuple[Key, str]


class Sampler:
    """Asks every signal that applies to every target, each at its own pace."""

    def __init__(self, signals: Sequence[SampledSignal], watch: Watch) -> None:
        self._signals = {signal.name: signal for signal in signals}
        self._watch = watch
        self._seen: dict[_Place, _Seen] = {}
        self._asking: set[tuple[Key, str, str]] = set()
        self._busy: Counter[str] = Counter()
        self._waiting: dict[tuple[Key, str, str], SampledSignal] = {}
        """What is due and waits for a free place, longest first."""

    async def run(self) -> None:
        """Ask until cancelled; what is under way then ends, too."""
        async with asyncio.TaskGroup() as group:
            while True:
                self._tick(group)
                await self._watch.sleep(TICK)

    def record(self, key: Key, revision: str, signal: str, sample: Sample) -> None:
        """Keep a sample of a revision, asked or told, and tell if a vote may have changed."""
        policy = self._watch.policy() or SignalPolicy()
        kept = self._watch.memory(key).samples.setdefault(revision, {})
        row = kept.get(signal)
        if row is None or row.maxlen != _length(policy):
            row = kept[signal] = deque(row or (), maxlen=_length(policy))
        steady = _is_steady(row, sample, policy)
        row.append(_thrifty(row, sample))
        if not steady:
            self._watch.changed(key)

    def _tick(self, group: asyncio.TaskGroup) -> None:
        policy, now = self._watch.policy(), self._watch.clock()
        if policy is None:
            return
        self._look(policy, now)
        self._queue(policy, now)
        self._pump(group)

    def _look(self, policy: SignalPolicy, now: datetime) -> None:
        """Take in who is to be sampled now, and forget who was not for a while."""
        for key, target in self._watch.targets():
            place = key, target.revision
            seen = self._seen.get(place)
            if seen is None:
                self._seen[place] = _Seen(target, now, self._first(key, target, policy, now))
            else:
                seen.target, seen.last = target, now
        for place, seen in list(self._seen.items()):
            if now - seen.last >= FORGET:
                del self._seen[place]
                self._watch.memory(place[0]).samples.pop(place[1], None)

    def _first(
        self, key: Key, target: Target, policy: SignalPolicy, now: datetime
    ) -> dict[str, datetime]:
        """Return when each signal is asked first: candidates at once, others spread out."""
        start = now + timedelta(seconds=seconds(policy.initial_delay))
        if target.stand == "steady":
            spread = crc32(f"{key.namespace}/{key.name}".encode()) / 2**32
            start += timedelta(seconds=seconds(policy.interval) * spread)
        return dict.fromkeys(self._signals, start)

    def _queue(self, policy: SignalPolicy, now: datetime) -> None:
        interval = timedelta(seconds=seconds(policy.interval))
        for (key, revision), seen in self._seen.items():
            if seen.last != now:
                continue
            for name in seen.take_due(now, interval):
                if counts(signal := self._signals[name], seen.target):
                    self._waiting.setdefault((key, revision, name), signal)

    def _pump(self, group: asyncio.TaskGroup) -> None:
        """Start what waits, as far as there is place for its team."""
        for what, signal in list(self._waiting.items()):
            if len(self._asking) >= WORKERS:
                return
            key, revision, _ = what
            if what in self._asking or self._busy[key.namespace] >= SHARE:
                continue
            del self._waiting[what]
            if seen := self._seen.get((key, revision)):
                self._asking.add(what)
                self._busy[key.namespace] += 1
                group.create_task(self._ask(group, key, seen, signal))

    async def _ask(
        self, group: asyncio.TaskGroup, key: Key, seen: _Seen, signal: SampledSignal
    ) -> None:
        target = seen.target
        try:
            sample = await self._sample(signal, target)
            if self._seen.get((key, target.revision)) is seen:  # not forgotten meanwhile
                self.record(key, target.revision, signal.name, sample)
        finally:
            self._asking.discard((key, target.revision, signal.name))
            self._busy[key.namespace] -= 1
        if not self._busy[key.namespace]:
            del self._busy[key.namespace]
        self._pump(group)

    async def _sample(self, signal: SampledSignal, target: Target) -> Sample:
        now, policy = self._watch.clock(), self._watch.policy() or SignalPolicy()
        try:
            async with asyncio.timeout(seconds(policy.timeout) + SLACK):
                return await signal.sample(target, policy, now)
        except TimeoutError:
            return Sample(now, "none", f"{signal.name} did not end within {policy.timeout}")
        except Exception as error:  # one signal's trouble must not stop the others
            extra = {"agent": target.agent, "signal": signal.name}
            log.exception("a signal failed; its sample says nothing", extra=extra)
            return Sample(now, "none", f"{signal.name} failed: {type(error).__name__}")


def _length(policy: SignalPolicy) -> int:
    return max(KEPT, policy.successes, (1 + HYSTERESIS) * policy.failures)


def _is_steady(row: Sequence[Sample], sample: Sample, policy: SignalPolicy) -> bool:
    """Whether one more of the same cannot change the vote."""
    needed = max(policy.successes, HYSTERESIS * policy.failures)
    before = list(row)[-needed:]
    return len(before) == needed and all(
        (one.verdict, one.urgent) == (sample.verdict, sample.urgent) for one in before
    )


def _thrifty(row: Sequence[Sample], sample: Sample) -> Sample:
    """Return the sample with its message shared: thousands of rows say the same again."""
    if row and row[-1].message == sample.message:
        return Sample(sample.at, sample.verdict, row[-1].message, sample.urgent)
    return sample
