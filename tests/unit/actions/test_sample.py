"""The sampler: everything at its pace, nobody in another's way, nothing kept without end."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal

import pytest

from interlock.actions.ports import Memory
from interlock.actions.sample import KEPT, SHARE, WORKERS, Sampler, Watch
from interlock.api.observed import Action
from interlock.cluster.cache import Key
from interlock.policy.model import SignalPolicy
from interlock.signals.contract import Sample, Target
from support.targets import MINE, NOW, target

PRESS = Key("line-4", "press")
PACE = SignalPolicy(initial_delay="30s", interval="10s", timeout="5s")


@dataclass
class Source:
    """A signal that answers what a test wants, when it wants."""

    name: str = "source"
    action: Action = "rollback"
    lasting: bool = False
    verdict: Literal["good", "bad", "none"] = "good"
    go: asyncio.Event | None = None
    error: BaseException | None = None
    asked: list[tuple[str, datetime]] = field(default_factory=list)

    def applies(self, target: Target) -> bool:
        return target.agent != "other"

    async def sample(self, target: Target, policy: SignalPolicy, now: datetime) -> Sample:
        self.asked.append((target.home, now))
        if self.go:
            await self.go.wait()
        if self.error:
            raise self.error
        return Sample(now, self.verdict, "seen")


@dataclass
class World:
    """A cluster with its clock; `pass_` lets time pass, a tick each second."""

    targets: list[tuple[Key, Target]] = field(default_factory=lambda: [(PRESS, target())])
    policy: SignalPolicy | None = PACE
    now: datetime = NOW
    changed: list[Key] = field(default_factory=list)
    memories: dict[Key, Memory] = field(default_factory=dict)
    ticks: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))

    def watch(self) -> Watch:
        return Watch(
            targets=lambda: self.targets,
            policy=lambda: self.policy,
            memory=lambda key: self.memories.setdefault(key, Memory()),
            changed=self.changed.append,
            clock=lambda: self.now,
            sleep=self._tick,
        )

    async def pass_(self, seconds: int) -> None:
        for _ in range(seconds):
            self.now += timedelta(seconds=1)
            self.ticks.release()
            for _ in range(12):
                await asyncio.sleep(0)

    def samples(self, signal: str = "source", key: Key = PRESS) -> list[Sample]:
        memory = self.memories.get(key, Memory())
        return list(memory.samples.get(MINE, {}).get(signal, ()))

    async def _tick(self, _: float) -> None:
        await self.ticks.acquire()


@asynccontextmanager
async def sampling(world: World, *signals: Source) -> AsyncIterator[Sampler]:
    sampler = Sampler(signals, world.watch())
    task = asyncio.create_task(sampler.run())
    await asyncio.sleep(0)
    try:
        yield sampler
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert task.cancelled()


async def test_after_the_initial_delay_once_an_interval() -> None:
    world, source = World(), Source()
    async with sampling(world, source):
        await world.pass_(29)
        assert source.asked == []
        await world.pass_(31)
    assert [(at - NOW).seconds for _, at in source.asked] == [30, 40, 50, 60]
    assert [sample.verdict for sample in world.samples()] == ["good"] * 4


async def test_without_a_policy_nothing_is_asked() -> None:
    world, source = World(policy=None), Source()
    async with sampling(world, source):
        await world.pass_(60)
    assert source.asked == []


async def test_what_does_not_apply_is_not_asked() -> None:
    world, source = World([(PRESS, replace(target(), agent="other"))]), Source()
    async with sampling(world, source):
        await world.pass_(60)
    assert source.asked == []


async def test_after_the_bake_only_what_lasts_is_asked() -> None:
    world = World([(PRESS, target("steady"))])
    once, lasting = Source("once"), Source("lasting", lasting=True)
    async with sampling(world, once, lasting):
        await world.pass_(60)
    assert (len(once.asked), len(lasting.asked)) == (0, 3)


async def test_steady_agents_are_not_asked_all_at_once() -> None:
    keys = [Key(f"team-{number}", "press") for number in range(20)]
    world = World([(key, target("steady", home=key.home)) for key in keys])
    source = Source(lasting=True)
    async with sampling(world, source):
        await world.pass_(40)
    moments = [at for _, at in source.asked]
    assert len(moments) == 20
    assert len(set(moments)) > 5


async def test_a_signal_that_hangs_is_not_asked_twice_and_others_go_on() -> None:
    world, hangs, fine = World(), Source("hangs", go=asyncio.Event()), Source("fine")
    async with sampling(world, hangs, fine):
        await world.pass_(60)
        assert (len(hangs.asked), len(fine.asked)) == (1, 4)


async def test_a_team_has_its_share_and_no_more() -> None:
    greedy = [Key("greedy", str(number)) for number in range(20)]
    modest = [Key("modest", str(number)) for number in range(3)]
    targets = [(key, target(home=key.home)) for key in greedy + modest]
    world, source = World(targets), Source(go=asyncio.Event())
    async with sampling(world, source):
        await world.pass_(31)
        assert len(source.asked) == SHARE + len(modest)
        assert source.go is not None
        source.go.set()
        await world.pass_(3)
        assert len(source.asked) == len(targets)


async def test_all_together_are_bounded() -> None:
    keys = [Key(f"team-{number}", "press") for number in range(100)]
    world = World([(key, target(home=key.home)) for key in keys])
    source = Source(go=asyncio.Event())
    async with sampling(world, source):
        await world.pass_(31)
        assert len(source.asked) == WORKERS


@pytest.mark.parametrize("error", [RuntimeError("no"), TimeoutError()])
async def test_a_signal_that_raises_says_nothing(error: Exception) -> None:
    world = World()
    async with sampling(world, Source(error=error)):
        await world.pass_(31)
    (sample,) = world.samples()
    assert sample.verdict == "none"
    assert "source" in sample.message


async def test_a_change_is_told_and_more_of_the_same_is_not() -> None:
    world, source = World(), Source()
    async with sampling(world, source):
        await world.pass_(200)
        told = len(world.changed)
        assert told == 6  # five prove a candidate, and twice three end a bad vote
        source.verdict = "bad"
        await world.pass_(10)
        assert len(world.changed) == told + 1


async def test_what_is_kept_is_bounded_and_its_words_are_shared() -> None:
    world = World()
    async with sampling(world, Source()):
        await world.pass_(10 * (KEPT + 9))
    samples = world.samples()
    assert len(samples) == KEPT
    assert len({id(sample.message) for sample in samples}) == 1


async def test_policy_that_needs_more_samples_keeps_more() -> None:
    world = World(policy=PACE.model_copy(update={"successes": 30, "interval": "1s"}))
    async with sampling(world, Source()):
        await world.pass_(90)
    assert len(world.samples()) == 30


async def test_what_is_not_watched_is_forgotten() -> None:
    world = World()
    async with sampling(world, Source()):
        await world.pass_(40)
        assert world.samples()
        targets, world.targets = world.targets, []
        await world.pass_(59)
        assert world.samples()
        await world.pass_(1)
        assert world.samples() == []
        world.targets = targets  # it begins anew
        await world.pass_(29)
        assert world.samples() == []


async def test_a_short_gap_begins_nothing_anew() -> None:
    world, source = World(), Source()
    async with sampling(world, source):
        await world.pass_(35)
        targets, world.targets = world.targets, []
        await world.pass_(5)
        world.targets = targets
        await world.pass_(1)
    assert len(source.asked) == 2


async def test_an_urgent_sample_is_told_at_once() -> None:
    world = World(targets=[])
    async with sampling(world) as sampler:
        sampler.record(PRESS, MINE, "runtime", Sample(NOW, "bad", "shell", urgent=True))
    assert world.changed == [PRESS]
