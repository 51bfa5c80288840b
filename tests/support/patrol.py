"""An inspection as the controller makes it, with its account's rights, when a test asks for one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from interlock.actions.inspect import inspect
from interlock.actions.ports import Applied, Evidence, Governance, Memory, TrafficPorts, WorkPorts
from interlock.api.steps import Inspect
from interlock.audit.records import Keyring, Signer
from interlock.cluster.cache import Cache, Key
from interlock.cluster.client import Client
from interlock.handlers.informers import fill
from support.engine import Agent

_NO_SIGNER, _NO_KEYRING = cast(Signer, None), cast(Keyring, None)
_NO_EVIDENCE = cast(Evidence, None)


@dataclass
class Patrol:
    """Looks at agents with caches that are filled for each look."""

    client: Client
    memories: dict[Key, Memory] = field(default_factory=dict)

    async def ports(self) -> WorkPorts:
        """What executors get: the cluster, and nothing that an inspection does not need."""
        cache = Cache()
        await fill(self.client, cache)
        traffic = TrafficPorts(
            self.client, cache, _NO_SIGNER, _NO_KEYRING, lambda: datetime.now(UTC)
        )
        return WorkPorts(traffic, _NO_EVIDENCE, Governance(), self.memories, "test")

    async def look(self, agent: Agent, *digests: str) -> tuple[str, ...]:
        """Inspect these revisions of an agent, and return what differed."""
        await self.inspect(await self.ports(), agent, *digests)
        return self.memory(agent).drift

    async def inspect(self, ports: WorkPorts, agent: Agent, *digests: str) -> Applied:
        """Inspect with caches that are there already."""
        step = Inspect(tuple(agent.revision(digest) for digest in digests))
        return await inspect(step, key(agent), ports)

    def memory(self, agent: Agent) -> Memory:
        """What is remembered of an agent."""
        return self.memories.setdefault(key(agent), Memory())


def key(agent: Agent) -> Key:
    """An agent as the controller names it."""
    return Key(agent.team, agent.name)


@asynccontextmanager
async def patrolling(kubeconfig: Path) -> AsyncIterator[Patrol]:
    """A patrol with the credentials of a kubeconfig."""
    client = await Client.connect(kubeconfig)
    try:
        yield Patrol(client)
    finally:
        await client.close()


def counted(client: Client) -> list[tuple[str, str]]:
    """Return a list to which each request of a client is added: method and path."""
    found: list[tuple[str, str]] = []
    answers = client._answers

    def counting(method: str, path: str, **options: Any) -> Any:
        found.append((method, path))
        return answers(method, path, **options)

    client._answers = counting  # type: ignore[method-assign]
    return found
