"""Puts traffic back: the one path that must work when everything else is broken."""

from interlock.actions import alone, records, traffic
from interlock.actions.ports import Applied, TrafficPorts
from interlock.api import names
from interlock.api.steps import MoveBack
from interlock.cluster.cache import Key
from interlock.cluster.client import Object


async def move_back(step: MoveBack, key: Key, ports: TrafficPorts) -> Applied:
    """Move an agent's traffic back, or to none.

    Writes    AgentTransition (its creation is the lock), Service selector. Target's Deployment and
              transition status follow as a step of their own, `FinishTransition`; then, on a cut,
              `Cut`.
    Repeat    at any point: `carry_out` goes on from what the selector says.
    Conflict  somebody was first: nothing is retried here, the agent is observed again.
    """
    record = await records.open_record(ports, key, step)
    origin, to = step.origin, step.to
    ready = to == names.NO_REVISION or traffic.is_warm(ports, key, to)
    if ready and not alone.acts_alone(ports, key, origin, to):
        await traffic.point(ports, key, origin, to)  # others' pointers come before our book-keeping
        return Applied(f"traffic moved from {origin} to {to}")
    return await carry_out(record, key, ports)


async def carry_out(record: Object, key: Key, ports: TrafficPorts) -> Applied:
    """Do what a signed record says, from wherever it was interrupted."""
    spec = record["spec"]
    origin, to, cut = spec.get("from", ""), spec.get("to", ""), bool(spec.get("cut"))
    if to != names.NO_REVISION and alone.acts_alone(ports, key, origin, to):
        return await alone.carry_out(record, key, ports)
    if to != names.NO_REVISION and not traffic.is_warm(ports, key, to):
        if cut:  # what is cut does not live on while its successor starts
            await traffic.point(ports, key, origin, names.NO_REVISION)
            await traffic.strike(ports, key, origin, everything=False)
            await traffic.kill(ports, key, origin)
        await traffic.warm(ports, key, to)
        return Applied(f"{to} is cold and was scaled up; traffic moves when it is ready", False)
    await traffic.point(ports, key, origin, to)
    if to != names.NO_REVISION:
        await traffic.warm(ports, key, to)
    await records.end(ports, record, "Committed")
    return Applied(f"traffic moved from {origin} to {to}")
