"""Completes what was interrupted: a record without its end."""

from interlock.actions import alone, records
from interlock.actions.commit import confirm
from interlock.actions.move_back import carry_out
from interlock.actions.ports import Applied, TrafficPorts
from interlock.api.steps import FinishTransition
from interlock.cluster.cache import Key

MOVING_BACK = frozenset({"Rollback", "Quarantine"})


async def finish(step: FinishTransition, key: Key, ports: TrafficPorts) -> Applied:
    """Finish an open record, or abandon it.

    Writes    what the record's own action had left to write, then its end.
    Repeat    at any point.
    Conflict  observed again.
    """
    record = ports.cache.get("AgentTransition", key.home, step.transition.name)
    if record is None:
        return Applied("the record is gone")
    if step.abandon:
        await records.end(ports, record, "Abandoned")
        return Applied(f"{step.transition.name} was abandoned")
    origin, to = step.transition.origin, step.transition.to
    if step.transition.type in MOVING_BACK:
        return await carry_out(record, key, ports)
    if step.transition.type == "Promotion":
        if alone.acts_alone(ports, key, origin, to):
            return await alone.carry_out(record, key, ports)
        return await confirm(record, key, ports)
    await records.end(ports, record, "Committed")
    return Applied(f"{step.transition.name} was finished")
