"""What the cluster says of an agent: what serves, what is held or spent, what was decided.

Read with an account that may read and nothing else. Without a cluster, what the base branch says
counts as what serves: an approval for another predecessor does not count, so a wrong guess costs a
review and never lets anything in.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from interlock.actions.facts import since_commit
from interlock.api import names
from interlock.api.observed import Observed
from interlock.cli import ground
from interlock.cli.manifest import AgentFile
from interlock.cluster.cache import Cache, Key
from interlock.cluster.client import Client
from interlock.decide import view

KINDS = ("AgentRevision", "GateDecision", "AgentTransition")
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Standing:
    """Where an agent stands."""

    serving: str
    """Content digest, empty for none. Where the content itself serves and waits to be approved
    after the fact, it is what was replaced."""
    spec: Mapping[str, Any] | None = None
    """The content that serves."""
    seen: Observed = field(default_factory=lambda: Observed(wanted=None))
    since: str = ""
    """The commit that brought it, or what it rests on that people approved."""
    decisions: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Content digest to the newest decision on its promotion."""
    known: bool = True
    """False where the cluster was not asked."""


class Records:
    """Reads an agent's records."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def standing(self, agent: AgentFile) -> Standing:
        """Return where an agent stands, seen from a content of it. Raises ClusterError."""
        key = Key(agent.namespace, agent.name)
        cache = Cache()
        for kind in KINDS:
            for item in await self._client.list(kind, key.home):
                cache.merge(item | {"kind": kind})
        seen = ground.observed(cache, key)
        replaced = next(iter(view.predecessors(seen, agent.digest)), names.NO_REVISION)
        known = next((one for one in seen.revisions.values() if one.digest == replaced), None)
        return Standing(
            serving="" if replaced == names.NO_REVISION else replaced,
            spec=known.spec.dump() if known else None,
            seen=seen,
            since=since_commit(cache, key, seen),
            decisions=_newest(cache, key),
        )


def _newest(cache: Cache, key: Key) -> dict[str, Mapping[str, Any]]:
    specs = (one["spec"] for one in cache.of("GateDecision", key.home).values())
    promotions = [one for one in specs if one.get("purpose") == "promotion"]
    ordered = sorted(promotions, key=lambda one: int(one.get("number", 0)))
    return {str(one.get("digest")): one for one in ordered}
