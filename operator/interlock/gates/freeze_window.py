"""Nothing is promoted while governance has frozen it: over a shift change, a holiday, an audit.

A window that denies beats one that allows; where windows allow, all other times are frozen. Going
back and cutting are never frozen. Who may lift a freeze is its own role's business: an approval of
this very content that names the freeze. Attacks refused: an override by another role, by an author,
of another content, or of one freeze where two hold.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from interlock.api.facts import Facts
from interlock.api.reasons import Reason
from interlock.api.values import GateResult, Outcome, Purpose
from interlock.gates import break_glass
from interlock.gates.answers import day, moment, not_applicable, some
from interlock.gates.ballot import Vote, count
from interlock.policy import queries
from interlock.policy.freezes import Freeze, next_start, open_until
from interlock.policy.model import Policy

NAME = "freeze-window"
_NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class _Hold:
    """What keeps everything still now: a window, or being outside of some."""

    text: str
    windows: tuple[Freeze, ...]
    """Lifting any of these lifts it."""
    until: datetime


def evaluate(facts: Facts, policy: Policy) -> GateResult:
    """Judge the present moment, and what may stand in for waiting."""
    return break_glass.instead(_judged(facts, policy), facts, policy)


def _judged(facts: Facts, policy: Policy) -> GateResult:
    namespace = facts.subject.namespace
    known = policy.freezes.of(queries.environment(policy, namespace), namespace)
    if not known:
        return not_applicable(NAME, "no freeze concerns this namespace")
    if facts.purpose is Purpose.ROLLBACK:
        return not_applicable(NAME, "a way back is never frozen")
    now = moment(facts.now)
    holds = list(_holds(known, now))
    changes = _changes(known, now)
    if not holds:
        return _open(changes)
    votes = _votes(facts, policy)
    lifts = [[vote for vote in votes if _lifts(vote, hold)] for hold in holds]
    if all(lifts):
        return _overridden(holds, [vote for each in lifts for vote in each], changes)
    shut = [hold for hold, by in zip(holds, lifts, strict=True) if not by]
    return _frozen(shut, facts)


def _holds(known: list[Freeze], now: datetime) -> Iterator[_Hold]:
    for each in known:
        until = open_until(each, now) if each.kind == "deny" else None
        if until:
            yield _Hold(f"frozen by {each.name}: {each.reason}", (each,), until)
    allowing = tuple(each for each in known if each.kind == "allow")
    if allowing and not any(open_until(each, now) for each in allowing):
        names = some(each.name for each in allowing)
        starts = (next_start(each, now) for each in allowing)
        until = min((start for start in starts if start), default=_NEVER)
        yield _Hold(f"outside of all windows that allow ({names})", allowing, until)


def _changes(known: list[Freeze], now: datetime) -> datetime:
    """Return when a freeze may begin: a window that denies starts, the last that allows ends."""
    starts = (next_start(each, now) for each in known if each.kind == "deny")
    ends = (open_until(each, now) for each in known if each.kind == "allow")
    last = max((end for end in ends if end), default=_NEVER)
    return min([last, *(start for start in starts if start)])


def _votes(facts: Facts, policy: Policy) -> tuple[Vote, ...]:
    """Return the approvals that count for this content, now."""
    tier = queries.tier_policy(
        policy, facts.subject.namespace, str(facts.subject.spec.get("riskTier", ""))
    )
    return count(facts, policy, tier).votes if tier else ()


def _lifts(vote: Vote, hold: _Hold) -> bool:
    return any(
        each.name in vote.overrides and vote.role == each.override_role for each in hold.windows
    )


def _open(changes: datetime) -> GateResult:
    then = "none is planned" if changes == _NEVER else f"none before {day(changes)}"
    message = f"no freeze is in force, {then}"
    return GateResult(NAME, Outcome.PASS, Reason.PASSED, message, expires=_or_none(changes))


def _frozen(holds: list[_Hold], facts: Facts) -> GateResult:
    """Return the answer while something is frozen that nobody lifted."""
    until = max(hold.until for hold in holds)
    ends = "no end is planned" if until == _NEVER else f"until {day(until)}"
    return GateResult(
        NAME,
        Outcome.WAIT,
        Reason.FREEZE_WINDOW,
        f"{'; '.join(hold.text for hold in holds)}; {ends}",
        got=some(hold.text for hold in holds),
        expected="a time at which promotions are allowed",
        unblock=tuple(_ways(holds, facts)),
    )


def _ways(holds: list[_Hold], facts: Facts) -> Iterator[str]:
    path = facts.change.path if facts.change else f"{facts.subject.name}.yaml"
    for hold in holds:
        for each in hold.windows:
            if each.override_role:
                yield (
                    f"interlock approve {path} --override {each.name}, by a member of "
                    f"{each.override_role}; or wait"
                )
            else:
                yield f"wait: nobody may lift {each.name}"


def _overridden(holds: list[_Hold], votes: list[Vote], changes: datetime) -> GateResult:
    who = some(dict.fromkeys(f"{vote.person} ({vote.role})" for vote in votes))
    return GateResult(
        NAME,
        Outcome.OVERRIDDEN,
        Reason.OVERRIDDEN,
        f"lifted by {who}: {'; '.join(hold.text for hold in holds)}",
        evidence=tuple(sorted({vote.envelope for vote in votes})),
        expires=min([changes, *(vote.until for vote in votes)]),
    )


def _or_none(when: datetime) -> datetime | None:
    return None if when == _NEVER else when
