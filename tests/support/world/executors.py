"""What each step writes, in the order in which its executor in `actions/` writes it.

An executor is a generator: each `yield` stands before one write, and is a place where the process
may be killed or another writer may come first. What stands between two of them reads and computes.
"""

from collections.abc import Callable, Iterator
from typing import Any

from interlock.api import names, steps
from interlock.api.observed import Judged, Observed, Request, Revision, Transition, Verdict
from interlock.api.reasons import Reason
from interlock.decide import view
from support.world.cluster import Cluster, Refused

Writes = Iterator[None]
STAGE_REFUSED = (Reason.ADMISSION_REFUSED.value, "the API server refused the pod")


class Process:
    """One controller process: its caches, and the cluster that it writes to."""

    def __init__(self, world: Any, frozen: tuple[Observed, int] | None = None) -> None:
        """`frozen` are the caches of a process that was paused after it had looked."""
        self.world: Any = world
        self._frozen = frozen

    @property
    def cache(self) -> Observed:
        """What the process knows."""
        found: Observed = self._frozen[0] if self._frozen else self.world.look()
        return found

    @property
    def service(self) -> int:
        """The resourceVersion of the pointer's Service that the process knows."""
        version: int = self._frozen[1] if self._frozen else self.world.known_version()
        return version

    @property
    def live(self) -> Cluster:
        """The API server."""
        cluster: Cluster = self.world
        return cluster

    def remember(self, **fields: Any) -> None:
        """Keep something in memory; that of a paused process is nobody's."""
        if self._frozen is None:
            self.world.see(**fields)


def run(step: steps.Step, process: Process) -> Writes:
    """Execute a step, write by write."""
    return EXECUTORS[type(step)](step, process)


def open_record(step: Any, at: Process) -> Iterator[None]:
    """Create the record of a step. Sets `at.record`."""
    known = at.cache.transitions
    number = 1 + max((one.number for one in known), default=0)
    request: Request | None = getattr(step, "request", None)
    promotion = isinstance(step, steps.Commit)
    yield
    at.live.clock.pass_time(0.01)
    record = Transition(
        name=f"{at.live.name}-{number}",
        number=number,
        type="Promotion" if promotion else step.type,
        origin=step.origin,
        to=step.to,
        digest=step.digest,
        behaviour=step.behaviour,
        cause="" if promotion else step.cause,
        reason=Reason.PROMOTED.value if promotion else str(step.reason),
        at=at.live.now,
        message=getattr(step, "message", ""),
        requested_by=request.requested_by if request else "",
        request=request.uid if request else "",
        nonces=step.nonces,
        cut=getattr(step, "cut", False),
        switch=getattr(step, "switch", ""),
        ticket=request.ticket if request else "",
        expires=request.expires if request else None,
        break_glass=getattr(step, "break_glass", ()),
        ratify_by=getattr(step, "ratify_by", None),
    )
    at.live.create_record(record)
    return record


def end(record: Transition, outcome: Any, at: Process) -> Writes:
    yield
    at.live.clock.pass_time(0.01)
    at.live.end_record(record.name, outcome)


def commit(step: steps.Commit, at: Process) -> Writes:
    version = at.service
    if at.cache.pointer != step.origin:
        return
    record = yield from open_record(step, at)
    if view.alone(at.cache, step.origin, step.to):
        yield from alone(record, at)
        return
    yield
    try:
        at.live.patch_pointer(step.origin, step.to, version)
    except Refused:
        at.world.caught_up("pointer")
        yield from end(record, "Abandoned", at)
        return
    load = at.live.seen.workloads.get(step.to)
    if load is None or not load.replicas or load.retiring:
        yield
        at.live.patch_pointer(step.to, step.origin)
        yield from end(record, "Abandoned", at)
        return
    yield from end(record, "Committed", at)


def move_back(step: steps.MoveBack, at: Process) -> Writes:
    record = yield from open_record(step, at)
    yield from carry_out(record, at)


