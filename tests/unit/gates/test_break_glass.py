from dataclasses import replace
from typing import Any

import pytest

from interlock import gates
from interlock.api.facts import BrokenGlass, Facts, Held
from interlock.api.reasons import Reason
from interlock.api.values import GateResult, Outcome, Purpose
from interlock.gates import break_glass, change_approval, freeze_window
from interlock.policy.model import Policy
from support.facts import BEHAVIOUR, NOW, at, change, context, good_facts, quality, safety, subject
from support.policies import documents, good_policy

YEAR = {
    "name": "stock-taking",
    "environments": ["production"],
    "kind": "deny",
    "schedule": "0 0 * * *",
    "duration": "24h",
    "timeZone": "Europe/Berlin",
    "reason": "stock is taken",
}


def policy(terms: Any = None, **targets: Any) -> Policy:
    tiers = documents()["tiers"]
    tiers["tiers"]["high"]["breakGlass"] = {"allowed": True} if terms is None else terms
    return good_policy(tiers=tiers, **targets)


def glass(*persons: str, expires: str = at(NOW, hours=2)) -> list[BrokenGlass]:
    return [
        BrokenGlass(record=f"press-{number}", person=person, expires=expires, ticket="INC-1")
        for number, person in enumerate(persons, start=1)
    ]


def facts(*persons: str, about: Any = None, **parts: Any) -> Facts:
    whole = {"break_glass": glass(*persons)} | (about or {})
    return good_facts(**{"approvals": [quality()], "context": context(**whole)} | parts)


def judge(*persons: str, terms: Any = None, **parts: Any) -> GateResult:
    return change_approval.evaluate(facts(*persons, **parts), policy(terms))


def test_it_stands_in_for_missing_approvals_and_says_so() -> None:
    result = judge("sre-1")
    assert result.outcome is Outcome.BYPASSED
    assert result.reason is Reason.BREAK_GLASS
    assert "by break-glass of sre-1 (INC-1, press-1)" in result.message
    assert "left after 4h unless the quorum approves it" in result.message
    assert "without it: 1 of 2, role ot-safety open" in result.message
    assert result.expires
    assert result.expires.isoformat() == "2026-11-20T14:00:00+00:00"


def test_it_spends_no_approval_that_ratifies_later() -> None:
    assert judge("sre-1").evidence == ()


def test_enough_persons_need_nobody_afterwards() -> None:
    result = judge("sre-1", "developer-1")
    assert result.outcome is Outcome.BYPASSED
    assert "unless the quorum" not in result.message


def test_one_person_twice_is_one_person() -> None:
    result = judge("sre-1", "sre-1")
    assert result.outcome is Outcome.BYPASSED
    assert "unless the quorum approves it" in result.message
    once = {"allowed": True, "ratifyWithin": None}
    assert judge("sre-1", "sre-1", terms=once).outcome is Outcome.WAIT


def test_a_full_quorum_needs_no_broken_glass() -> None:
    assert judge("sre-1", approvals=[quality(), safety()]).outcome is Outcome.PASS


def test_nothing_is_bypassed_where_nobody_broke_it_or_policy_does_not_allow_it() -> None:
    assert judge().outcome is Outcome.WAIT
    assert judge("sre-1", terms={}).outcome is Outcome.WAIT
    assert judge("sre-1", terms={"allowed": False}).outcome is Outcome.WAIT


def test_it_expires() -> None:
    late = judge(about={"break_glass": glass("sre-1", expires=NOW)})
    assert late.outcome is Outcome.WAIT


@pytest.mark.parametrize("cause", ["failed", "revoked", "requested", "unratified"])
def test_it_lifts_no_hold(cause: Any) -> None:
    held = [Held(behaviour=BEHAVIOUR, cause=cause)]
    result = judge("sre-1", "developer-1", about={"holds": held, "break_glass": glass("a", "b")})
    assert not result.outcome.lets_through


def test_it_overrules_nobody_s_no() -> None:
    result = judge("sre-1", "developer-1", approvals=[quality(decision="reject")])
    assert result.outcome is Outcome.FAIL
    assert result.reason is Reason.APPROVAL_REJECTED


def test_a_revoked_person_breaks_nothing() -> None:
    revoked = {"persons": [{"person": "sre-1", "reason": "left"}]}
    result = change_approval.evaluate(facts("sre-1"), policy(revocations=revoked))
    assert result.outcome is Outcome.WAIT


def test_one_alone_is_not_enough_where_it_could_not_be_undone() -> None:
    forward = subject(rollback={"allowed": False})
    result = judge("sre-1", subject=forward)
    assert result.outcome is Outcome.WAIT
    assert "this content could not be left again" in result.message
    assert judge("sre-1", "developer-1", subject=forward).outcome is Outcome.BYPASSED


def test_a_tier_may_want_all_persons_always() -> None:
    terms = {"allowed": True, "persons": 3, "ratifyWithin": None}
    result = judge("sre-1", "developer-1", terms=terms)
    assert result.outcome is Outcome.WAIT
    assert "2 of 3 persons broke the glass, and the tier lets no fewer" in result.message
    assert judge("a", "b", "c", terms=terms).outcome is Outcome.BYPASSED


def test_one_alone_is_not_enough_while_an_earlier_one_is_unratified() -> None:
    about = {"break_glass": glass("sre-1"), "unratified": "press-9"}
    result = judge(about=about)
    assert result.outcome is Outcome.WAIT
    assert "nobody ratified press-9 yet" in result.message


def test_a_way_back_rests_on_approvals_alone() -> None:
    assert judge("sre-1", purpose=Purpose.ROLLBACK).outcome is Outcome.WAIT


def test_it_goes_past_unknown_hands_as_git_may_be_away() -> None:
    assert judge("sre-1", change=None).outcome is Outcome.BYPASSED
    assert judge(change=change(complete=False)).outcome is Outcome.FAIL


def test_it_goes_past_a_freeze() -> None:
    frozen = policy(freezes={"freezes": [YEAR]})
    assert freeze_window.evaluate(facts(), frozen).outcome is Outcome.WAIT
    result = freeze_window.evaluate(facts("sre-1"), frozen)
    assert result.outcome is Outcome.BYPASSED
    assert "without it: frozen by stock-taking" in result.message


@pytest.mark.parametrize("part", ["evidence", "pins"])
def test_it_goes_past_nothing_else(part: str) -> None:
    """Signatures, scans, digests: whatever breaks, those gates answer as they did."""
    results = gates.judge(facts("sre-1", "developer-1", **{part: []}), policy())
    bypassed = {one.gate for one in results if one.outcome is Outcome.BYPASSED}
    assert bypassed <= {change_approval.NAME, freeze_window.NAME}
    assert gates.verdict(results) in ("Blocked", "Waiting", "Error")


def test_a_gate_that_broke_is_not_gone_past() -> None:
    broke = replace(judge(), outcome=Outcome.ERROR, reason=Reason.GATE_ERROR)
    assert break_glass.instead(broke, facts("sre-1", "sre-2"), policy()) == broke
