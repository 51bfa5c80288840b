from typing import Any

import pytest

from interlock.api.facts import NOT_FAST_FORWARD, Denied, Held, Involved
from interlock.api.reasons import Reason
from interlock.api.values import GateResult, Outcome, Purpose
from interlock.gates.ballot import REFS
from interlock.gates.change_approval import evaluate
from support.facts import (
    BEHAVIOUR,
    NOW,
    approval,
    at,
    change,
    context,
    good_facts,
    quality,
    safety,
    subject,
)
from support.policies import documents, fingerprint, good_policy, ssh_line


def judge(**facts: Any) -> GateResult:
    return evaluate(good_facts(**facts), good_policy())


def moved(where: str) -> Denied:
    return Denied(
        bundle="ab" * 32, location=where, code=NOT_FAST_FORWARD, got="it moved", expected="the old"
    )


def held(cause: str, *nonces: str) -> Any:
    return context(
        holds=[Held.model_validate({"behaviour": BEHAVIOUR, "cause": cause, "nonces": [*nonces]})]
    )


def known_author() -> Any:
    tiers = documents()["tiers"]
    tiers["tiers"]["high"]["knownAuthor"] = True
    return good_policy(tiers=tiers)


def test_distinct_people_in_all_roles_pass() -> None:
    result = judge()
    assert result.outcome is Outcome.PASS
    assert result.message.startswith("2 of 2: ot-safety (ot-safety-1,")
    assert set(result.evidence) == {quality().envelope, safety().envelope}


def test_it_expires_with_the_first_approval() -> None:
    result = judge(approvals=[quality(not_after=at(NOW, hours=2)), safety()])
    assert result.expires
    assert result.expires.isoformat() == "2026-11-20T14:00:00+00:00"


def test_an_approval_holds_no_longer_than_policy_lets_it() -> None:
    tiers = documents()["tiers"]
    tiers["tiers"]["high"]["approvalMaxAge"] = "1h"
    result = evaluate(good_facts(), good_policy(tiers=tiers))
    assert result.outcome is Outcome.WAIT
    assert "expired" in result.message


def test_what_is_missing_is_waited_for_by_role() -> None:
    result = judge(approvals=[quality()])
    assert (result.outcome, result.reason) == (Outcome.WAIT, Reason.APPROVAL_MISSING)
    assert result.message == "1 of 2, role ot-safety open"
    assert result.unblock == (
        "interlock approve agents/press-scheduler.yaml, by a member of ot-safety: ot-safety-1",
    )


def test_nobody_signed_yet() -> None:
    assert judge(approvals=[]).message == "0 of 2, roles quality, ot-safety open"


def test_somebody_with_two_roles_sits_where_it_helps() -> None:
    people = documents()["people"]
    people["people"][0]["roles"] = ["quality", "ot-safety"]
    both = [approval("quality-1", "quality"), approval("quality-1", "ot-safety", nonce="b" * 16)]
    other = approval("quality-2", "quality")
    result = evaluate(good_facts(approvals=[*both, other]), good_policy(people=people))
    assert result.outcome is Outcome.PASS


def test_a_tier_without_a_quorum_needs_no_people() -> None:
    tiers = documents()["tiers"]
    tiers["tiers"]["high"] = {"gates": []}
    result = evaluate(good_facts(approvals=[], change=None), good_policy(tiers=tiers))
    assert result.outcome is Outcome.NOT_APPLICABLE


def test_a_tier_without_a_quorum_hears_nobody() -> None:
    tiers = documents()["tiers"]
    tiers["tiers"]["high"] = {"gates": []}
    no = approval("sre-1", "sre", decision="reject")
    result = evaluate(good_facts(approvals=[no], denied=[moved(REFS)]), good_policy(tiers=tiers))
    assert result.outcome is Outcome.NOT_APPLICABLE


def test_an_approval_holds_from_its_first_moment_on() -> None:
    assert judge(approvals=[quality(not_before=NOW), safety()]).outcome is Outcome.PASS


def test_only_words_that_were_lost_stop_it_and_no_branch_that_moved() -> None:
    assert judge(denied=[moved("refs/heads/main")]).outcome is Outcome.PASS
    assert judge(denied=[moved(REFS)]).reason is Reason.NOT_FAST_FORWARD


def test_why_no_change_was_found_is_said_where_it_is_known() -> None:
    other = moved("oci").model_copy(update={"code": "BadSignature", "got": "bad"})
    both = [other, moved("refs/heads/main")]
    assert judge(change=None, denied=both).message == "it moved"
    assert judge(change=None, denied=[other]).message == "the change was not found in git"


def test_a_rejection_vetoes() -> None:
    result = judge(approvals=[quality(), safety(), approval("sre-1", "sre", decision="reject")])
    assert (result.outcome, result.reason) == (Outcome.FAIL, Reason.APPROVAL_REJECTED)
    assert "sre-1 (sre) rejected" in result.message


def test_who_approves_after_rejecting_has_changed_their_mind() -> None:
    before = quality(decision="reject", not_before=at(NOW, hours=-3), nonce="b" * 16)
    assert judge(approvals=[before, quality(), safety()]).outcome is Outcome.PASS


def test_a_yes_and_a_no_of_one_moment_are_a_no() -> None:
    no = quality(decision="reject", nonce="b" * 16)
    assert judge(approvals=[no, quality(), safety()]).outcome is Outcome.FAIL


def test_a_revocation_takes_the_earlier_approval_back() -> None:
    after = quality(decision="revoke", not_before=at(NOW, minutes=-5), nonce="b" * 16)
    result = judge(approvals=[quality(), safety(), after])
    assert result.reason is Reason.APPROVAL_REJECTED
    assert "took back" in result.message


