"""The rules in order; the order is the priority. The first rule that answers wins.

Traffic comes before everything, leaving before arriving, security before wishes.
"""

from collections.abc import Callable
from datetime import datetime

from interlock.api import names
from interlock.api.kinds.records import Cause
from interlock.api.observed import Observed, Revision, Transition
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
from interlock.api.values import Purpose
from interlock.decide import arrive, group, health, keep, view
from interlock.decide.requests import judge_request

Rule = Callable[[Observed, datetime], Step | None]


def finish_interrupted(seen: Observed, now: datetime) -> Step | None:
    """An intent without its end comes before new ones: finish it, or give it up."""
    record = view.open_record(seen)
    if record is None:
        return None
    if record.type == "Promotion":
        return FinishTransition(record, abandon=_gives_up(seen, record))
    known = {record.origin, record.to, names.NO_REVISION}
    moves_traffic = record.type in view.POINTER_MOVES and seen.pointer is not None
    lost = moves_traffic and seen.pointer not in known
    if lost or _gives_way(seen, record) or _starts_late(seen, record, now):
        return FinishTransition(record, abandon=True)
    return keep.ground(seen, record) or FinishTransition(record, abandon=False)


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


def isolate(seen: Observed, now: datetime) -> Step | None:
    """What no longer is what was approved, or endangers people, loses traffic and pods at once."""
    serving = view.serving(seen)
    if serving is None or view.quarantined(seen):
        return None
    vote = next(health.bad(seen, serving.name, "quarantine"), None)
    if vote is None:
        return None
    return _isolate(serving, f"{vote.signal}: {vote.message}")


def ratify(seen: Observed, now: datetime) -> Step | None:
    """What break-glass let in stays for good once the quorum has approved it."""
    record = _unratified(seen)
    verdict = seen.verdicts.get((seen.pointer or "", Purpose.PROMOTION)) if record else None
    if record is None or verdict is None or not view.ratifies(verdict, record) or not seen.fresh:
        return None
    return Record(
        type="Ratification",
        origin="",
        to=record.to,
        digest=record.digest,
        behaviour="",
        cause="",
        reason=Reason.RATIFIED,
        message=f"the quorum approved what {record.name} let in by break-glass",
        nonces=verdict.nonces,
        decision=verdict.name,
    )


def leave_unratified(seen: Observed, now: datetime) -> Step | None:
    """What break-glass let in is left when its time is over, whatever its health or content say."""
    record = _unratified(seen)
    if record is None or record.ratify_by is None or now < record.ratify_by:
        return None
    message = f"nobody ratified {record.name} until {record.ratify_by:%Y-%m-%d %H:%M:%S}Z"
    return _leave(seen, "unratified", Reason.UNRATIFIED, message, cut=False)


def leave_failing(seen: Observed, now: datetime) -> Step | None:
    """A serving revision that its signals vote bad is left, once, unless somebody stopped that."""
    serving, vote = view.serving(seen), health.failing(seen, now)
    if serving is None or vote is None or not serving.spec.rollout.auto_rollback:
        return None
    if seen.fleet.halted or view.frozen(seen) or _needs_a_person(seen):
        return None
    return _leave(seen, "failed", Reason.UNHEALTHY, f"{vote.signal}: {vote.message}", cut=False)


def leave_with_group(seen: Observed, now: datetime) -> Step | None:
    """When a member of the group left, those that came with it go back too, dependents first."""
    serving, left = view.serving(seen), group.left_by(seen)
    if serving is None or left is None or not serving.spec.rollback.allowed:
        return None
    return _leave(seen, "", Reason.GROUP_LEFT, f"{left[1].name} of its group went back", cut=False)


def mark_healthy(seen: Observed, now: datetime) -> Step | None:
    """A promotion whose bake ended with good votes only is marked healthy, once."""
    record = view.baking(seen)
    ends = view.bake_ends(seen, record) if record else None
    if record is None or ends is None or now < ends:
        return None
    return MarkHealthy(record) if health.proven(seen, record.to) else None


