"""The other agents that one agent waits for: its dependencies, and the members of its group."""

from collections.abc import Callable, Iterator
from datetime import datetime

from interlock.api.kinds import AgentDeploymentSpec
from interlock.api.observed import Observed, Peer
from interlock.cluster.cache import Cache, Key
from interlock.decide import arrive, health, view

MAX_PEERS = 64
"""Agents that are looked at for one; a longer chain is cut, and what it lacks does not exist."""


def peers(
    seen: Observed, key: Key, cache: Cache, look: Callable[[Key], Observed], now: datetime
) -> tuple[Peer, ...]:
    """Return the peers of an agent. Most have none, and cost nothing."""
    if seen.wanted is None:
        return ()
    spec = seen.wanted.spec
    if not spec.depends_on and spec.rollout.group is None:
        return ()
    found: dict[str, Peer] = {}
    todo = [*spec.depends_on, *_members(spec, key, cache)]
    while todo and len(found) < MAX_PEERS:
        name = todo.pop(0)
        if name != key.name and name not in found:
            found[name] = _peer(name, look(Key(key.namespace, name)), now)
            todo.extend(found[name].depends_on)
    return tuple(found[name] for name in sorted(found))


def _members(spec: AgentDeploymentSpec, key: Key, cache: Cache) -> Iterator[str]:
    if spec.rollout.group is None:
        return
    for name, obj in cache.of("AgentDeployment", key.namespace).items():
        rollout = obj.get("spec", {}).get("rollout") or {}
        if rollout.get("group") == spec.rollout.group:
            yield name


def _peer(name: str, seen: Observed, now: datetime) -> Peer:
    wanted = seen.wanted
    if wanted is None or wanted.deleting:
        return Peer(name, exists=False)
    came = view.switch_of(seen)
    current = view.candidate(seen) == seen.pointer
    return Peer(
        name=name,
        exists=True,
        depends_on=tuple(wanted.spec.depends_on),
        group=wanted.spec.rollout.group or "",
        wanted=wanted.digest,
        settled=current and health.well(seen, seen.pointer or ""),
        ready=arrive.ready(seen, now) and not arrive.stands_still(seen, now),
        switch=came.switch if came else "",
        left=view.left_switches(seen),
    )
