"""I3: the way back reads the cluster and nothing else, whatever is broken around it.

Everything that the controller could ask accepts and never answers: verifier (and behind it git,
registry and forge), Prometheus. On top of that the work lane is full, the revision that is left
is deleted or wedged, the agent is paused, the API server refuses every second request: each by
itself, then all at once. That nothing else was read is taken from the process itself: it writes
down each connection, request, file and process that its traffic lane causes (PEP 578).
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from interlock.api import names
from interlock.api.config import Config
from interlock_sandbox.install import install
from interlock_sandbox.sandbox import Sandbox
from support.apiproxy import ApiProxy, refuse_half
from support.blackhole import Blackhole
from support.controller import TEAMS, configuration, write_configuration
from support.engine import Agent, Engine, Pair, pairs, until
from support.kube import Api

Object = dict[str, Any]
SOURCES = ("git", "mlflow", "oci", "prometheus")
FILLERS = 20
"""Agents of as many teams whose verification hangs; the work lane has fewer workers."""
WORKERS = 16
LONG = {"bake": "10m", "drain": "1s"}
PATIENCE = 90.0
"""Seconds; what is asserted is that it happens."""


@dataclass
class World:
    """Agents that were rolled out while all was well, and what became of everything since."""

    engine: Engine
    verifier: Blackhole
    proxy: ApiProxy
    trace: Path
    sources: dict[str, Blackhole]
    asked: list[Pair]
    """Two healthy revisions."""
    baking: list[Pair]
    """A third one serves and is still in its bake."""
    fillers: list[Agent] = field(default_factory=list)

    def touched(self, agent: Agent) -> list[str]:
        """What the traffic lane touched for an agent, beyond the API server."""
        server = self.proxy.url
        mine = [
            line.partition(" ")[2]
            for line in self.trace.read_text().splitlines()
            if line.startswith(f"{agent.team}/{agent.name} ")
        ]
        assert any(line.startswith("request POST") for line in mine), "the trace shows nothing"
        port = server.rpartition(":")[2]
        cluster = (f" {server}/", f" ('127.0.0.1', {port})")
        return [line for line in mine if not any(known in line for known in cluster)]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A cluster of its own: what is broken here must not reach other tests."""
    home = tmp_path_factory.mktemp("free")
    with Sandbox(("kubernetes",)) as sandbox, ExitStack() as stack:
        install(sandbox.kubeconfig)
        engine = Engine.prepare(sandbox, home)
        stack.callback(engine.close)
        asked, baking, fillers = _rolled_out(engine)
        verifier = stack.enter_context(Blackhole(home / "verifier.sock"))
        sources = {name: stack.enter_context(Blackhole()) for name in SOURCES}
        proxy = stack.enter_context(ApiProxy(engine.kubeconfig, home))
        broken = home / "broken"
        broken.mkdir()
        config = write_configuration(broken, _asking(configuration(home), sources))
        trace = home / "trace"
        trace.touch()
        engine.lease = (20.0, 1.0, 15.0)  # half of the renewals are refused
        engine.start("after", "--trace", str(trace), config=config, via=proxy.kubeconfig)
        until(engine.holder, "after".__eq__, "it acts", PATIENCE)
        yield World(engine, verifier, proxy, trace, sources, asked, baking, fillers)


def _rolled_out(engine: Engine) -> tuple[list[Pair], list[Pair], list[Agent]]:
    """All agents, made while everything answered."""
    teams = iter(TEAMS)
    with engine.verifier.serving():
        engine.start("before")
        seconds = PATIENCE
        made = pairs(engine, [next(teams) for _ in (*BREAKS, *AUTOMATIC, "", "")], seconds)
        asked, third = made[: len(BREAKS) + 1], made[len(BREAKS) + 1 :]
        for pair in third:
            pair.agent.want("third", rollout=LONG)
        for pair in third:
            pair.agent.until("bakes", lambda s, p=pair: s["serving"] not in (p.old, p.new), seconds)
            pair.agent.until("can go back", lambda s: s["rollback"] == "warm", seconds)
        fillers = [engine.agent(next(teams)) for _ in range(FILLERS)]
        engine.kill("before")
    baking = [Pair(pair.agent, pair.new, pair.agent.status()["serving"]) for pair in third]
    return asked, baking, fillers


