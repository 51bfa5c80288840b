"""Rules about what exists beside the traffic: entries, warm targets, drained and forgotten ones."""

from datetime import UTC, datetime, timedelta

from interlock.api.kinds.base import seconds
from interlock.api.observed import Observed, Transition
from interlock.api.steps import Drain, Entitle, Forget, Inspect, Judge, Scale, Stage, Step
from interlock.api.values import Purpose
from interlock.decide import arrive, view

LOOK_AGAIN = timedelta(seconds=2)
"""How long a candidate that waits for other agents rests."""
SETTLE = timedelta(seconds=3)
"""How long nodes may take to route elsewhere (kube-proxy renews its tables once a second), and
what is open to end once its pod was asked to."""


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
    move = _to_drain(seen)
    if move is None or now < _settled(seen, move):
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
    """What serves, and what to go back to, have the replicas that the team asks for.

    None needs a gate: they were allowed, and the targets were judged again ahead. One that has to
    start cold has its objects ahead, so that the way back needs nothing but replicas.
    """
    for name in (seen.pointer or "", *view.targets(seen)):
        goal = _replicas_wanted(seen, name)
        known = name in seen.revisions and name in seen.admitted and name not in seen.staged
        if known and _stands_wrong(seen, name, goal) and not (goal and view.beside(seen, name)):
            return Stage(name, goal)
    return None


def ground(seen: Observed, record: Transition) -> Step | None:
    """Return what a way back lacks to stand on: its target's entry, and its objects."""
    to = record.to
    if record.type != "Rollback" or to not in seen.revisions or to in seen.staged:
        return None
    replicas = seen.wanted.spec.replicas if seen.wanted else 1
    if to not in seen.admitted:
        entries = {**seen.admitted, to: True}
        return Entitle(tuple(entries.items()), seen.quarantined, replicas)
    if to in seen.workloads:
        return None
    return Stage(to, 0 if view.alone(seen, record.origin, to) else replicas)


def judge_unratified(seen: Observed, now: datetime) -> Step | None:
    """What break-glass let in is judged again and again until the quorum has approved it."""
    due = None if view.clock_behind(seen, now) else _ratification(seen)
    return Judge(Purpose.PROMOTION, seen.pointer or "") if due and now >= due else None


def judge_targets(seen: Observed, now: datetime) -> Step | None:
    """Whether a revision may be gone back to is decided ahead, under today's policy.

    What serves is judged again from time to time: a new scan of it may have found something.
    """
    for name in _judgeable(seen):
        ends = _judged_until(seen, name)
        if not view.judged_since(seen, name, Purpose.ROLLBACK) or (ends and now >= ends):
            return Judge(Purpose.ROLLBACK, name)
    return None


def inspect(seen: Observed, now: datetime) -> Step | None:
    """Live objects are compared with what was rendered, and put right."""
    if view.serving(seen) is None or now < _inspection(seen):
        return None
    staged = [name for name in view.kept(seen) if name in seen.workloads]
    return Inspect(tuple(staged))


def forget(seen: Observed, now: datetime) -> Step | None:
    """Revisions that neither serve, nor are asked for, nor can be gone back to are deleted."""
    order = list(dict.fromkeys(move.to for move in view.moves(seen) if move.type == "Promotion"))
    keep = {seen.pointer, view.candidate(seen), *order[: view.HISTORY + 1], *view.kept(seen)}
    for name, known in sorted(seen.revisions.items()):
        workload = seen.workloads.get(name)
        rests = workload is None or workload.replicas == 0
        if name not in keep and rests and (not known.parent or known.parent not in keep):
            return Forget(name)
    return None


def next_deadline(seen: Observed, now: datetime) -> datetime | None:
    """Return when, without any event, something may have to be done."""
    moments = [*_judging(seen), *_baking(seen), *_warming(seen), *_waiting(seen, now)]
    if view.serving(seen) is not None:
        moments.append(_inspection(seen))
    moments += [_left_until(seen, name) for name, load in seen.workloads.items() if load.replicas]
    if move := _to_drain(seen):
        moments.append(_settled(seen, move))
    if due := _ratification(seen):
        promotion = view.unratified(seen, seen.pointer or "")
        moments += [due, *([promotion.ratify_by] if promotion and promotion.ratify_by else [])]
    moments += [ends for name in _judgeable(seen) if (ends := _judged_until(seen, name))]
    return min((moment for moment in moments if moment > now), default=None)


