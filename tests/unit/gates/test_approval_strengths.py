"""Whose word an approval is, by key, identity or account; its strength; and how long it stands."""

from typing import Any

import pytest

from interlock.api.facts import ForgeAccount
from interlock.api.reasons import Reason
from interlock.api.values import GateResult, Outcome, Purpose
from interlock.gates.change_approval import evaluate
from interlock.policy import Policy
from support.facts import (
    NOW,
    approval,
    at,
    change,
    context,
    good_facts,
    keyless,
    quality,
    review,
    safety,
)
from support.policies import FORGE, good_policy, known_everywhere, ssh_line


def policy(**tier: Any) -> Policy:
    """Everybody is known everywhere; `tier` changes what the tier `high` asks for."""
    whole = known_everywhere()
    whole["tiers"]["tiers"]["high"] |= tier
    return good_policy(**{name: whole[name] for name in ("people", "trust", "tiers")})


def judge(*approvals: Any, by: Policy | None = None, **facts: Any) -> GateResult:
    return evaluate(good_facts(approvals=list(approvals), **facts), by or policy())


KEYLESS = keyless("quality-1", "quality")
REVIEW = review("quality-1", "quality")
PLAIN = policy(strengths=["signed", "sigstore"])


@pytest.mark.parametrize("first", [quality(), KEYLESS, REVIEW])
def test_key_identity_and_account_of_a_person_are_that_person(first: Any) -> None:
    assert judge(first, safety()).outcome is Outcome.PASS


def test_a_review_counts_where_the_tier_says_so_only() -> None:
    assert good_policy().tiers.tiers["high"].strengths == ["signed", "sigstore"]
    result = judge(REVIEW, safety(), by=PLAIN)
    assert result.outcome is Outcome.WAIT
    assert "quality-1 (made as forge, and the tier counts signed, sigstore)" in result.message


def test_a_tier_may_count_keys_alone() -> None:
    assert judge(KEYLESS, safety(), by=policy(strengths=["signed"])).outcome is Outcome.WAIT


@pytest.mark.parametrize(
    "stranger",
    [
        keyless("quality-1", "quality", identity="quality-9@line-4.example"),
        keyless("quality-1", "quality", identity="Quality-1@line-4.example"),
        keyless("quality-1", "quality", issuer="https://oidc.evil.example"),
        keyless("quality-1", "quality", issuer=""),
        review("quality-1", "quality", account=ForgeAccount(forge=FORGE, id=999)),
        review("quality-1", "quality", account=ForgeAccount(forge="https://f.example", id=101)),
        review("quality-1", "quality", account=None),
        review("quality-1", "quality", key=quality().key),
        review("quality-1", "quality", key="SHA256:unknown"),
        quality(key=REVIEW.key),
        keyless("quality-1", "quality", strength="signed"),
        quality(strength="sigstore"),
        quality(strength="forge"),
        keyless("quality-1", "quality", strength="forge"),
    ],
)
def test_what_policy_does_not_give_to_a_person_is_nobody_s(stranger: Any) -> None:
    result = judge(stranger, safety())
    assert result.outcome is Outcome.WAIT
    assert "belongs to nobody in people.yaml now" in result.message


def test_a_bridge_speaks_for_its_own_forge_only() -> None:
    whole = known_everywhere()
    whole["trust"]["bridges"][0]["forge"] = "https://other.example"
    whole["people"]["people"][1]["accounts"][0]["forge"] = "https://other.example"
    by = good_policy(**{name: whole[name] for name in ("people", "trust", "tiers")})
    assert judge(REVIEW, safety(), by=by).outcome is Outcome.WAIT


@pytest.mark.parametrize(
    "ends", [{"notAfter": "2026-11-20T11:59:59Z"}, {"notBefore": "2026-11-20T12:00:01Z"}]
)
@pytest.mark.parametrize("first", [quality(), KEYLESS, REVIEW])
def test_a_person_who_is_not_there_now_counts_nothing(first: Any, ends: Any) -> None:
    whole = known_everywhere()
    whole["people"]["people"][0] |= ends
    by = good_policy(**{name: whole[name] for name in ("people", "trust", "tiers")})
    assert judge(first, safety(), by=by).outcome is Outcome.WAIT