def carry_out(record: Transition, at: Process) -> Writes:
    origin, to = record.origin, record.to
    if to != names.NO_REVISION and view.alone(at.cache, origin, to):
        yield from alone(record, at)
        return
    load = at.cache.workloads.get(to)
    if to != names.NO_REVISION and not (load and load.warm):
        if record.cut:
            yield from point(origin, names.NO_REVISION, at)
            yield from sever(origin, at, everything=False)
        yield from warm(to, at)
        return
    yield from point(origin, to, at)
    if to != names.NO_REVISION:
        yield from warm(to, at)
    yield from end(record, "Committed", at)


def alone(record: Transition, at: Process) -> Writes:
    origin, to, back = record.origin, record.to, record.type != "Promotion"
    if back:
        yield from point(origin, names.NO_REVISION, at)
    for name in list(at.cache.workloads):
        if name != to:
            yield from scale(name, 0, at)
    others = [name for name in at.live.live_revisions() if name != to]
    for name in others if back else ():
        yield
        at.live.delete_pods(name, at_once=False)
    if others:
        return
    yield from point(origin, to, at)
    if to != names.NO_REVISION:
        yield from warm(to, at)
    yield from end(record, "Committed", at)


def point(origin: str, to: str, at: Process) -> Writes:
    for expected in dict.fromkeys((at.cache.pointer or origin, origin, names.NO_REVISION)):
        if expected == to:
            return
        yield
        if at.live.seen.pointer == expected:
            at.live.patch_pointer(expected, to)
            return
    raise Refused(f"the Service names neither {origin} nor none")


def warm(revision: str, at: Process) -> Writes:
    wanted = at.cache.wanted
    yield from scale(revision, wanted.spec.replicas if wanted else 1, at)


def scale(revision: str, replicas: int, at: Process) -> Writes:
    known = at.cache.workloads.get(revision)
    if known and known.replicas == replicas and not known.retiring:
        return
    yield
    if revision in at.live.seen.workloads:
        at.live.patch_deployment(revision, replicas=replicas, retiring=False)


def sever(origin: str, at: Process, *, everything: bool) -> Writes:
    known, marked = dict(at.cache.admitted), at.cache.quarantined
    left = {} if everything else {name: one for name, one in known.items() if name != origin}
    if len(left) != len(known) or marked < everything:
        yield
        at.live.patch_admission(known, left, everything or marked)
    for name in list(at.cache.workloads) if everything else [origin]:
        yield from scale(name, 0, at)
        yield
        at.live.delete_pods(name, at_once=True)


def finish(step: steps.FinishTransition, at: Process) -> Writes:
    record = step.transition
    if step.abandon:
        yield from end(record, "Abandoned", at)
    elif record.type in ("Rollback", "Quarantine"):
        yield from carry_out(record, at)
    elif record.type == "Promotion" and view.alone(at.cache, record.origin, record.to):
        yield from alone(record, at)
    else:
        yield from end(record, "Committed", at)


def record(step: steps.Record, at: Process) -> Writes:
    created = yield from open_record(step, at)
    yield from end(created, "Committed", at)


def cut(step: steps.Cut, at: Process) -> Writes:
    yield from sever(step.revision, at, everything=step.everything)


def healthy(step: steps.MarkHealthy, at: Process) -> Writes:
    yield
    at.live.mark_healthy(step.transition.name)


def answer(step: steps.Refuse | steps.Settle, at: Process) -> Writes:
    yield
    at.world.answer(step.request, step)


def add_finalizer(_: steps.AddFinalizer, at: Process) -> Writes:
    yield
    at.world.set_finalizer(present=True)


def finalize(_: steps.Finalize, at: Process) -> Writes:
    yield
    if at.live.seen.namespace == "ours":
        at.world.remove_namespace()
    elif at.live.seen.namespace == "absent":
        at.world.set_finalizer(present=False)


def admit(_: steps.Admit, at: Process) -> Writes:
    yield
    if at.live.seen.namespace == "absent":
        at.live.see(namespace="ours")
    yield
    if at.live.seen.pointer is None:
        at.live.see(pointer=names.NO_REVISION, preview=names.NO_REVISION)