def _ratification(seen: Observed) -> datetime | None:
    """Return when what serves unratified is judged next; None where nothing is to be ratified."""
    serving = view.serving(seen)
    if serving is None or seen.timing is None or view.unratified(seen, serving.name) is None:
        return None
    judged = seen.judged.get((serving.name, Purpose.PROMOTION))
    if judged is None or not view.judged_since(seen, serving.name, Purpose.PROMOTION):
        return datetime.min.replace(tzinfo=UTC)
    return judged.at + seen.timing.recheck


def _judgeable(seen: Observed) -> list[str]:
    """Return the revisions that were promoted and served well, newest promotion first."""
    promoted = (move.to for move in view.moves(seen) if move.type == "Promotion")
    kept = (name for name in dict.fromkeys(promoted) if name in seen.revisions)
    return [name for name in kept if view.served_healthy(seen, name)]


def _judged_until(seen: Observed, name: str) -> datetime | None:
    """Return when a way back has to be judged again though nothing is known to have changed."""
    judged = seen.judged.get((name, Purpose.ROLLBACK))
    if judged is None or seen.timing is None:
        return None
    verdict = seen.verdicts.get((name, Purpose.ROLLBACK))
    ends = [verdict.expires] if verdict and verdict.expires and verdict.expires > judged.at else []
    if name == seen.pointer or judged.trouble[0]:
        ends.append(judged.at + seen.timing.reverify)
    return min(ends, default=None)


def _inspection(seen: Observed) -> datetime:
    """Return when live objects are compared next: soon, where they had to be put right."""
    if seen.inspected is None:
        return datetime.min.replace(tzinfo=UTC)
    soon = seen.limits.repairs_within / (2 * seen.limits.repairs)
    every = seen.limits.inspect_every
    return seen.inspected + (min(soon, every) if seen.drift else every)


def _replicas_wanted(seen: Observed, name: str) -> int:
    """Return at how many replicas a revision should stand while nothing is on its way."""
    wanted = seen.wanted
    if wanted is None or view.quarantined(seen) or name not in view.kept(seen):
        return 0
    if name == seen.pointer:
        return wanted.spec.replicas
    if name == view.candidate(seen) and not view.alone(seen, name, seen.pointer or ""):
        return wanted.spec.replicas
    if name not in _standby(seen) or view.alone(seen, name, seen.pointer or ""):
        return 0
    return {"full": wanted.spec.replicas, "min": 1, "none": 0}[wanted.spec.warm]


def _standby(seen: Observed) -> list[str]:
    """Return what is kept warm: the revision to go back to, and the fallback behind it."""
    found = view.targets(seen)
    return [*found[:1], *view.fallbacks(seen, seen.pointer or "")]


def _stands_wrong(seen: Observed, name: str, goal: int) -> bool:
    workload = seen.workloads.get(name)
    if workload is None or (workload.retiring and goal):
        return True
    return workload.replicas != goal if name == seen.pointer else workload.replicas < goal


def _to_drain(seen: Observed) -> Transition | None:
    """Return the promotion whose left pods were not restarted yet."""
    move = view.last_move(seen)
    if move is None or move.type != "Promotion" or move.to != seen.pointer:
        return None
    workload = seen.workloads.get(move.origin)
    if workload is None or not workload.replicas or workload.drained == move.name:
        return None
    return move


def _settled(seen: Observed, move: Transition) -> datetime:
    """Return when left pods may end: before, nodes may still send them new connections."""
    return (move.ended or move.at) + _margin(_drain(seen, move.origin))


def _left_until(seen: Observed, name: str) -> datetime:
    """Return until when a left revision keeps its pods: what is open then leaves within `drain`.

    One that acts by itself keeps none: nobody calls it, so that nothing has to drain (I14).
    """
    move = view.last_move(seen)
    if move is None or move.ended is None or move.origin != name or name not in seen.revisions:
        return datetime.min.replace(tzinfo=UTC)
    if move.cut or view.alone(seen, name):
        return datetime.min.replace(tzinfo=UTC)
    drain = _drain(seen, name)
    return move.ended + drain - _margin(drain)


def _drain(seen: Observed, name: str) -> timedelta:
    known = seen.revisions.get(name)
    return timedelta(seconds=seconds(known.spec.rollout.drain)) if known else timedelta(0)


def _margin(drain: timedelta) -> timedelta:
    """Return how much of a drain is for nodes to follow, and as much for connections to end."""
    return min(SETTLE, drain / 2)


def _waiting(seen: Observed, now: datetime) -> list[datetime]:
    """A candidate that waits for other agents looks again soon: nothing of its own will change."""
    if not arrive.ready(seen, now) or not arrive.waits(seen, now):
        return []
    until = view.cools_until(seen)
    return [now + LOOK_AGAIN, *([until] if until else [])]


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
