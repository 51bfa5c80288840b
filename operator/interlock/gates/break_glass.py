"""Broken glass: named people let a content past missing approvals and freezes, for hours, loudly.

It stands in for a quorum that is not there yet. It does not overrule a person's no, lifts no hold,
and no other gate asks for it. Attack refused: break-glass as the normal way (docs/operations.md).
"""

from dataclasses import replace

from interlock.api.facts import BrokenGlass, Facts
from interlock.api.observed import Use
from interlock.api.reasons import Reason
from interlock.api.values import GateResult, Outcome, Purpose
from interlock.gates.answers import moment, some
from interlock.policy import model, queries, revocations
from interlock.policy.model import Policy

STANDS = frozenset(
    {Reason.HELD, Reason.APPROVAL_REJECTED, Reason.NOT_FAST_FORWARD, Reason.POLICY_MISSING}
)
"""What no break-glass goes past: a hold, a person's no and what may hide one, an unknown tier."""


def instead(result: GateResult, facts: Facts, policy: Policy) -> GateResult:
    """Return BYPASSED in place of an answer that people may go past; else the answer itself."""
    if result.outcome.lets_through or result.outcome is Outcome.ERROR or result.reason in STANDS:
        return result
    terms = _terms(facts, policy)
    broken = _counting(facts, policy) if terms else []
    if terms is None or not broken:
        return result
    if why := _not_enough(terms, broken, facts):
        return replace(result, message=f"{result.message}; break-glass does not let it in: {why}")
    return _bypassed(result, terms, broken)


def _terms(facts: Facts, policy: Policy) -> model.BreakGlass | None:
    """Return the tier's terms, where it allows break-glass at all. A way back needs none."""
    subject = facts.subject
    tier = queries.tier_policy(policy, subject.namespace, str(subject.spec.get("riskTier", "")))
    if tier is None or facts.purpose is Purpose.ROLLBACK:
        return None
    return tier.break_glass if tier.break_glass.allowed else None


def _counting(facts: Facts, policy: Policy) -> list[BrokenGlass]:
    """Return the break-glass in force of people who are not revoked; none against a hold."""
    if any(hold.behaviour == facts.subject.behaviour for hold in facts.context.holds):
        return []
    now = moment(facts.now)
    in_force = (one for one in facts.context.break_glass if now < moment(one.expires))
    return [
        one
        for one in in_force
        if not revocations.why(policy.revocations, [Use("person", one.person)])
    ]


def _not_enough(terms: model.BreakGlass, broken: list[BrokenGlass], facts: Facts) -> str:
    """Return why these few persons do not suffice; empty where they do."""
    persons = {one.person for one in broken}
    if len(persons) >= terms.persons:
        return ""
    needs = f"{len(persons)} of {terms.persons} persons"
    if terms.ratify_within is None:
        return f"{needs} broke the glass, and the tier lets no fewer"
    if (facts.subject.spec.get("rollback") or {}).get("allowed", True) is False:
        return f"{needs} broke the glass, and this content could not be left again"
    if facts.context.unratified:
        return f"{needs} broke the glass, and nobody ratified {facts.context.unratified} yet"
    return ""


def _bypassed(result: GateResult, terms: model.BreakGlass, broken: list[BrokenGlass]) -> GateResult:
    persons = {one.person for one in broken}
    alone = len(persons) < terms.persons
    who = some(f"{one.person} ({one.ticket}, {one.record})" for one in broken)
    then = f"; left after {terms.ratify_within} unless the quorum approves it" if alone else ""
    return GateResult(
        result.gate,
        Outcome.BYPASSED,
        Reason.BREAK_GLASS,
        f"bypassed by break-glass of {who}{then}; without it: {result.message}",
        got=result.got,
        expected=result.expected,
        unblock=result.unblock,
        expires=min(moment(one.expires) for one in broken),
    )