def test_a_bridge_that_is_not_valid_now_is_not_believed() -> None:
    whole = known_everywhere()
    whole["trust"]["bridges"][0]["notAfter"] = "2026-11-20T11:59:59Z"
    by = good_policy(**{name: whole[name] for name in ("people", "trust", "tiers")})
    assert judge(REVIEW, safety(), by=by).outcome is Outcome.WAIT
    assert judge(quality(), safety(), by=by).outcome is Outcome.PASS


def test_for_a_way_back_it_counts_who_was_there_when_it_was_given() -> None:
    whole = known_everywhere()
    whole["people"]["people"][0]["notAfter"] = "2026-11-20T11:59:59Z"
    by = good_policy(**{name: whole[name] for name in ("people", "trust", "tiers")})
    result = judge(quality(), safety(), by=by, purpose=Purpose.ROLLBACK)
    assert result.outcome is Outcome.PASS


def said(decision: str, minutes: int, how: Any = review) -> Any:
    """A word of quality-1, so many minutes ago."""
    when = {"not_before": at(NOW, minutes=-minutes), "nonce": f"{decision}-{minutes:016d}"}
    return how("quality-1", "quality", decision=decision, **when)


def test_a_no_counts_in_whatever_way_it_was_said() -> None:
    result = judge(quality(), safety(), said("reject", 5), by=PLAIN)
    assert (result.outcome, result.reason) == (Outcome.FAIL, Reason.APPROVAL_REJECTED)


def test_what_a_person_signed_is_not_taken_back_by_a_bridge() -> None:
    result = judge(quality(), safety(), said("approve", 30), said("revoke", 5))
    assert result.outcome is Outcome.PASS


def test_a_no_that_a_person_signed_is_not_lifted_by_a_bridge() -> None:
    no = said("reject", 30, approval)
    assert judge(no, said("approve", 5), safety()).outcome is Outcome.FAIL
    assert judge(no, said("approve", 5, approval), safety()).outcome is Outcome.PASS


def test_who_said_no_in_a_review_may_say_yes_in_a_review() -> None:
    assert judge(said("reject", 30), said("approve", 5), safety()).outcome is Outcome.PASS


def test_a_dismissed_review_counts_no_more_and_is_no_veto() -> None:
    result = judge(said("approve", 30), said("revoke", 5), safety())
    assert result.outcome is Outcome.WAIT
    assert "quality-1 (the review was dismissed)" in result.message


def test_a_dismissed_review_takes_nobody_elses_along() -> None:
    other = review("ot-safety-1", "ot-safety")
    assert judge(quality(), other, said("revoke", 5)).outcome is Outcome.PASS


def test_a_review_and_its_dismissal_in_one_second_are_no_review() -> None:
    assert judge(said("approve", 5), said("revoke", 5), safety()).outcome is Outcome.WAIT


def test_who_takes_back_a_review_with_a_signature_vetoes() -> None:
    result = judge(said("approve", 30), said("revoke", 5, approval), safety())
    assert (result.outcome, result.reason) == (Outcome.FAIL, Reason.APPROVAL_REJECTED)


def test_a_review_after_a_dismissal_counts() -> None:
    words = [said("approve", 30), said("revoke", 20), said("approve", 5)]
    assert judge(*words, safety()).outcome is Outcome.PASS


# How long a full quorum stands.

HOUR = policy(minimumDwell="1h")


def seen(*approvals: Any, **before: float) -> Any:
    """All of these came so long ago."""
    return context(seen={each.envelope: at(NOW, **before) for each in approvals})


def test_a_quorum_that_was_just_filled_is_open_to_objections() -> None:
    result = judge(quality(), safety(), by=HOUR)
    assert (result.outcome, result.reason) == (Outcome.WAIT, Reason.DWELLING)
    assert result.message.endswith("open to objections until 20 Nov 2026 13:00 UTC")


def test_after_the_dwell_it_goes_on() -> None:
    both = [quality(), safety()]
    assert judge(*both, by=HOUR, context=seen(*both, hours=-1)).outcome is Outcome.PASS
    almost = seen(*both, minutes=-59, seconds=-59)
    assert judge(*both, by=HOUR, context=almost).outcome is Outcome.WAIT


