"""Rules about what exists beside the traffic: entries, warm targets, drained and forgotten ones."""

from datetime import UTC, datetime, timedelta

from interlock.api.kinds.base import seconds
from interlock.api.observed import Observed
from interlock.api.steps import Drain, Entitle, Forget, Judge, Scale, Stage, Step
from interlock.api.values import Purpose
from interlock.decide import view


def entitle(seen: Observed, now: datetime) -> Step | None:
    """AgentAdmission lists what may exist, and which of it an emergency may point at."""
    good = set(view.targets(seen))
    entries = tuple((name, name in good) for name in view.kept(seen))
    quarantined = view.quarantined(seen)
    listed = () if quarantined else entries
    if dict(listed) == dict(seen.admitted) and quarantined == seen.quarantined:
        return None
    replicas = seen.wanted.spec.replicas if seen.wanted else 1
    return Entitle(listed, quarantined, replicas)


def drain_left(seen: Observed, now: datetime) -> Step | None:
    """After a promotion the left revision is restarted pod by pod, so no old connection stays."""
    move = view.last_move(seen)
    if move is None or move.type != "Promotion" or move.to != seen.pointer:
        return None
    workload = seen.workloads.get(move.origin)
    if workload is None or not workload.replicas or workload.drained == move.name:
        return None
    return Drain(move.origin, move.name)


def rest_the_rest(seen: Observed, now: datetime) -> Step | None:
    """Pods that neither traffic nor a way back needs are scaled down."""
    for name, workload in sorted(seen.workloads.items()):
        if name == seen.pointer:
            continue
        goal = _replicas_wanted(seen, name)
        if workload.replicas > goal and now >= _left_until(seen, name):
            return Scale(name, goal)
    return None


def keep_warm(seen: Observed, now: datetime) -> Step | None:
    """What serves, and the revision to go back to, have the replicas that the team asks for.

    Neither needs a gate: both were allowed, and the target was judged again ahead.
    """
    target = next(iter(view.targets(seen)), "")
    for name in (seen.pointer or "", target):
        goal = _replicas_wanted(seen, name)
        known = name in seen.revisions and name in seen.admitted and name not in seen.staged
        if known and goal and _stands_wrong(seen, name, goal):
            return Stage(name, goal)
    return None


def judge_targets(seen: Observed, now: datetime) -> Step | None:
    """Whether a revision may be gone back to is decided ahead, under today's policy."""
    for name in dict.fromkeys(move.to for move in view.moves(seen) if move.type == "Promotion"):
        kept = name in seen.revisions and view.served_healthy(seen, name)
        if kept and not view.judged_since(seen, name, Purpose.ROLLBACK):
            return Judge(Purpose.ROLLBACK, name)
    return None


def forget(seen: Observed, now: datetime) -> Step | None:
    """Revisions that neither serve, nor are asked for, nor can be gone back to are deleted."""
    order = list(dict.fromkeys(move.to for move in view.moves(seen) if move.type == "Promotion"))
    keep = {seen.pointer, view.candidate(seen), *order[: view.HISTORY + 1], *view.kept(seen)}
    for name in sorted(seen.revisions):
        workload = seen.workloads.get(name)
        if name not in keep and (workload is None or workload.replicas == 0):
            return Forget(name)
    return None


def next_deadline(seen: Observed, now: datetime) -> datetime | None:
    """Return when, without any event, something may have to be done."""
    moments = [*_judging(seen), *_baking(seen), *_warming(seen)]
    moments += [_left_until(seen, name) for name, load in seen.workloads.items() if load.replicas]
    return min((moment for moment in moments if moment > now), default=None)


def _replicas_wanted(seen: Observed, name: str) -> int:
    """Return at how many replicas a revision should stand while nothing is on its way."""
    wanted = seen.wanted
    if wanted is None or view.quarantined(seen) or name not in view.kept(seen):
        return 0
    if name in (seen.pointer, view.candidate(seen)):
        return wanted.spec.replicas
    if name != next(iter(view.targets(seen)), ""):
        return 0
    return {"full": wanted.spec.replicas, "min": 1, "none": 0}[wanted.spec.warm]


def _stands_wrong(seen: Observed, name: str, goal: int) -> bool:
    workload = seen.workloads.get(name)
    if workload is None or workload.retiring:
        return True
    return workload.replicas != goal if name == seen.pointer else workload.replicas < goal


def _left_until(seen: Observed, name: str) -> datetime:
    """Return until when a left revision keeps its pods: `drain` after the pointer moved."""
    move, known = view.last_move(seen), seen.revisions.get(name)
    if move is None or move.ended is None or move.origin != name or known is None or move.cut:
        return datetime.min.replace(tzinfo=UTC)
    return move.ended + timedelta(seconds=seconds(known.spec.rollout.drain))


def _judging(seen: Observed) -> list[datetime]:
    judged = seen.judged.get((view.candidate(seen), Purpose.PROMOTION))
    verdict = seen.verdicts.get((view.candidate(seen), Purpose.PROMOTION))
    if judged is None or seen.timing is None or view.candidate(seen) == seen.pointer:
        return []
    expires = [verdict.expires] if verdict and verdict.expires else []
    return [judged.at + seen.timing.recheck, *expires]


def _baking(seen: Observed) -> list[datetime]:
    record = view.baking(seen)
    ends = view.bake_ends(seen, record) if record else None
    return [ends] if ends else []


def _warming(seen: Observed) -> list[datetime]:
    workload = seen.workloads.get(view.candidate(seen))
    if workload is None or workload.started is None or seen.timing is None:
        return []
    return [workload.started + seen.timing.ready_within + timedelta(seconds=1)]
