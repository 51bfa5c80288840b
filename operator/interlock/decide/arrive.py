"""Rules by which a new content comes to serve: grant, admit, judge, stage, prove, commit."""

from datetime import datetime

from interlock.api.observed import Observed, Wanted
from interlock.api.reasons import Reason
from interlock.api.steps import Admit, Commit, Judge, Record, Rest, Stage, Step
from interlock.api.values import Purpose
from interlock.decide import view


def wait_for_grant(seen: Observed, now: datetime) -> Step | None:
    """Without policy, or a grant of it, there is no namespace, no fetch and no record.

    An autonomous agent waits as well: beside its successor it would act twice (I14), and there is
    no decision point yet that could tell the two apart.
    """
    if not seen.policy or seen.granted or seen.timing is None or seen.namespace == "foreign":
        return Rest()
    return Rest() if seen.wanted and seen.wanted.spec.mode == "autonomous" else None


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
    judged = seen.judged.get((name, Purpose.PROMOTION))
    if judged is None or not view.judged_since(seen, name, Purpose.PROMOTION):
        return Judge(Purpose.PROMOTION, name)
    if _allowed(seen, name, now):
        return None
    due = judged.at + seen.timing.recheck if seen.timing else now
    return Judge(Purpose.PROMOTION, name) if now >= due else None


def stage_candidate(seen: Observed, now: datetime) -> Step | None:
    """An allowed candidate's pods are made to exist, beside what serves."""
    wanted, name = seen.wanted, view.candidate(seen)
    if wanted is None or not _promotable(seen, name, now) or name in seen.staged:
        return None
    workload = seen.workloads.get(name)
    if workload is None or workload.replicas < wanted.spec.replicas or workload.retiring:
        return Stage(name, wanted.spec.replicas)
    return None


def fail_stage(seen: Observed, now: datetime) -> Step | None:
    """A candidate whose pods crash, or run and never become ready, is held; traffic stays."""
    name = view.candidate(seen)
    workload = seen.workloads.get(name)
    if workload is None or not workload.replicas or not _promotable(seen, name, now):
        return None
    late = (
        workload.started is not None
        and seen.timing is not None
        and now - workload.started > seen.timing.ready_within
    )
    if not (workload.failing or late):
        return None
    revision = seen.revisions[name]
    verdict = seen.verdicts[(name, Purpose.PROMOTION)]
    limit = int(seen.timing.ready_within.total_seconds()) if seen.timing else 0
    return Record(
        type="FailedStage",
        origin=seen.pointer or "",
        to=name,
        digest=revision.digest,
        behaviour=revision.behaviour,
        cause="failed",
        reason=Reason.NEVER_READY,
        message=workload.failing or f"its pods ran for {limit} s and did not become ready",
        nonces=verdict.nonces,
    )


def commit_candidate(seen: Observed, now: datetime) -> Step | None:
    """Traffic moves forward when every pod of the candidate is ready."""
    wanted, name = seen.wanted, view.candidate(seen)
    workload = seen.workloads.get(name)
    if wanted is None or workload is None or not _promotable(seen, name, now):
        return None
    enough = workload.ready >= wanted.spec.replicas and workload.updated
    if not enough or not workload.warm or name not in seen.admitted:
        return None
    revision = seen.revisions[name]
    verdict = seen.verdicts[(name, Purpose.PROMOTION)]
    return Commit(
        origin=seen.pointer or "",
        to=name,
        digest=revision.digest,
        behaviour=revision.behaviour,
        decision=verdict.name,
        nonces=verdict.nonces,
    )


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


def _promotable(seen: Observed, name: str, now: datetime) -> bool:
    """Whether nothing forbids that this candidate serves now."""
    if seen.wanted is None or not name or name == seen.pointer or name in seen.revoked:
        return False
    if seen.wanted.spec.paused or not seen.fresh:
        return False
    return _allowed(seen, name, now) and view.judged_since(seen, name, Purpose.PROMOTION)
