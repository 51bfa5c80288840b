"""What a sampled signal is asked about, and sources that answer as a test wishes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from interlock.policy.model import SignalPolicy
from interlock.signals.contract import Stand, Target
from interlock.signals.prometheus import Unmeasured
from support import live

NOW = live.NOW
POLICY = SignalPolicy(timeout="1s")
HOME = "agent-line-4-press-0123456789ab"
MINE, BEFORE = "press-04bd62f1aa", "press-9f3c51b6e0"
_WRITES = {"egress": [{"to": {"namespace": "mes"}, "port": 1, "effect": "write", "reason": "x"}]}


def target(
    stand: Stand = "candidate", address: str = "10.96.0.7", home: str = HOME, **spec: object
) -> Target:
    """A revision of an agent that writes, and so is decided about."""
    wanted = live.spec(**({"network": _WRITES} | spec))
    return Target("press", home, MINE, BEFORE, wanted, address, wanted.port, stand)


def anywhere(_: str) -> str:
    """The rule for addresses of tests: servers of tests listen on loopback."""
    return ""


@dataclass
class Figures:
    """Numbers by a word of the query, in the place of Prometheus."""

    found: Mapping[str, float] = field(default_factory=dict)
    down: bool = False
    asked: list[str] = field(default_factory=list)

    async def value(self, query: str, timeout: str) -> float:
        """The number of the first word that the query holds."""
        self.asked.append(query)
        for word, number in self.found.items():
            if word in query and not self.down:
                return number
        raise Unmeasured("the query has no data")

    async def values(self, queries: Mapping[str, str], timeout: str) -> dict[str, float]:
        """Those that are given by name."""
        self.asked += queries.values()
        if self.down:
            raise Unmeasured("Prometheus cannot be asked")
        return {name: self.found[name] for name in queries if name in self.found}


Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[Any]]


@asynccontextmanager
async def talking(talk: Talk) -> AsyncIterator[int]:
    """A TCP server on loopback that talks so with everybody; the value is its port."""
    tasks: set[asyncio.Task[None]] = set()

    async def session(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await talk(reader, writer)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            tasks.discard(task)
            writer.close()

    server = await asyncio.start_server(session, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def answering(raw: bytes) -> Talk:
    """Wait for a request's head, answer this and hang up."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(raw)
        await writer.drain()

    return talk
