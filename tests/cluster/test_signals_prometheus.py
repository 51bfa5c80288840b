"""Signals from a real Prometheus that scrapes the real sample agent."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from interlock.api.config import Prometheus as Settings
from interlock.policy.model import SignalPolicy
from interlock.signals.baseline import Baseline
from interlock.signals.contract import Sample, SampledSignal, Target
from interlock.signals.heartbeat import DecisionLog, SilentDecisionLog
from interlock.signals.metrics import Metrics
from interlock.signals.prometheus import Prometheus, Unmeasured
from interlock.signals.promql import scoped
from interlock.signals.violations import SafetyViolations, Violations
from interlock_sandbox.prometheus import Prometheus as PrometheusPart
from interlock_sandbox.prometheus import add_target
from support import targets
from support.parts import running
from support.sampleagent import Running, agent
from support.targets import NOW, talking

HOME, OTHER = "agent-line-4-press-0123456789ab", "agent-line-5-other-0123456789ab"
MINE, BEFORE = targets.MINE, targets.BEFORE
FAST = SignalPolicy.model_validate(
    {
        "timeout": "5s",
        "silenceHolds": "2s",
        "silenceFreezes": "4s",
        "violations": {"burstWithin": "10s"},
        "baseline": {"window": "10s", "minimumSamples": 20},
    }
)
PATIENCE = 20.0


@dataclass(frozen=True)
class Scraped:
    """A Prometheus and how to add what it scrapes."""

    url: str
    folder: Path

    def client(self) -> Prometheus:
        return Prometheus(Settings(url=self.url))

    @contextmanager
    def scraping(self, port: int, namespace: str = HOME, revision: str = MINE) -> Iterator[None]:
        file = add_target(self.folder, f"127.0.0.1:{port}", namespace, revision)
        try:
            yield
        finally:
            file.unlink()


@pytest.fixture(scope="module")
def scraped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scraped]:
    with running(PrometheusPart(), tmp_path_factory.mktemp("sandbox")) as outputs:
        yield Scraped(outputs["prometheus"], Path(outputs["prometheus_targets"]))


@pytest.fixture
async def numbers(scraped: Scraped) -> AsyncIterator[Prometheus]:
    client = scraped.client()
    yield client
    await client.close()


@pytest.fixture
def place(request: pytest.FixtureRequest) -> Target:
    """A namespace of the test's own, so that no test reads another's series."""
    return targets.target("baking", home=f"agent-{abs(hash(request.node.name)):x}")


async def until(
    signal: SampledSignal, asked: Target, verdict: str, act: Callable[[], object] = lambda: None
) -> Sample:
    """The first sample with this verdict."""
    async with asyncio.timeout(PATIENCE):
        while (sample := await signal.sample(asked, FAST, NOW)).verdict != verdict:
            await asyncio.to_thread(act)
            await asyncio.sleep(0.1)
    return sample


def requests(running: Running, count: int = 30) -> Callable[[], None]:
    def act() -> None:
        for _ in range(count):
            running.ask("/")

    return act


async def test_what_nobody_scrapes_has_no_data(numbers: Prometheus, place: Target) -> None:
    for signal in (
        Violations(numbers),
        SafetyViolations(numbers),
        Baseline(numbers),
        DecisionLog(numbers),
    ):
        assert (await signal.sample(place, FAST, NOW)).verdict == "none"


async def test_violations_and_one_of_safety(
    scraped: Scraped, numbers: Prometheus, place: Target, tmp_path: Path
) -> None:
    many, safety = Violations(numbers), SafetyViolations(numbers)
    with agent(tmp_path) as running, scraped.scraping(running.port, place.home):
        await until(many, place, "good")
        assert (await until(safety, place, "good")).message == "no violation of safety"
        running.tell("violate=policy@20/s")
        assert "too many" in (await until(many, place, "bad")).message
        assert (await safety.sample(place, FAST, NOW)).verdict == "good"
        running.tell("violate=safety")
        assert (await until(safety, place, "bad")).urgent


async def test_a_counter_that_is_born_with_its_first_event_is_seen(
    scraped: Scraped, numbers: Prometheus, place: Target, tmp_path: Path
) -> None:
    """A rise needs two scrapes; an agent that violates safety and dies after one is seen, too."""
    with (
        agent(tmp_path, AGENT_FAULT="violate=safety") as running,
        scraped.scraping(running.port, place.home),
    ):
        assert (await until(SafetyViolations(numbers), place, "bad")).urgent


async def test_errors_and_latency_against_what_was_there_before(
    scraped: Scraped, numbers: Prometheus, place: Target, tmp_path: Path
) -> None:
    signal = Baseline(numbers)
    with (
        agent(tmp_path) as old,
        agent(tmp_path) as new,
        scraped.scraping(old.port, place.home, BEFORE),
        scraped.scraping(new.port, place.home, MINE),
    ):
        ask_old, ask_new = requests(old), requests(new)
        good = Sample(NOW, "none", "")
        async with asyncio.timeout(PATIENCE):
            while "no worse" not in good.message:
                await asyncio.to_thread(ask_old)
                await asyncio.to_thread(ask_new)
                good = await signal.sample(place, FAST, NOW)
        new.tell("errors=0.5")
        bad = await until(signal, place, "bad", ask_new)
    assert "errors per request" in bad.message


async def test_a_log_that_falls_silent_while_traffic_flows(
    scraped: Scraped, numbers: Prometheus, place: Target, tmp_path: Path
) -> None:
    held, frozen = DecisionLog(numbers), SilentDecisionLog(numbers)
    with agent(tmp_path) as running, scraped.scraping(running.port, place.home):
        await until(held, place, "good", requests(running, 3))
        running.tell("silence")
        assert "traffic flows" in (await until(held, place, "bad", requests(running, 3))).message
        assert (await until(frozen, place, "bad", requests(running, 3))).urgent


async def test_the_teams_own_metric(
    scraped: Scraped, numbers: Prometheus, tmp_path: Path, place: Target
) -> None:
    share = 'sum(rate(http_requests_total{code="500"}[10s])) / sum(rate(http_requests_total[10s]))'
    metric = {"name": "errors", "query": share, "max": 0.1}
    asked = targets.target(home=place.home, health={"metrics": [metric]})
    with agent(tmp_path) as running, scraped.scraping(running.port, place.home):
        # 0 / 0 is NaN: an agent without traffic has not proved anything
        quiet = await until(Metrics(numbers), asked, "none")
        async with asyncio.timeout(PATIENCE):
            while "NaN" not in quiet.message:
                quiet = await Metrics(numbers).sample(asked, FAST, NOW)
        await until(Metrics(numbers), asked, "good", requests(running))
        running.tell("errors=1")
        await until(Metrics(numbers), asked, "bad", requests(running))


async def test_two_series_are_no_number(
    scraped: Scraped, numbers: Prometheus, place: Target, tmp_path: Path
) -> None:
    with agent(tmp_path) as running, scraped.scraping(running.port, place.home):
        await until(SafetyViolations(numbers), place, "good")
        with pytest.raises(Unmeasured, match="2 series, expected one"):
            await numbers.value(
                scoped("interlock_violations_total", place.home, MINE), FAST.timeout
            )


async def test_what_prometheus_refuses_is_told(numbers: Prometheus) -> None:
    with pytest.raises(Unmeasured, match="400: invalid parameter"):
        await numbers.value("sum(", FAST.timeout)


FORGED = f"""\
interlock_violations_total{{severity="safety",namespace="{HOME}",interlock_revision="{MINE}"}} 9
interlock_violations_total{{severity="safety"}} 0
"""


@asynccontextmanager
async def exposing(text: str) -> AsyncIterator[int]:
    """An agent that exposes what it likes."""
    head = f"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {len(text)}\r\n\r\n"
    async with talking(targets.answering((head + text).encode())) as port:
        yield port


async def test_an_agent_cannot_count_for_another(
    scraped: Scraped, numbers: Prometheus, place: Target
) -> None:
    """Labels that it gives its own series lose against those of the scrape (threat 22)."""
    safety, victim = SafetyViolations(numbers), targets.target(home=HOME)
    async with exposing(FORGED) as forger, exposing(FORGED) as unlabelled:
        with scraped.scraping(forger, place.home), scraped.scraping(unlabelled, "", ""):
            assert (await until(safety, place, "bad")).urgent  # it blackened itself
            async with asyncio.timeout(PATIENCE):
                while not await _scraped(numbers, unlabelled):
                    await asyncio.sleep(0.1)
            assert (await safety.sample(victim, FAST, NOW)).verdict == "none"


async def _scraped(numbers: Prometheus, port: int) -> bool:
    query = f'interlock_violations_total{{instance="127.0.0.1:{port}",severity="safety"}}'
    found: Mapping[str, float] = await numbers.values({"n": f"count({query})"}, FAST.timeout)
    return found.get("n") == 2