def explain_pointer(seen: Observed, now: datetime) -> Step | None:
    """A selector that no record explains: go on with a way back, adopt an emergency write."""
    move = view.last_move(seen)
    expected = move.to if move else names.NO_REVISION
    if seen.pointer is None or seen.pointer == expected:
        return None
    if half := _half_way(seen, expected):
        return half
    if view.quarantined(seen) and seen.pointer in seen.revisions:
        return _isolate(seen.revisions[seen.pointer], "somebody moved traffic in the quarantine")
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


def freeze(seen: Observed, now: datetime) -> Step | None:
    """Where going back by itself cannot help, nothing moves by itself until a person looked."""
    if view.frozen(seen):
        return None
    serving = view.serving(seen)
    known = serving is None or _frozen_for(seen, serving.name)
    why = _fight(seen, now) or (None if known else _cannot_leave(seen, now))
    if why is None:
        return None
    return Record(
        type="Freeze",
        origin=seen.pointer or "",
        to="",
        digest=serving.digest if serving else "",
        behaviour="",
        cause="",
        reason=why[0],
        message=why[1],
    )


def take_in(seen: Observed, now: datetime) -> Step | None:
    """Our finalizer comes first, so that nothing of an agent outlives it unseen."""
    if seen.wanted is None:
        return Rest()
    return None if seen.wanted.finalizer else AddFinalizer()


def _unratified(seen: Observed) -> Transition | None:
    serving = view.serving(seen)
    return view.unratified(seen, serving.name) if serving else None


def _half_way(seen: Observed, left: str) -> MoveBack | None:
    """Return the way back anew, where one was given up after it had taken the traffic off."""
    record = next((one for one in reversed(seen.transitions) if one.origin == left), None)
    if record is None or record.type != "Rollback" or record.end != "Abandoned":
        return None
    if seen.pointer != names.NO_REVISION:
        return None
    fitting = _others(seen, record)
    return MoveBack(
        type="Rollback",
        origin=left,
        to=fitting[0] if fitting else names.NO_REVISION,
        digest=record.digest,
        behaviour=record.behaviour,
        cause=record.cause,
        reason=record.reason,
        message=f"{record.name} was given up half way: {record.message}",
        nonces=record.nonces,
        cut=record.cut,
    )


def _others(seen: Observed, record: Transition) -> list[str]:
    """Return the targets that were not tried yet, and are not what the record leaves."""
    held = record.behaviour if record.cause else ""
    tried = {one.to for one in view.given_up(seen)} | {record.origin, record.to}
    fitting = (name for name in view.targets(seen) if name not in tried)
    return [name for name in fitting if seen.revisions[name].behaviour != held]


def _starts_late(seen: Observed, record: Transition, now: datetime) -> bool:
    """Whether a cold target does not start while nothing serves, and there is another to try."""
    load, timing = seen.workloads.get(record.to), seen.timing
    if record.type != "Rollback" or seen.pointer != names.NO_REVISION or load is None:
        return False
    if load.started is None or timing is None or now - load.started <= timing.ready_within:
        return False
    return bool(_others(seen, record))


def _gives_up(seen: Observed, record: Transition) -> bool:
    """Whether an interrupted promotion is abandoned: only one that waits for pods may go on."""
    if seen.pointer == record.to:
        return False
    if not view.alone(seen, record.origin, record.to) or seen.pointer != record.origin:
        return True
    urgent = any(request.kind in view.LEAVING_REQUESTS for request in seen.requests)
    return urgent or record.to != view.candidate(seen) or record.to in seen.revoked


def _needs_a_person(seen: Observed) -> str:
    """Return why what serves cannot be left by itself; empty where it can."""
    serving = seen.revisions[seen.pointer or ""]
    if not serving.spec.rollback.allowed:
        return "its content says rollback.allowed: false"
    if any(view.automatic(one) and one.origin == serving.name for one in seen.transitions):
        return "it was left by itself before"
    return ""