def _asking(config: Config, sources: dict[str, Blackhole]) -> Config:
    """The same configuration with every source at an address that never answers."""
    urls = {name: source.url for name, source in sources.items()}
    known = config.dump()
    known["governance"] |= {"url": f"{urls['git']}/governance.git"}
    known["registries"] = {"default": {"mlflow": urls["mlflow"]}}
    known["oci"] = [{"prefix": f"127.0.0.1:{sources['oci'].port}", "plainHTTP": True}]
    known["prometheus"] = {"url": urls["prometheus"]}
    return Config.model_validate(known)


def _nothing(world: World, pair: Pair) -> None:
    """That nothing but the cluster answers is enough."""


def _busy(world: World, pair: Pair) -> None:
    for agent in world.fillers:
        agent.want("slow")
    until(lambda: world.verifier.connections, WORKERS.__le__, "the work lane is full", PATIENCE)


def _deleted(world: World, pair: Pair) -> None:
    agent = pair.agent
    admin = _controller(world)
    assert admin.delete(agent.place("Deployment", agent.revision(pair.new))).ok


def _wedged(world: World, pair: Pair) -> None:
    for name in pair.agent.pods(pair.new):
        patch = {"metadata": {"finalizers": ["test.example/never"]}}
        answer = pair.agent.api.patch(pair.agent.place("Pod", name), patch)
        assert answer.ok, answer.message


def _paused(world: World, pair: Pair) -> None:
    answer = pair.agent.api.patch(pair.agent.path, {"spec": {"paused": True}})
    assert answer.ok, answer.message


def _refusing(world: World, pair: Pair) -> None:
    world.proxy.judge = refuse_half()


Break = Callable[[World, Pair], None]
BREAKS: dict[str, Break] = {
    "nothing else answers": _nothing,
    "the work lane is full": _busy,
    "its pods never end": _wedged,
    "its Deployment is deleted": _deleted,
    "it is paused": _paused,
    "every second request is refused": _refusing,
}
AUTOMATIC = {name: how for name, how in BREAKS.items() if how is not _deleted}
"""What has no Deployment has no pods that could be seen failing: a person has to ask."""


@pytest.fixture(autouse=True)
def calm(world: World) -> Iterator[None]:
    """What one test breaks of the API server is whole again for the next."""
    yield
    world.proxy.judge = None


@pytest.mark.parametrize("what", [*BREAKS, "all of it"])
def test_i3_what_a_person_asks_for_commits(world: World, what: str) -> None:
    pair = world.asked.pop()
    for name, how in BREAKS.items():
        if what in (name, "all of it"):
            how(world, pair)
    agent = pair.agent
    agent.ask("AgentRollback", "back", expect=pair.new, cut=True)

    _committed(world, pair, "requested")


@pytest.mark.parametrize("what", [*AUTOMATIC, "all of it"])
def test_i3_what_fails_is_left_by_itself(world: World, what: str) -> None:
    pair = world.baking.pop()
    for name, how in AUTOMATIC.items():
        if what in (name, "all of it"):
            how(world, pair)
    pair.agent.turn_unready(pair.new)

    _committed(world, pair, "failed")


def _committed(world: World, pair: Pair, cause: str) -> None:
    agent = pair.agent
    until(agent.types, lambda t: t and t[-1] == "Rollback Committed", "it commits", PATIENCE)
    assert agent.pointer() == agent.revision(pair.old)
    assert agent.transitions()[-1]["spec"]["cause"] == cause
    assert world.touched(agent) == []
    assert {name: world.sources[name].connections for name in ("git", "mlflow", "oci")} == {
        "git": 0,
        "mlflow": 0,
        "oci": 0,
    }  # these are the verifier's to ask, and it hangs


def _controller(world: World) -> Api:
    return world.engine.api.account(names.SYSTEM_NAMESPACE, names.CONTROLLER_ACCOUNT)