def test_who_approves_beside_a_full_quorum_delays_nothing() -> None:
    both, third = [quality(), safety()], approval("quality-2", "quality")
    assert judge(*both, third, by=HOUR, context=seen(*both, hours=-1)).outcome is Outcome.PASS


def test_the_last_that_the_quorum_needs_counts() -> None:
    result = judge(quality(), safety(), by=HOUR, context=seen(quality(), hours=-9))
    assert result.reason is Reason.DWELLING


def test_a_backdated_approval_does_not_shorten_the_dwell() -> None:
    old = {"not_before": at(NOW, hours=-20)}
    result = judge(quality(**old), safety(**old), by=HOUR)
    assert result.reason is Reason.DWELLING


def test_an_approval_for_later_dwells_from_then_on() -> None:
    late = safety(not_before=at(NOW, minutes=-10))
    result = judge(quality(), late, by=HOUR, context=seen(quality(), late, hours=-9))
    assert result.message.endswith("until 20 Nov 2026 12:50 UTC")


def test_a_veto_within_the_dwell_vetoes() -> None:
    no = approval("sre-1", "sre", decision="reject")
    assert judge(quality(), safety(), no, by=HOUR).reason is Reason.APPROVAL_REJECTED


def test_a_way_back_does_not_dwell() -> None:
    result = judge(quality(), safety(), by=HOUR, purpose=Purpose.ROLLBACK)
    assert result.outcome is Outcome.PASS


# Who may fill what is open.


def test_open_slots_name_who_may_fill_them() -> None:
    assert judge(safety()).unblock == (
        "interlock approve agents/press-scheduler.yaml, by a member of quality: "
        "quality-1, quality-2",
    )


def test_each_open_slot_names_its_own_people() -> None:
    file = "interlock approve agents/press-scheduler.yaml"
    assert judge().unblock == (
        f"{file}, by a member of ot-safety: ot-safety-1",
        f"{file}, by a member of quality: quality-1, quality-2",
    )


def test_who_took_part_in_the_change_is_not_named() -> None:
    hand = change().people[0].model_copy(update={"id": "quality-1@line-4.example"})
    assert judge(safety(), change=change(people=[hand])).unblock[0].endswith(": quality-2")


def test_who_cannot_fill_it_is_not_named() -> None:
    whole = known_everywhere()
    first, second = whole["people"]["people"][:2]
    first["keys"], first["identities"] = [], []
    second["notAfter"] = "2026-11-20T11:00:00Z"
    whole["tiers"]["tiers"]["high"]["strengths"] = ["signed"]
    third = {"id": "quality-3", "roles": ["quality"], "keys": [{"ssh": ssh_line("quality-3")}]}
    whole["people"]["people"].append(third)
    whole["tiers"]["tiers"]["safety"]["strengths"] = ["signed", "sigstore", "forge"]
    by = good_policy(**{name: whole[name] for name in ("people", "trust", "tiers")})
    assert judge(safety(), by=by).unblock[0].endswith(": quality-3")
    assert judge(approval("quality-3", "quality"), by=by).unblock == (
        "interlock approve agents/press-scheduler.yaml, by a member of ot-safety: ot-safety-1",
    )


def test_who_has_voted_is_not_named_again() -> None:
    twice = policy(quorum=[{"role": "quality", "count": 2}])
    assert judge(quality(), by=twice).unblock[0].endswith(": quality-2")


def test_where_nobody_is_left_it_says_so() -> None:
    hands = [
        change().people[0].model_copy(update={"id": f"quality-{n}@line-4.example"}) for n in (1, 2)
    ]
    result = judge(safety(), change=change(people=hands))
    assert result.unblock == (
        "nobody who may approve holds quality: have security add somebody to people.yaml",
    )


def test_a_commit_by_a_sigstore_identity_excludes_its_person() -> None:
    whole = known_everywhere()
    whole["people"]["people"][0] |= {
        "emails": [],
        "identities": [{"identity": "q1@id.example", "issuer": "https://oidc.example"}],
    }
    by = good_policy(**{name: whole[name] for name in ("people", "trust", "tiers")})
    hand = change().people[0].model_copy(update={"id": "Q1@ID.example"})
    result = judge(quality(), safety(), by=by, change=change(people=[hand]))
    assert "quality-1 (took part in the change)" in result.message
