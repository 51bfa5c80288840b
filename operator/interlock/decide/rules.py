"""The rules in order; the order is the priority. The first rule that answers wins.

Traffic comes before everything, leaving before arriving, security before wishes.
"""

from collections.abc import Callable
from datetime import datetime

from interlock.api import names
from interlock.api.observed import Observed, Transition
from interlock.api.reasons import Reason
from interlock.api.steps import (
    AddFinalizer,
    Cut,
    Finalize,
    FinishTransition,
    MarkHealthy,
    MoveBack,
    Record,
    Rest,
    Step,
)
from interlock.decide import arrive, keep, view
from interlock.decide.requests import judge_request

Rule = Callable[[Observed, datetime], Step | None]


def finish_interrupted(seen: Observed, now: datetime) -> Step | None:
    """An intent without its end comes before new ones: finish it, or give it up."""
    record = view.open_record(seen)
    if record is None:
        return None
    if record.type == "Promotion":
        return FinishTransition(record, abandon=seen.pointer != record.to)
    known = {record.origin, record.to, names.NO_REVISION}
    moves_traffic = record.type in view.POINTER_MOVES and seen.pointer is not None
    lost = moves_traffic and seen.pointer not in known
    return FinishTransition(record, abandon=lost or _gives_way(seen, record))


def leave_deleted(seen: Observed, now: datetime) -> Step | None:
    """The team deleted the agent: everything of it goes, then the object."""
    if seen.wanted is None or not seen.wanted.deleting:
        return None
    return Finalize() if seen.wanted.finalizer else Rest()


def leave_revoked(seen: Observed, now: datetime) -> Step | None:
    """Traffic leaves a revoked revision at once, whatever its health says."""
    serving = view.serving(seen)
    if serving is None or serving.name not in seen.revoked:
        return None
    return _leave(seen, "revoked", Reason.REVOKED, seen.revoked[serving.name], cut=True)


def obey_request(seen: Observed, now: datetime) -> Step | None:
    """A person asked: the oldest request is judged first."""
    return judge_request(seen, seen.requests[0], now) if seen.requests else None


def finish_cut(seen: Observed, now: datetime) -> Step | None:
    """What was cut loses its entry and its pods, however often it takes."""
    move = view.last_move(seen)
    if move is None or not move.cut:
        return None
    everything = view.quarantined(seen)
    gone = [*seen.workloads, *seen.admitted] if everything else [move.origin]
    keep = () if everything else view.kept(seen)
    if any(_exists(seen, name) for name in gone if name != seen.pointer and name not in keep):
        return Cut(move.origin, move.name, everything=everything)
    return None


def leave_failing(seen: Observed, now: datetime) -> Step | None:
    """Inside the bake time, a serving revision that its signals vote unhealthy is left."""
    record = view.baking(seen)
    serving = view.serving(seen)
    if record is None or serving is None or not serving.spec.rollout.auto_rollback:
        return None
    workload = seen.workloads.get(serving.name)
    ends = view.bake_ends(seen, record)
    if workload is None or not workload.failing or ends is None or now > ends:
        return None
    if not serving.spec.rollback.allowed:
        return None
    return _leave(seen, "failed", Reason.UNHEALTHY, workload.failing, cut=False)


def mark_healthy(seen: Observed, now: datetime) -> Step | None:
    """A promotion whose bake ended with pods that serve is marked healthy, once."""
    record = view.baking(seen)
    ends = view.bake_ends(seen, record) if record else None
    if record is None or ends is None or now < ends:
        return None
    workload = seen.workloads.get(record.to)
    return MarkHealthy(record) if workload and workload.warm and not workload.failing else None


def explain_pointer(seen: Observed, now: datetime) -> Step | None:
    """A selector that no record explains: adopt an emergency write, touch no other."""
    move = view.last_move(seen)
    expected = move.to if move else names.NO_REVISION
    if seen.pointer is None or seen.pointer == expected:
        return None
    if not seen.emergency or seen.pointer not in seen.revisions:
        return Rest()
    left = seen.revisions.get(expected)
    return Record(
        type="Rollback",
        origin=expected,
        to=seen.pointer,
        digest=left.digest if left else "",
        behaviour=left.behaviour if left else "",
        cause="requested",
        reason=Reason.REQUESTED,
        message=f"emergency write: {seen.emergency}",
    )


def take_in(seen: Observed, now: datetime) -> Step | None:
    """Our finalizer comes first, so that nothing of an agent outlives it unseen."""
    if seen.wanted is None:
        return Rest()
    return None if seen.wanted.finalizer else AddFinalizer()


def _gives_way(seen: Observed, record: Transition) -> bool:
    """Whether a rollback that may wait long, for a cold target, is given up for what is urgent."""
    if record.type != "Rollback" or seen.pointer == record.to:
        return False
    if any(request.kind == "AgentQuarantine" for request in seen.requests):
        return True
    if seen.pointer != record.origin:
        return False
    return record.to in seen.revoked or (seen.pointer in seen.revoked and not record.cut)


def _exists(seen: Observed, revision: str) -> bool:
    workload = seen.workloads.get(revision)
    return revision in seen.admitted or bool(workload and (workload.replicas or workload.pods))


def _leave(seen: Observed, cause: str, reason: Reason, message: str, *, cut: bool) -> MoveBack:
    serving = seen.revisions[seen.pointer or ""]
    target = next(iter(view.targets(seen)), names.NO_REVISION)
    promotion: Transition | None = view.last_promotion(seen, serving.name)
    return MoveBack(
        type="Rollback",
        origin=serving.name,
        to=target,
        digest=serving.digest,
        behaviour=serving.behaviour,
        cause="revoked" if cause == "revoked" else "failed",
        reason=reason,
        message=message,
        nonces=promotion.nonces if promotion else (),
        cut=cut,
    )


RULES: tuple[Rule, ...] = (
    leave_deleted,
    finish_interrupted,
    leave_revoked,
    obey_request,
    finish_cut,
    leave_failing,
    mark_healthy,
    explain_pointer,
    take_in,
    arrive.wait_for_grant,
    arrive.admit,
    keep.entitle,
    keep.drain_left,
    keep.rest_the_rest,
    keep.keep_warm,
    arrive.judge_candidate,
    arrive.stage_candidate,
    arrive.fail_stage,
    arrive.commit_candidate,
    keep.judge_targets,
    keep.forget,
)


def decide(seen: Observed, now: datetime) -> Step:
    """Return the next thing to do for one agent. Total and pure: the first rule that answers."""
    for rule in RULES:
        if step := rule(seen, now):
            return step
    return Rest(keep.next_deadline(seen, now))
