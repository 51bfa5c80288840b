"""From a step to its executor. The two maps are the two lanes."""

from collections.abc import Awaitable, Callable
from typing import Any

from interlock.actions.admit import add_finalizer, admit, finalize
from interlock.actions.answer import cut, healthy, record, refuse, settle
from interlock.actions.commit import commit
from interlock.actions.finish import finish
from interlock.actions.inspect import inspect
from interlock.actions.judge import judge
from interlock.actions.move_back import move_back
from interlock.actions.ports import Applied, TrafficPorts, WorkPorts
from interlock.actions.retire import retire
from interlock.actions.revisions import forget
from interlock.actions.stage import drain, entitle, preview, stage
from interlock.api import steps
from interlock.api.observed import Observed
from interlock.cluster.cache import Key

TRAFFIC: dict[type, Callable[[Any, Key, TrafficPorts], Awaitable[Applied]]] = {
    steps.Refuse: refuse,
    steps.Settle: settle,
    steps.MoveBack: move_back,
    steps.Commit: commit,
    steps.FinishTransition: finish,
    steps.Record: record,
    steps.Cut: cut,
    steps.MarkHealthy: healthy,
}
WORK: dict[type, Callable[[Any, Key, WorkPorts], Awaitable[Applied]]] = {
    steps.Admit: admit,
    steps.AddFinalizer: add_finalizer,
    steps.Finalize: finalize,
    steps.Stage: stage,
    steps.Preview: preview,
    steps.Drain: drain,
    steps.Scale: retire,
    steps.Entitle: entitle,
    steps.Inspect: inspect,
    steps.Forget: forget,
}


async def run_traffic(step: steps.TrafficStep, key: Key, ports: TrafficPorts) -> Applied:
    """Execute a traffic step."""
    return await TRAFFIC[type(step)](step, key, ports)


async def run_work(step: steps.WorkStep, key: Key, ports: WorkPorts, seen: Observed) -> Applied:
    """Execute a work step."""
    if isinstance(step, steps.Judge):
        return await judge(step, key, ports, seen)
    return await WORK[type(step)](step, key, ports)
