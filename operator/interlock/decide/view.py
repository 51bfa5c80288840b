"""Questions to what is observed, shared by rules and status. Each is derived, nothing is stored."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from interlock.api import names
from interlock.api.kinds.base import seconds
from interlock.api.observed import Observed, Request, Revision, Transition, Verdict
from interlock.api.reasons import Reason
from interlock.api.values import Purpose

HISTORY = 3
"""Revisions that served healthy and are kept to go back to."""
CLOCK_SKEW = timedelta(minutes=1)
"""By how much the clocks of two controllers may differ."""
POINTER_MOVES = frozenset({"Promotion", "Rollback", "Quarantine"})
LEAVING_REQUESTS = frozenset({"AgentRollback", "AgentQuarantine"})
"""Requests that take traffic away: nothing is promoted before they are answered."""


def candidate(seen: Observed) -> str:
    """Return the name of the revision that the spec asks for, or an empty string."""
    wanted = seen.wanted
    return names.revision_name(wanted.name, wanted.digest) if wanted else ""


def serving(seen: Observed) -> Revision | None:
    """Return the revision that the pointer names, if there is one that we know."""
    return seen.revisions.get(seen.pointer or "")


def open_record(seen: Observed) -> Transition | None:
    """Return the record without an end, if there is one."""
    return next((record for record in reversed(seen.transitions) if record.end is None), None)


def moves(seen: Observed) -> Iterator[Transition]:
    """Yield the committed pointer moves, newest first."""
    for record in reversed(seen.transitions):
        if record.type in POINTER_MOVES and record.committed:
            yield record


def last_move(seen: Observed) -> Transition | None:
    """Return the newest committed pointer move."""
    return next(moves(seen), None)


def given_up(seen: Observed) -> list[Transition]:
    """Return the ways back that were abandoned since traffic moved last."""
    last = last_move(seen)
    since = last.number if last else 0
    ended = (one for one in seen.transitions if one.number > since)
    return [one for one in ended if one.type == "Rollback" and one.end == "Abandoned"]


def last_promotion(seen: Observed, revision: str) -> Transition | None:
    """Return the newest committed promotion to a revision."""
    fitting = (m for m in moves(seen) if m.type == "Promotion" and m.to == revision)
    return next(fitting, None)


def ratification(seen: Observed, promotion: Transition) -> Transition | None:
    """Return the record by which the quorum approved what a promotion had let in without it."""
    later = (one for one in seen.transitions if one.number > promotion.number)
    fitting = (one for one in later if one.type == "Ratification" and one.committed)
    return next((one for one in fitting if one.digest == promotion.digest), None)


def unratified(seen: Observed, revision: str) -> Transition | None:
    """Return the promotion that brought a revision by break-glass, if nobody ratified it."""
    promotion = last_promotion(seen, revision)
    return promotion if promotion and _owes(seen, promotion) else None


def ratifies(verdict: Verdict, promotion: Transition) -> bool:
    """Whether a verdict says that the quorum approved what a promotion had let in without it."""
    return verdict.approved and not verdict.broken and verdict.at > promotion.at


def debt(seen: Observed) -> Transition | None:
    """Return the agent's newest promotion if it was never ratified, be it left again since."""
    newest = next((move for move in moves(seen) if move.type == "Promotion"), None)
    return newest if newest and _owes(seen, newest) else None


def broken_glass(seen: Observed, digest: str) -> list[Transition]:
    """Return the break-glass records for a content that no committed promotion rests on."""
    used = {name for move in moves(seen) for name in move.break_glass}
    records = (one for one in seen.transitions if one.type == "BreakGlass" and one.committed)
    return [one for one in records if one.digest == digest and one.name not in used]


def brought_by(seen: Observed, revision: str) -> tuple[str, ...]:
    """Return the nonces of the approvals by which a revision serves: they lift no hold."""
    promotion = last_promotion(seen, revision)
    if promotion is None:
        return ()
    later = ratification(seen, promotion)
    return (*promotion.nonces, *(later.nonces if later else ()))


def holds(seen: Observed) -> dict[str, Transition]:
    """Return behaviour -> the record that holds it: the newest record of that behaviour decides."""
    held: dict[str, Transition] = {}
    for record in seen.transitions:
        if record.end in ("Abandoned", "Failed") or not record.behaviour:
            continue
        if record.cause:
            held[record.behaviour] = record
        elif record.type == "Release" or (record.type == "Promotion" and record.committed):
            held.pop(record.behaviour, None)
    return held


def lifted(hold: Transition, verdict: Verdict | None) -> bool:
    """Whether an allowing verdict lifts this hold: by approvals that its record does not list."""
    if hold.cause == "requested" or verdict is None:
        return False
    return bool(set(verdict.nonces) - set(hold.nonces))


def quarantined(seen: Observed) -> bool:
    """Whether a quarantine was recorded and not lifted. The record counts, not its effect."""
    for record in reversed(seen.transitions):
        if record.type == "Restore" and record.committed:
            return False
        if record.type == "Quarantine" and not record.cause and record.end != "Abandoned":
            return True
    return False


