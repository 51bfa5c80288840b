"""Switches an agent that acts by itself: the old one ends before the new one begins (I14).

Nothing could tell two of them apart while both run, so they never do. A pod counts as ended when
the API server has no object of it any more, and the kubelet is given the time to say so: a pod
that is deleted with no grace at all is gone from the API while its process still runs.
"""

from typing import Any

from interlock.actions import records, traffic
from interlock.actions.ports import Applied, TrafficPorts
from interlock.api import names
from interlock.cluster.cache import Key

Object = dict[str, Any]
SHORT_GRACE = 1
"""Seconds that pods of a revision that is left for a failure get; zero would not be confirmed."""


def acts_alone(ports: TrafficPorts, key: Key, *revisions: str) -> bool:
    """Whether one of these revisions acts by itself, as its content says."""
    found = (ports.cache.get("AgentRevision", key.home, name) for name in revisions)
    return any(one is not None and _mode(one) == "autonomous" for one in found)


async def carry_out(record: Object, key: Key, ports: TrafficPorts) -> Applied:
    """Do what a signed record says, from wherever it was interrupted.

    Writes    on a way back the Service at `none`; replicas of all others; on a way back their
              pods; the Service; replicas of the target; transition status; in this order.
    Repeat    until no pod of another revision exists.
    Conflict  somebody moved the pointer elsewhere: observed again.
    """
    spec = record["spec"]
    origin, to, back = spec.get("from", ""), spec.get("to", ""), spec["type"] != "Promotion"
    if back:
        await traffic.point(ports, key, origin, names.NO_REVISION)
    if left := await _end_others(ports, key, to, hurry=back):
        return Applied(f"{left} pods of other revisions have not ended yet", again=False)
    await traffic.point(ports, key, origin, to)
    if to != names.NO_REVISION:
        await traffic.warm(ports, key, to)
    await records.end(ports, record, "Committed")
    return Applied(f"traffic moved from {origin} to {to}, which starts")


async def _end_others(ports: TrafficPorts, key: Key, to: str, *, hurry: bool) -> int:
    """Take every other revision's replicas; return how many of their pods still exist, live."""
    for name in list(ports.cache.of("Deployment", key.home)):
        if name != to:
            await traffic.scale(ports, key, name, 0)
    live = await ports.client.list("Pod", key.home)
    others = [pod for pod in live if traffic.pod_revision(pod) != to]
    for pod in others if hurry else ():
        if not pod["metadata"].get("deletionTimestamp"):
            await traffic.delete_pod(ports, key, pod, grace=SHORT_GRACE)
    return len(others)


def _mode(revision: Object) -> str:
    return str(revision["spec"]["content"].get("mode", "request"))
