"""Rules by which a new content comes to serve: grant, admit, judge, stage, prove, commit."""

from datetime import datetime, timedelta

from interlock.api.observed import BreakGlass, Observed, Verdict, Wanted, Workload
from interlock.api.reasons import Reason
from interlock.api.steps import Admit, Commit, Judge, Preview, Record, Rest, Stage, Step
from interlock.api.values import Purpose
from interlock.decide import group, health, view


def wait_for_grant(seen: Observed, now: datetime) -> Step | None:
    """Without policy, or a grant of it, there is no namespace, no fetch and no record."""
    if not seen.policy or seen.granted or seen.timing is None or seen.namespace == "foreign":
        return Rest()
    return None


def admit(seen: Observed, now: datetime) -> Step | None:
    """The agent's namespace, its default-deny and its pointer come before anything in it."""
    if seen.namespace == "ours" and seen.pointer is not None:
        return None
    return Rest() if seen.namespace == "leaving" else Admit()


def judge_candidate(seen: Observed, now: datetime) -> Step | None:
    """The content that the spec asks for is judged, and again until it is allowed."""
    wanted, name = seen.wanted, view.candidate(seen)
    if wanted is None or name == seen.pointer or _stopped(seen, wanted, name):
        return None
    if view.clock_behind(seen, now):
        return None
    judged = seen.judged.get((name, Purpose.PROMOTION))
    if judged is None or not view.judged_since(seen, name, Purpose.PROMOTION):
        return Judge(Purpose.PROMOTION, name)
    if _allowed(seen, name, now):
        return None
    due = judged.at + seen.timing.recheck if seen.timing else now
    return Judge(Purpose.PROMOTION, name) if now >= due else None


def stage_candidate(seen: Observed, now: datetime) -> Step | None:
    """An allowed candidate's pods are made to exist, beside what serves.

    One that acts by itself gets its objects and no pod: it starts when the other one has ended.
    """
    wanted, name = seen.wanted, view.candidate(seen)
    if wanted is None or not promotable(seen, name, now) or name in seen.staged:
        return None
    workload = seen.workloads.get(name)
    replicas = 0 if view.alone(seen, name, seen.pointer or "") else wanted.spec.replicas
    if replicas and view.beside(seen, name):
        return None
    if workload is None or workload.replicas < replicas or (replicas and workload.retiring):
        return Stage(name, replicas)
    return None


def preview(seen: Observed, now: datetime) -> Step | None:
    """The preview Service leads to the candidate that is being proven."""
    name = view.candidate(seen)
    load = seen.workloads.get(name)
    shown = bool(load and load.replicas) and promotable(seen, name, now)
    return Preview(name) if shown and seen.preview not in (None, name) else None


def fail_stage(seen: Observed, now: datetime) -> Step | None:
    """A candidate with a vote against it, or never ready, is held; traffic stays."""
    name = view.candidate(seen)
    workload = seen.workloads.get(name)
    if workload is None or not workload.replicas or not promotable(seen, name, now):
        return None
    vote = next(health.bad(seen, name, *health.LEAVING), None)
    late = _late(seen, workload, now)
    if not (vote or late):
        return None
    revision = seen.revisions[name]
    verdict = seen.verdicts[(name, Purpose.PROMOTION)]
    return Record(
        type="FailedStage",
        origin=seen.pointer or "",
        to=name,
        digest=revision.digest,
        behaviour=revision.behaviour,
        cause="failed",
        reason=Reason.UNHEALTHY if vote and not late else Reason.NEVER_READY,
        message=f"{vote.signal}: {vote.message}" if vote else late,
        nonces=verdict.nonces,
    )


