"""How an SRE's request is judged: once, against what serves now, with a sentence for every no."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from interlock.api import digests, names
from interlock.api.kinds.records import TransitionType
from interlock.api.observed import Observed, Request, Revision, Transition
from interlock.api.reasons import Reason
from interlock.api.steps import MoveBack, Record, Refuse, Settle, TrafficStep
from interlock.decide import view

REQUEST_LIFETIME = timedelta(seconds=60)
"""A request that is older when first seen is answered `Expired`: the situation has moved on."""
GLASS_LIFETIME = timedelta(hours=24)
"""How long a break-glass may be good for; policies/break-glass.yaml says the same at the door."""


def judge_request(seen: Observed, request: Request, now: datetime) -> TrafficStep:
    """Return the step that answers a request."""
    if record := view.request_of(seen, request.uid):
        if record.end == "Abandoned":
            return _refuse(request, f"{record.name} was abandoned for something more urgent")
        return Settle(request, record.name)
    if view.age(request, now) > REQUEST_LIFETIME:
        late = f"created {int(view.age(request, now).total_seconds())} s ago, answered within 60 s"
        return Refuse(request, "Expired", f"The request was {late} only. Look again, and ask anew.")
    if seen.wanted is None:
        return _refuse(request, "there is no AgentDeployment of this name in this namespace")
    return _JUDGES[request.kind](seen, request)


def _rollback(seen: Observed, request: Request) -> TrafficStep:
    serving = view.serving(seen)
    if serving is None:
        return _refuse(request, "nothing serves, so there is nothing to leave")
    if not serving.digest.startswith(request.expect):
        got = digests.short(serving.digest)
        return _refuse(request, f"{got} serves, the request expected {request.expect[:10]}")
    if not serving.spec.rollback.allowed:
        return _refuse(request, "this content says rollback.allowed: false; use a quarantine")
    target = _target(seen, request)
    if isinstance(target, str):
        return _refuse(request, target)
    return MoveBack(
        type="Rollback",
        origin=serving.name,
        to=target.name,
        digest=serving.digest,
        behaviour=serving.behaviour,
        cause="requested",
        reason=Reason.REQUESTED,
        message=request.reason,
        nonces=view.brought_by(seen, serving.name),
        cut=request.cut,
        request=request,
    )


def _target(seen: Observed, request: Request) -> Revision | str:
    if not request.to:
        fitting = view.targets(seen)
        return (
            seen.revisions[fitting[0]]
            if fitting
            else ("there is no revision to go back to; a quarantine takes traffic off")
        )
    found = view.matching(seen, request.to)
    if len(found) != 1:
        return f"{len(found)} kept revisions start with {request.to[:10]}, expected exactly one"
    if found[0].name == seen.pointer:
        return f"{request.to[:10]} is what serves already"
    if why := view.not_a_target(seen, found[0].name):
        return f"{request.to[:10]} is no rollback target: {why}"
    return found[0]


def _quarantine(seen: Observed, request: Request) -> TrafficStep:
    if view.quarantined(seen):
        return _refuse(request, "the agent is quarantined already")
    if seen.pointer is None:
        return _refuse(request, "nothing of the agent exists yet; spec.paused stops its promotion")
    serving = view.serving(seen)
    return MoveBack(
        type="Quarantine",
        origin=seen.pointer or names.NO_REVISION,
        to=names.NO_REVISION,
        digest=serving.digest if serving else "",
        behaviour="",
        cause="",
        reason=Reason.QUARANTINED,
        message=request.reason,
        cut=True,
        request=request,
    )


def _release(seen: Observed, request: Request) -> TrafficStep:
    if request.frozen:
        if not view.frozen(seen) and not view.cools_until(seen):
            return _refuse(request, "the agent is not frozen")
        return _record(request, "Unfreeze", None)
    if not request.digest:
        if not view.quarantined(seen):
            return _refuse(request, "the agent is not quarantined")
        return _record(request, "Restore", None)
    held = [hold for hold in view.holds(seen).values() if hold.digest.startswith(request.digest)]
    if len(held) != 1:
        return _refuse(request, f"{len(held)} holds match {request.digest[:10]}, expected one")
    if held[0].cause != "requested":
        return _refuse(
            request,
            f"{request.digest[:10]} is held because it {_CAUSES[held[0].cause]}; "
            "only new approvals lift that: interlock approve <file>",
        )
    return _record(request, "Release", held[0])


_CAUSES = {
    "failed": "failed",
    "revoked": "was revoked",
    "unratified": "was let in by break-glass and not ratified",
}


def _break_glass(seen: Observed, request: Request) -> TrafficStep:
    if why := next(_unbroken(seen, request), ""):
        return _refuse(request, why)
    return Record(
        type="BreakGlass",
        origin="",
        to=view.candidate(seen),
        digest=request.digest,
        behaviour=seen.wanted.behaviour if seen.wanted else "",
        cause="",
        reason=Reason.BREAK_GLASS,
        message=request.reason,
        request=request,
    )


def _unbroken(seen: Observed, request: Request) -> Iterator[str]:
    """Yield why no glass breaks for this content, on this word."""
    wanted, terms = seen.wanted, seen.timing.break_glass if seen.timing else None
    if terms is None:
        yield "tiers.yaml allows no break-glass for this tier and environment"
    if not request.person:
        yield f"people.yaml knows no person whose users name {request.requested_by}"
    if seen.pointer is None:
        yield "nothing of the agent exists yet; wait until it is admitted"
    if wanted is None or request.digest != wanted.digest:
        asked = digests.short(wanted.digest) if wanted else "nothing"
        yield f"the spec asks for {asked}, the request names {digests.short(request.digest)}"
        return
    if view.candidate(seen) == seen.pointer:
        yield "this content serves already; to approve it afterwards: interlock approve <file>"
    if hold := view.holds(seen).get(wanted.behaviour):
        yield f"its behaviour is held since {hold.name} ({hold.reason}); break-glass lifts no hold"
    if view.candidate(seen) in seen.revoked:
        yield seen.revoked[view.candidate(seen)]
    lasts = (request.expires or request.created) - request.created
    if not timedelta(0) < lasts <= GLASS_LIFETIME:
        yield "expires must lie within the 24 hours after the request was created"
    for record in view.broken_glass(seen, request.digest):
        if record.requested_by == request.requested_by and (
            record.expires and record.expires > request.created
        ):
            yield f"{record.name} says the same of the same person until {record.expires:%H:%M}Z"


def _record(request: Request, type_: TransitionType, hold: Transition | None) -> Record:
    return Record(
        type=type_,
        origin="",
        to="",
        digest=hold.digest if hold else "",
        behaviour=hold.behaviour if hold else "",
        cause="",
        reason=Reason.UNFROZEN if type_ == "Unfreeze" else Reason.RELEASED,
        message=request.reason,
        request=request,
        requested_by=request.requested_by,
    )


def _refuse(request: Request, why: str) -> Refuse:
    return Refuse(request, "Refused", f"Refused: {why}.")


_JUDGES = {
    "AgentRollback": _rollback,
    "AgentQuarantine": _quarantine,
    "AgentRelease": _release,
    "AgentBreakGlass": _break_glass,
}