def _frozen_for(seen: Observed, revision: str) -> bool:
    """Whether it was frozen since this revision was promoted: who lifted that knows why."""
    promotion = view.last_promotion(seen, revision)
    since = promotion.number if promotion else 0
    return any(
        one.type == "Freeze" and one.origin == revision and one.number > since
        for one in seen.transitions
    )


def _cannot_leave(seen: Observed, now: datetime) -> tuple[Reason, str] | None:
    silent = next(health.bad(seen, seen.pointer or "", "freeze"), None)
    if silent:
        return Reason.UNHEALTHY, f"{silent.signal}: {silent.message}"
    vote = health.failing(seen, now)
    if vote is None or not seen.revisions[seen.pointer or ""].spec.rollout.auto_rollback:
        return None
    why = _needs_a_person(seen)
    forward = not seen.revisions[seen.pointer or ""].spec.rollback.allowed
    reason = Reason.FORWARD_ONLY if forward else Reason.UNHEALTHY
    return (reason, f"{vote.signal}: {vote.message}; {why}") if why else None


def _fight(seen: Observed, now: datetime) -> tuple[Reason, str] | None:
    frozen_before = [one.at for one in seen.transitions if one.type == "Unfreeze"]
    since = max([now - seen.limits.repairs_within, *frozen_before])
    recent = [moment for moment in seen.repairs if moment > since]
    if len(recent) < seen.limits.repairs:
        return None
    return Reason.DRIFT, f"{len(recent)} repairs, and it drifted again: {', '.join(seen.drift)}"


def _gives_way(seen: Observed, record: Transition) -> bool:
    """Whether a rollback that may wait long, for a cold target, is given up for what is urgent."""
    if record.type != "Rollback" or seen.pointer == record.to:
        return False
    if any(request.kind == "AgentQuarantine" for request in seen.requests):
        return True
    gone = record.to != names.NO_REVISION and record.to not in seen.revisions
    if gone or record.to in seen.revoked:
        return True
    return seen.pointer == record.origin and seen.pointer in seen.revoked and not record.cut


def _isolate(serving: Revision, message: str) -> MoveBack:
    return MoveBack(
        type="Quarantine",
        origin=serving.name,
        to=names.NO_REVISION,
        digest=serving.digest,
        behaviour="",
        cause="",
        reason=Reason.QUARANTINED,
        message=message,
        cut=True,
    )


def _exists(seen: Observed, revision: str) -> bool:
    workload = seen.workloads.get(revision)
    return revision in seen.admitted or bool(workload and (workload.replicas or workload.pods))


def _leave(seen: Observed, cause: Cause, reason: Reason, message: str, *, cut: bool) -> MoveBack:
    serving = seen.revisions[seen.pointer or ""]
    target = next(iter(view.targets(seen)), names.NO_REVISION)
    return MoveBack(
        type="Rollback",
        origin=serving.name,
        to=target,
        digest=serving.digest,
        behaviour=serving.behaviour,
        cause=cause,
        reason=reason,
        message=message,
        nonces=view.brought_by(seen, serving.name),
        cut=cut,
    )


RULES: tuple[Rule, ...] = (
    leave_deleted,
    finish_interrupted,
    leave_revoked,
    obey_request,
    isolate,
    finish_cut,
    ratify,
    leave_unratified,
    leave_failing,
    leave_with_group,
    mark_healthy,
    explain_pointer,
    freeze,
    take_in,
    arrive.wait_for_grant,
    arrive.admit,
    keep.entitle,
    keep.drain_left,
    keep.rest_the_rest,
    keep.keep_warm,
    arrive.judge_candidate,
    arrive.stage_candidate,
    arrive.preview,
    arrive.fail_stage,
    arrive.commit_candidate,
    keep.judge_unratified,
    keep.judge_targets,
    keep.inspect,
    keep.forget,
)


def decide(seen: Observed, now: datetime) -> Step:
    """Return the next thing to do for one agent. Total and pure: the first rule that answers."""
    for rule in RULES:
        if step := rule(seen, now):
            return step
    return Rest(keep.next_deadline(seen, now))