def commit_candidate(seen: Observed, now: datetime) -> Step | None:
    """Traffic moves forward when the candidate is proven and nothing makes it wait."""
    name = view.candidate(seen)
    if seen.wanted is None or not ready(seen, now) or waits(seen, now):
        return None
    revision = seen.revisions[name]
    verdict = seen.verdicts[(name, Purpose.PROMOTION)]
    terms = seen.timing.break_glass if seen.timing else None
    if verdict.broken and terms is None:
        return None
    return Commit(
        origin=seen.pointer or "",
        to=name,
        digest=revision.digest,
        behaviour=revision.behaviour,
        decision=verdict.name,
        nonces=verdict.nonces,
        switch=group.switch(seen),
        break_glass=tuple(one.record for one in verdict.broken),
        ratify_by=_ratify_by(verdict, terms, now) if terms else None,
    )


def ready(seen: Observed, now: datetime) -> bool:
    """Whether the candidate is allowed, staged and proven."""
    wanted, name = seen.wanted, view.candidate(seen)
    workload = seen.workloads.get(name)
    if wanted is None or workload is None or not promotable(seen, name, now):
        return False
    if name not in seen.admitted:
        return False
    if view.alone(seen, name, seen.pointer or ""):
        return True
    enough = workload.ready >= wanted.spec.replicas and workload.updated
    shown = seen.preview in (None, name)
    return enough and workload.warm and shown and health.proven(seen, name)


def waits(seen: Observed, now: datetime) -> group.Wait | None:
    """Return why a candidate that is ready does not switch yet."""
    if wait := stands_still(seen, now) or group.waits(seen):
        return wait
    if seen.fleet.promoting >= seen.limits.promotions:
        text = f"{seen.fleet.promoting} other agents are within their bake"
        return Reason.PROMOTION_LIMIT, f"{text}, at most {seen.limits.promotions} may be"
    return None


def stands_still(seen: Observed, now: datetime) -> group.Wait | None:
    """Return why nothing is promoted now, whatever the agent's peers do."""
    until = view.cools_until(seen)
    if until and now < until:
        return Reason.COOLING_DOWN, f"an automatic rollback was just made; until {until:%H:%M:%S}Z"
    if seen.fleet.halted:
        return Reason.FLEET_HALTED, seen.fleet.halted
    return None


def promotable(seen: Observed, name: str, now: datetime) -> bool:
    """Whether nothing forbids that this candidate is staged and serves."""
    if seen.wanted is None or not name or name == seen.pointer or name in seen.revoked:
        return False
    if seen.wanted.spec.paused or not seen.fresh or view.frozen(seen) or health.holding(seen):
        return False
    if view.clock_behind(seen, now):
        return False
    return _allowed(seen, name, now) and view.judged_since(seen, name, Purpose.PROMOTION)


def _stopped(seen: Observed, wanted: Wanted, name: str) -> bool:
    """Whether judging would be for nothing: a quarantine, or an SRE's hold, only people lift."""
    hold = view.holds(seen).get(wanted.behaviour)
    requested = hold is not None and hold.cause == "requested"
    return view.quarantined(seen) or requested or name in seen.revoked


def _allowed(seen: Observed, name: str, now: datetime) -> bool:
    verdict = seen.verdicts.get((name, Purpose.PROMOTION))
    if verdict is None or not view.may_stage(seen, name):
        return False
    return verdict.expires is None or now < verdict.expires


def _ratify_by(verdict: Verdict, terms: BreakGlass, now: datetime) -> datetime | None:
    """Return when it is left again unless the quorum approves.

    None where it did, and a freeze alone was in the way, or where enough persons broke the glass.
    Where fewer may let nothing in, no verdict rests on them; the limit is zero all the same.
    """
    persons = {one.person for one in verdict.broken}
    if not persons or verdict.approved or len(persons) >= terms.persons:
        return None
    return now + (terms.ratify_within or timedelta(0))


def _late(seen: Observed, workload: Workload, now: datetime) -> str:
    """Return how long its containers ran without becoming ready; pull and scheduling are free."""
    if workload.started is None or seen.timing is None:
        return ""
    limit = seen.timing.ready_within
    late = now - workload.started > limit
    text = f"its pods ran for {int(limit.total_seconds())} s and did not become ready"
    return text if late else ""