def judge(step: steps.Judge, at: Process) -> Writes:
    seen = at.cache
    trouble = at.world.outage
    if not trouble[0]:
        yield from make_revision(step.revision, seen, at)
        yield from write_verdict(step, at)
    at.live.clock.pass_time(0.01)
    judged = Judged(at.live.now, seen.policy, trouble)
    at.remember(judged={**at.live.seen.judged, (step.revision, step.purpose): judged})


def make_revision(name: str, seen: Observed, at: Process) -> Writes:
    wanted, known = seen.wanted, seen.revisions.get(name)
    if known is None:
        if wanted is None:
            raise Refused("nobody wants it")
        known = Revision(name, wanted.digest, wanted.behaviour, wanted.spec, at.live.now)
        yield
        at.live.need_namespace()
        at.live.see(revisions={**at.live.seen.revisions, name: known})
    less = at.world.fallback_of(known)
    if less and less.name not in at.cache.revisions:
        yield
        at.live.need_namespace()
        at.live.see(revisions={**at.live.seen.revisions, less.name: less})


def write_verdict(step: steps.Judge, at: Process) -> Writes:
    found: Verdict = at.world.verdict(step.revision, step.purpose)
    place = (step.revision, step.purpose)
    newest = at.live.seen.verdicts.get(place)
    if newest and newest.inputs == found.inputs:
        return
    yield
    at.live.need_namespace()
    at.live.see(verdicts={**at.live.seen.verdicts, place: found})


def entitle(step: steps.Entitle, at: Process) -> Writes:
    if any(name not in at.cache.revisions for name, _ in step.entries):
        raise Refused("an AgentRevision is gone")
    known = at.live.seen.admitted
    yield  # the quota
    yield
    at.live.patch_admission(known, dict(step.entries), step.quarantined)


def stage(step: steps.Stage, at: Process) -> Writes:
    if step.revision not in at.cache.revisions:
        return
    if step.revision in at.cache.workloads:
        yield from scale(step.revision, step.replicas, at)
        return
    yield
    if step.revision not in at.live.seen.admitted:
        at.world.stage_refused(step.revision, at)
        return
    at.live.apply_deployment(step.revision, step.replicas)


def preview(step: steps.Preview, at: Process) -> Writes:
    yield
    at.live.need_namespace()
    at.live.see(preview=step.revision)


def drain(step: steps.Drain, at: Process) -> Writes:
    yield
    at.live.patch_deployment(step.revision, drained=step.transition)


def retire(step: steps.Scale, at: Process) -> Writes:
    if step.revision not in at.live.seen.workloads:
        return
    version = at.live.version(step.revision)
    yield
    at.live.patch_deployment(step.revision, version, retiring=True)
    version, pointer = at.live.version(step.revision), at.live.seen.pointer
    yield
    if pointer == step.revision:
        at.live.patch_deployment(step.revision, retiring=False)
        return
    left = {"replicas": step.replicas, "retiring": not step.replicas}
    at.live.patch_deployment(step.revision, version, **left)


def forget(step: steps.Forget, at: Process) -> Writes:
    yield
    at.live.delete_deployment(step.revision)
    yield
    kept = {name: one for name, one in at.live.seen.revisions.items() if name != step.revision}
    at.live.see(revisions=kept)


def inspect(_: steps.Inspect, at: Process) -> Writes:
    yield
    at.world.inspected(at)


EXECUTORS: dict[type, Callable[[Any, Process], Writes]] = {
    steps.Refuse: answer,
    steps.Settle: answer,
    steps.MoveBack: move_back,
    steps.Commit: commit,
    steps.FinishTransition: finish,
    steps.Record: record,
    steps.Cut: cut,
    steps.MarkHealthy: healthy,
    steps.Admit: admit,
    steps.AddFinalizer: add_finalizer,
    steps.Finalize: finalize,
    steps.Judge: judge,
    steps.Stage: stage,
    steps.Preview: preview,
    steps.Drain: drain,
    steps.Scale: retire,
    steps.Entitle: entitle,
    steps.Inspect: inspect,
    steps.Forget: forget,
    steps.Rest: lambda _, __: iter(()),
}
