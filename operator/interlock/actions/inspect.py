"""Puts back what somebody changed in an agent's namespace, past the policies that refuse it.

The policies are the lock; this is the patrol, for the day when an administrator took one off.
"""

from interlock.actions.patrol import Look
from interlock.actions.ports import Applied, WorkPorts
from interlock.actions.standing import LONGEST, Found
from interlock.api.steps import Inspect
from interlock.cluster.cache import Key
from interlock.cluster.client import ClusterError

MOST_REPAIRS = 64
"""Repairs of one inspection; what is left is seen by the next."""
MOST_SHOWN = 16


async def inspect(step: Inspect, key: Key, ports: WorkPorts) -> Applied:
    """Compare an agent's namespace with what was rendered for it, and put right what differs.

    Writes    what differs, by JSON patch with a test of the version, or anew; deletes
              NetworkPolicies and RoleBindings that nobody rendered, and pods that were resized
              or debugged in. Never replicas, never a selector of a Service.
    Repeat    at any point.
    Conflict  tried again three times; what the API server refuses is reported and left.
    """
    memory = ports.memory(key)
    found = [one async for one in Look(key, ports, step.revisions).everything()]
    done = 0
    said = []
    for one in found:
        trouble = await _repaired(one) if one.repair and done < MOST_REPAIRS else "left as it is"
        done += not trouble
        said.append((f"{one.what}; {trouble}" if trouble else one.what)[:LONGEST])
    memory.inspected, memory.drift = ports.traffic.clock(), tuple(said[:MOST_SHOWN])
    if done:
        memory.repairs.append(memory.inspected)
    return Applied(_summary(said, done))


async def _repaired(one: Found) -> str:
    """Return why a repair did not work; empty where it did."""
    try:
        if one.repair:
            await one.repair()
    except ClusterError as error:
        return f"not repaired: {error}"
    return ""


def _summary(said: list[str], done: int) -> str:
    if not said:
        return "everything is as it was rendered"
    return f"{len(said)} objects differed, {done} were put right: {'; '.join(said[:MOST_SHOWN])}"