def served_healthy(seen: Observed, revision: str) -> bool:
    """Whether a promotion to this revision ended its bake well."""
    return any(
        record.to == revision and record.type == "Promotion" and record.healthy is not None
        for record in seen.transitions
    )


def not_a_target(seen: Observed, revision: str) -> str:
    """Return why traffic may not go back to a revision; empty where it may."""
    known = seen.revisions.get(revision)
    if known is None:
        return "it is not kept any more"
    if revision in seen.revoked:
        return seen.revoked[revision]
    if hold := holds(seen).get(known.behaviour):
        return f"its behaviour is held since {hold.name} ({hold.reason})"
    if known.parent and last_promotion(seen, known.parent) is None:
        return "it is the fallback of a content that was never promoted"
    if not known.parent and not served_healthy(seen, revision):
        return "it never served healthy"
    if unratified(seen, known.parent or revision):
        return "it was let in by break-glass and never ratified"
    verdict = newest_verdict(seen, known.parent or revision)
    if verdict is None or verdict.verdict in ("Blocked", "Error"):
        return f"its newest decision is negative: {verdict.message if verdict else 'there is none'}"
    return ""


def newest_verdict(seen: Observed, revision: str) -> Verdict | None:
    """Return the verdict that counts for going back: the newest of either purpose."""
    verdicts = [seen.verdicts.get((revision, purpose)) for purpose in Purpose]
    known = [verdict for verdict in verdicts if verdict]
    return max(known, key=lambda verdict: verdict.number, default=None)


def clock_behind(seen: Observed, now: datetime) -> datetime | None:
    """Return when the newest verdict was made, if by this clock that is yet to come.

    A clock that was set back makes fresh again what has expired: policy, evidence, approvals.
    """
    latest = max((verdict.at for verdict in seen.verdicts.values()), default=now)
    return latest if latest > now + CLOCK_SKEW else None


def degraded(seen: Observed) -> Verdict | None:
    """Return the decision by which what serves would not be let in today, if there is one."""
    known = serving(seen)
    verdict = newest_verdict(seen, known.parent or known.name) if known else None
    return verdict if verdict and verdict.verdict == "Blocked" else None


def targets(seen: Observed) -> list[str]:
    """Return the revisions that traffic may go back to: newest promotion first, fallback last."""
    order = list(dict.fromkeys(move.to for move in moves(seen) if move.type == "Promotion"))
    order += fallbacks(seen, seen.pointer or "")
    return [name for name in order if name != seen.pointer and not not_a_target(seen, name)]


def fallbacks(seen: Observed, revision: str) -> list[str]:
    """Return the fallback of a revision, where its content has one and it was made."""
    return [one.name for one in seen.revisions.values() if revision and one.parent == revision]


def alone(seen: Observed, *revisions: str) -> bool:
    """Whether one of these acts by itself, so that it must never run beside another (I14)."""
    known = [seen.revisions[name] for name in revisions if name in seen.revisions]
    return any(revision.spec.mode == "autonomous" for revision in known)


def beside(seen: Observed, revision: str) -> bool:
    """Whether pods exist, or are about to, that this revision's must never run beside (I14)."""
    others = (name for name, load in seen.workloads.items() if load.pods or load.replicas)
    return any(alone(seen, name, revision) for name in others if name != revision)


def bake_ends(seen: Observed, record: Transition) -> datetime | None:
    """Return when the bake of a committed promotion ends."""
    revision = seen.revisions.get(record.to)
    if record.ended is None or revision is None or seen.timing is None:
        return None
    own = timedelta(seconds=seconds(revision.spec.rollout.bake))
    return record.ended + max(own, seen.timing.minimum_bake)


def baking(seen: Observed) -> Transition | None:
    """Return the promotion whose bake has not ended yet, if it brought what serves."""
    move = last_move(seen)
    if move is None or move.type != "Promotion" or move.to != seen.pointer or move.healthy:
        return None
    return move


def automatic(record: Transition) -> bool:
    """Whether it is a rollback that nobody asked for and no revocation forced."""
    return record.type == "Rollback" and record.cause == "failed" and record.committed


def frozen(seen: Observed) -> Transition | None:
    """Return the record since which nothing moves by itself, until a person lifts it."""
    found, recent = None, list[Transition]()
    for record in seen.transitions:
        if record.type == "Unfreeze" and record.committed:
            found, recent = None, []
        elif record.type == "Freeze" and record.committed:
            found = record
        elif automatic(record):
            recent = [one for one in recent if record.at - one.at <= seen.limits.window]
            recent.append(record)
            found = record if len(recent) >= seen.limits.rollbacks else found
    return found


def cools_until(seen: Observed) -> datetime | None:
    """Return until when an automatic rollback keeps promotions waiting."""
    for record in reversed(seen.transitions):
        if record.type == "Unfreeze" and record.committed:
            return None
        if automatic(record):
            return record.at + seen.limits.cool_down
    return None


