"""Split brain: a leader is paused between its decision and its write, and wakes up too late.

A Lease is no fence. The write of the old leader is held back on its way to the API server while
the standby takes the Lease and goes on; then it arrives. Compare-and-swap refuses it, or what it
asks for is there already.
"""

import asyncio
import http
import os
import signal
import threading

import pytest
from aiohttp import web

from interlock.handlers.controller import EXIT_LOST_LEASE
from support.apiproxy import ApiProxy
from support.controller import CASES
from support.ending import orphans
from support.engine import WAIT, Engine, Pair, pairs, until
from support.harness import Harness

WRITES = {
    "record": ("POST", "/agenttransitions"),
    "pointer": ("PATCH", "/services/agent"),
    "end": ("PATCH", "/agenttransitions/one-3/status"),
}
"""What of a rollback is held back: its method, and how its path ends."""


class Hold:
    """Holds the first request of an agent that fits, until told to let it go."""

    def __init__(self, home: str, method: str, ends: str, proxy: ApiProxy) -> None:
        self._home, self._method, self._ends = home, method, ends
        self._proxy, self._go = proxy, asyncio.Event()
        self.held = threading.Event()

    async def judge(self, method: str, path: str, _: bytes) -> web.Response | None:
        """Let a request through, now or later."""
        fits = method == self._method and self._home in path and path.endswith(self._ends)
        if fits and not self.held.is_set():
            self.held.set()
            await self._go.wait()
        return None

    def release(self) -> None:
        """Let it go."""
        self._proxy.loop.call_soon_threadsafe(self._go.set)


@pytest.fixture(scope="module")
def ready(engine: Engine) -> dict[str, Pair]:
    """An agent for each write."""
    engine.start("making")
    made = pairs(engine, CASES[-len(WRITES) :])
    engine.kill("making")
    return dict(zip(WRITES, made, strict=True))


@pytest.mark.parametrize("write", WRITES)
def test_a_paused_leader_that_wakes_up_moves_nothing(
    write: str, ready: dict[str, Pair], engine: Engine, harness: Harness
) -> None:
    pair = ready[write]
    agent = pair.agent
    with ApiProxy(engine.kubeconfig, engine.home) as proxy:
        hold = Hold(agent.home, *WRITES[write], proxy)
        proxy.judge = hold.judge
        engine.start("paused", via=proxy.kubeconfig)
        until(engine.holder, "paused".__eq__, "the first one leads")
        engine.start("standby")
        request = agent.ask("AgentRollback", "back", expect=pair.new)
        assert hold.held.wait(WAIT)
        os.kill(engine.running["paused"].pid, signal.SIGSTOP)

        assert agent.answer(request)["phase"] == "Committed"
        agent.until("is held", lambda status: status["gate"] == "Held")
        assert engine.holder() == "standby"
        before = _standing(pair)
        answered = len(proxy.answers)
        hold.release()
        until(lambda: len(proxy.answers), lambda now: now > answered, "the late write arrived")
        code, method, path = proxy.answers[answered]
        assert (method, path.endswith(WRITES[write][1])) == (WRITES[write][0], True)
        refused = (http.HTTPStatus.CONFLICT, http.HTTPStatus.UNPROCESSABLE_ENTITY)
        assert code in refused, f"{method} {path} was answered {code}"

        os.kill(engine.running["paused"].pid, signal.SIGCONT)
        assert engine.running.pop("paused").wait(WAIT) == EXIT_LOST_LEASE
        assert _standing(pair) == before
    engine.kill("standby")
    assert agent.types() == [*["Promotion Committed"] * 2, "Rollback Committed"]
    assert agent.pointer() == agent.revision(pair.old)
    assert not harness.witness.pointer_problems(agent.home)
    assert not harness.witness.log_problems()
    assert not orphans(agent)


def _standing(pair: Pair) -> tuple[object, ...]:
    agent = pair.agent
    return agent.pointer(), agent.types(), agent.replicas(pair.old)