def test_a_revocation_of_nothing_says_nothing() -> None:
    idle = approval("sre-1", "sre", decision="revoke")
    assert judge(approvals=[quality(), safety(), idle]).outcome is Outcome.PASS


def test_a_rejection_by_a_stranger_says_nothing() -> None:
    stranger = approval("sre-1", "sre", decision="reject", key="SHA256:unknown")
    assert judge(approvals=[quality(), safety(), stranger]).outcome is Outcome.PASS


@pytest.mark.parametrize("found", [None, change(complete=False)])
def test_a_change_whose_hands_are_unknown_fails(found: Any) -> None:
    result = judge(change=found)
    assert (result.outcome, result.reason) == (Outcome.FAIL, Reason.UNKNOWN_AUTHOR)


def test_where_policy_asks_for_known_authors_unsigned_commits_fail() -> None:
    result = evaluate(good_facts(change=change(unsigned=2)), known_author())
    assert result.reason is Reason.UNKNOWN_AUTHOR
    assert "2 commits" in result.message
    assert evaluate(good_facts(change=change(unsigned=2)), good_policy()).outcome is Outcome.PASS


@pytest.mark.parametrize(
    "stranger",
    [Involved(kind="author", id="x@y.example"), Involved(kind="signer", id="SHA256:unknown")],
)
def test_where_policy_asks_for_known_authors_strangers_fail(stranger: Involved) -> None:
    facts = good_facts(change=change(people=[*change().people, stranger]))
    result = evaluate(facts, known_author())
    assert stranger.id in result.message
    assert result.outcome is Outcome.FAIL
    assert evaluate(good_facts(), known_author()).outcome is Outcome.PASS


def test_a_requested_hold_is_lifted_by_a_release_only() -> None:
    result = judge(context=held("requested"))
    assert (result.outcome, result.reason) == (Outcome.FAIL, Reason.HELD)
    assert result.unblock == ('kubectl interlock release press-scheduler -n line-4 --reason "…"',)


def test_a_way_back_is_not_stopped_by_a_hold() -> None:
    result = judge(context=held("requested"), purpose=Purpose.ROLLBACK)
    assert result.outcome is Outcome.PASS


def test_known_authors_are_asked_for_without_a_quorum_too() -> None:
    tiers = documents()["tiers"]
    tiers["tiers"]["high"] = {"gates": [], "knownAuthor": True}
    result = evaluate(good_facts(change=None), good_policy(tiers=tiers))
    assert result.reason is Reason.UNKNOWN_AUTHOR


def test_a_hold_after_a_failure_is_lifted_by_fresh_approvals_only() -> None:
    old = held("failed", quality().nonce, safety().nonce)
    result = judge(context=old)
    assert result.outcome is Outcome.WAIT
    assert "from before the hold" in result.message
    fresh = [quality(nonce="n" * 16), safety(nonce="m" * 16)]
    assert judge(context=old, approvals=fresh).outcome is Outcome.PASS


def test_a_failure_of_another_behaviour_spoils_no_approval() -> None:
    other = held("failed", quality().nonce).holds[0].model_copy(update={"behaviour": "ab" * 32})
    assert judge(context=context(holds=[other])).outcome is Outcome.PASS


def test_a_hold_on_another_behaviour_is_none() -> None:
    other = Held.model_validate({"behaviour": "ab" * 32, "cause": "requested"})
    assert judge(context=context(holds=[other])).outcome is Outcome.PASS


def test_for_a_way_back_approvals_only_age() -> None:
    """What served healthy stays a place to go back to when its approvals are spent and expired."""
    spent = context(predecessors=["ab" * 32], spent=[quality().nonce, safety().nonce])
    facts = good_facts(purpose=Purpose.ROLLBACK, now=at(NOW, hours=900), change=None, context=spent)
    result = evaluate(facts, good_policy())
    assert (result.outcome, result.expires) == (Outcome.PASS, None)


def test_for_a_way_back_a_rejection_still_counts() -> None:
    no = approval("sre-1", "sre", decision="reject")
    result = judge(purpose=Purpose.ROLLBACK, approvals=[quality(), safety(), no])
    assert result.outcome is Outcome.FAIL


def test_for_a_way_back_who_left_the_company_counts_no_more() -> None:
    people = documents()["people"]
    people["people"][0] |= {"id": "quality-3", "keys": [{"ssh": ssh_line("quality-3")}]}
    result = evaluate(good_facts(purpose=Purpose.ROLLBACK), good_policy(people=people))
    assert result.outcome is Outcome.WAIT


def test_for_a_way_back_the_file_must_be_one_that_may_deliver() -> None:
    elsewhere = quality(repository="https://git.example/other.git")
    facts = good_facts(purpose=Purpose.ROLLBACK, change=None, approvals=[elsewhere, safety()])
    assert evaluate(facts, good_policy()).outcome is Outcome.WAIT


def test_a_tier_that_policy_does_not_know_lets_nothing_through() -> None:
    tiers = documents()["tiers"]
    del tiers["tiers"]["safety"]
    facts = good_facts(subject=subject(riskTier="safety"))
    assert evaluate(facts, good_policy(tiers=tiers)).reason is Reason.POLICY_MISSING


def test_an_unknown_key_is_shown_to_who_must_find_it() -> None:
    result = judge(approvals=[quality(key="SHA256:unknown"), safety()])
    assert "quality-1 (key SHA256:unknown belongs to nobody" in result.message
    assert fingerprint("ot-safety-1") not in result.message