def switch_of(seen: Observed) -> Transition | None:
    """Return the promotion by which what serves came together with its group."""
    move = last_move(seen)
    together = move is not None and move.type == "Promotion" and move.switch != ""
    return move if move is not None and together and move.to == seen.pointer else None


def left_switches(seen: Observed) -> dict[str, datetime]:
    """Return the switches that were left again, and when last."""
    left: dict[str, datetime] = {}
    brought: dict[str, str] = {}
    for record in seen.transitions:
        if not record.committed:
            continue
        if record.type == "Promotion":
            brought[record.to] = record.switch
        elif record.type in POINTER_MOVES and brought.get(record.origin):
            left[brought[record.origin]] = record.at
    return left


def kept(seen: Observed) -> list[str]:
    """Return the revisions whose pods may exist: serving, targets, fallback, staged candidate."""
    pointer = seen.pointer or ""
    names_ = [pointer, *targets(seen)[:HISTORY], *fallbacks(seen, pointer)]
    wanted = candidate(seen)
    if wanted and may_stage(seen, wanted):
        names_.append(wanted)
    if record := open_record(seen):
        names_.append(record.to)
    return [
        name
        for name in dict.fromkeys(names_)
        if name in seen.revisions and name not in seen.revoked
    ]


def may_stage(seen: Observed, revision: str) -> bool:
    """Whether the newest verdict allows the candidate, no hold stands, and nobody stopped it."""
    known = seen.revisions.get(revision)
    verdict = seen.verdicts.get((revision, Purpose.PROMOTION))
    if known is None or verdict is None or verdict.verdict != "Allowed" or quarantined(seen):
        return False
    hold = holds(seen).get(known.behaviour)
    return hold is None or lifted(hold, verdict)


def judged_since(seen: Observed, revision: str, purpose: Purpose) -> bool:
    """Whether this process judged it under today's policy, after the last move and hold of it."""
    judged = seen.judged.get((revision, purpose))
    if judged is None or judged.policy != seen.policy:
        return False
    if purpose is Purpose.ROLLBACK:
        return True
    known = seen.revisions.get(revision)
    behaviour = known.behaviour if known else ""
    times = [
        record.at
        for record in seen.transitions
        if record.committed and (record.type in POINTER_MOVES or record.behaviour == behaviour)
    ]
    return all(judged.at > at for at in times)


def spent(seen: Observed, digest: str) -> list[str]:
    """Return the nonces that count no more for a content.

    A committed promotion spends its approvals, and so does what ratifies it; a recorded release of
    the same content, or leaving it for its group's sake alone, lets those of its last promotion
    count once more.
    """
    used: dict[str, str] = {}
    for record in seen.transitions:
        if record.type == "Promotion" and record.committed:
            used |= dict.fromkeys(record.nonces, record.name)
        elif record.type == "Ratification" and record.committed:
            last = _last_promotion_of(seen, record.digest, before=record.number)
            used |= dict.fromkeys(record.nonces, last)
        elif _gives_back(record) and record.digest == digest:
            last = _last_promotion_of(seen, digest, before=record.number)
            used = {nonce: name for nonce, name in used.items() if name != last}
    return sorted(used)


def predecessors(seen: Observed, digest: str) -> list[str]:
    """Return what an approval of a content may name as predecessor.

    That is what serves, or was just left by itself. Where the content itself serves and is to be
    ratified, it is what it replaced.
    """
    now = serving(seen)
    if now and now.digest == digest and (promotion := unratified(seen, now.name)):
        return list(_replaced(seen, promotion))
    found = [now.digest if now else names.NO_REVISION]
    move = last_move(seen)
    if move and move.type == "Rollback" and move.digest:
        found.append(move.digest)
    return found


def request_of(seen: Observed, uid: str) -> Transition | None:
    """Return the record that a request led to."""
    return next((record for record in seen.transitions if record.request == uid), None)


def matching(seen: Observed, prefix: str) -> list[Revision]:
    """Return the revisions whose digest starts with a prefix."""
    return [known for known in seen.revisions.values() if known.digest.startswith(prefix)]


def age(request: Request, now: datetime) -> timedelta:
    """Return how long ago a request was created."""
    return now - request.created


def _owes(seen: Observed, promotion: Transition) -> bool:
    return promotion.ratify_by is not None and ratification(seen, promotion) is None


def _replaced(seen: Observed, promotion: Transition) -> Iterator[str]:
    if promotion.origin == names.NO_REVISION:
        yield names.NO_REVISION
    elif known := seen.revisions.get(promotion.origin):
        yield known.digest


def _gives_back(record: Transition) -> bool:
    return record.type == "Release" or (record.committed and record.reason == Reason.GROUP_LEFT)


def _last_promotion_of(seen: Observed, digest: str, before: int) -> str:
    fitting = [
        record.name
        for record in seen.transitions
        if record.type == "Promotion"
        and record.committed
        and record.digest == digest
        and record.number < before
    ]
    return fitting[-1] if fitting else ""
