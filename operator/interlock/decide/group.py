"""Agents that depend on one another, and groups that switch all or none.

It is ordered, not atomic: each agent has a pointer of its own, and no API moves two at once. All
members wait until each is proven, dependencies go first, and when one of them leaves, those that
came with it leave too, dependents first.
"""

from interlock.api import digests
from interlock.api.observed import Observed, Peer, Transition
from interlock.api.reasons import Reason
from interlock.decide import view

Wait = tuple[Reason, str]


def waits(seen: Observed) -> Wait | None:
    """Return why this agent may not switch before others do."""
    wanted = seen.wanted
    if wanted is None:
        return None
    peers = {peer.name: peer for peer in seen.peers}
    if cycle(seen):
        return Reason.DEPENDENCY_CYCLE, f"dependsOn leads back to {wanted.name}"
    for peer in members(seen):
        if not (peer.settled or peer.ready):
            text = f"{peer.name} of group {peer.group} is not ready; all switch or none"
            return Reason.GROUP, text
    for name in wanted.spec.depends_on:
        known = peers.get(name)
        if known is None or not known.exists:
            return Reason.DEPENDENCY, f"it depends on {name}, which does not exist"
        if not known.settled:
            return Reason.DEPENDENCY, f"it depends on {name}, which does not serve what it should"
    return None


def members(seen: Observed) -> list[Peer]:
    """Return the other members of this agent's group."""
    group = seen.wanted.spec.rollout.group if seen.wanted else None
    return [peer for peer in seen.peers if group and peer.group == group]


def switch(seen: Observed) -> str:
    """Return the digest of what all members want now; empty without a group."""
    wanted, others = seen.wanted, members(seen)
    if wanted is None or wanted.spec.rollout.group is None:
        return ""
    pairs = sorted([(wanted.name, wanted.digest), *((one.name, one.wanted) for one in others)])
    return digests.of_value([list(pair) for pair in pairs])


def left_by(seen: Observed) -> tuple[Transition, Peer] | None:
    """Return the promotion that this agent has to take back, and the member that left it."""
    came = view.switch_of(seen)
    if came is None:
        return None
    leavers = [peer for peer in members(seen) if _left(peer, came)]
    if not leavers or any(_still_above(seen, peer, came) for peer in members(seen)):
        return None
    return came, leavers[0]


def cycle(seen: Observed) -> bool:
    """Whether following `dependsOn` leads back to this agent."""
    if seen.wanted is None:
        return False
    known = {peer.name: peer.depends_on for peer in seen.peers}
    todo, visited = list(seen.wanted.spec.depends_on), set[str]()
    while todo:
        name = todo.pop()
        if name == seen.wanted.name:
            return True
        if name not in visited:
            visited.add(name)
            todo.extend(known.get(name, ()))
    return False


def _left(peer: Peer, came: Transition) -> bool:
    moment = peer.left.get(came.switch)
    return moment is not None and moment > came.at


def _still_above(seen: Observed, peer: Peer, came: Transition) -> bool:
    """Whether a member that depends on this agent still serves the same switch."""
    me = seen.wanted.name if seen.wanted else ""
    return me in peer.depends_on and peer.switch == came.switch
