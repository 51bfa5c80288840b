"""One person is counted twice, or groups that overlap starve a rule that people could fill.

By any number of keys or roles one human being fills one seat; who could fill several is seated
where that helps (I6).
"""

from interlock.api.facts import Approval
from interlock.api.values import GateResult, Outcome
from interlock.gates.change_approval import evaluate
from support.facts import approval, good_facts, quality, safety
from support.policies import documents, fingerprint, good_policy, ssh_line


def judged(*approvals: Approval, two_roles: bool = False, two_keys: bool = False) -> GateResult:
    people = documents()["people"]
    if two_roles:
        people["people"][0]["roles"] = ["quality", "ot-safety"]
    if two_keys:
        people["people"][0]["keys"].append({"ssh": ssh_line("second-key")})
    return evaluate(good_facts(approvals=list(approvals)), good_policy(people=people))


def test_one_person_signing_twice_is_one_person() -> None:
    assert judged(quality(), quality(nonce="another-nonce-00")).outcome is Outcome.WAIT


def test_one_person_in_two_roles_is_one_person() -> None:
    twice = [approval("quality-1", "quality"), approval("quality-1", "ot-safety")]
    assert judged(*twice, two_roles=True).outcome is Outcome.WAIT


def test_two_keys_of_one_person_are_one_person() -> None:
    second = approval("quality-1", "ot-safety", key=fingerprint("second-key"))
    result = judged(quality(), second, two_roles=True, two_keys=True)
    assert result.outcome is Outcome.WAIT


def test_signing_in_somebody_else_s_name_counts_for_nobody() -> None:
    forged = approval("ot-safety-1", "ot-safety", key=quality().key)
    result = judged(quality(), forged)
    assert result.outcome is Outcome.WAIT
    assert "ot-safety-1 (signed with a key of quality-1)" in result.message


def test_a_role_that_the_person_does_not_hold_counts_nothing() -> None:
    result = judged(quality(), approval("sre-1", "ot-safety"))
    assert result.outcome is Outcome.WAIT
    assert "sre-1 (does not hold the role ot-safety)" in result.message


def test_nobody_fills_a_seat_by_the_role_in_which_another_signed() -> None:
    people, tiers = documents()["people"], documents()["tiers"]
    for person in people["people"]:
        if person["id"] == "sre-1":
            person["roles"].append("ot-safety")
    for tier in ("medium", "high", "safety"):
        tiers["tiers"][tier]["quorum"] = [{"role": "ot-safety", "count": 2}]
    both = good_facts(approvals=[quality(), safety()])
    result = evaluate(both, good_policy(people=people, tiers=tiers))
    assert result.outcome is Outcome.WAIT
    assert result.message.startswith("1 of 2")


def test_an_unknown_key_is_nobody_s() -> None:
    assert judged(quality(), safety(key="SHA256:unknown")).outcome is Outcome.WAIT


def test_a_key_that_is_no_longer_valid_is_nobody_s() -> None:
    people = documents()["people"]
    people["people"][2]["keys"][0]["notAfter"] = "2026-11-20T11:59:59Z"
    result = evaluate(good_facts(), good_policy(people=people))
    assert result.outcome is Outcome.WAIT


def test_a_key_that_is_not_valid_yet_is_nobody_s() -> None:
    people = documents()["people"]
    people["people"][2]["keys"][0]["notBefore"] = "2026-11-20T12:00:01Z"
    assert evaluate(good_facts(), good_policy(people=people)).outcome is Outcome.WAIT


def test_overlapping_groups_do_not_starve_a_slot() -> None:
    """First come, first seated would put quality-1 in the role that quality-2 alone could fill."""
    people = documents()["people"]
    people["people"][0]["roles"] = ["quality", "ot-safety"]
    both = [approval("quality-1", "quality"), approval("quality-1", "ot-safety", nonce="o" * 16)]
    result = evaluate(
        good_facts(approvals=[*both, approval("quality-2", "quality")]), good_policy(people=people)
    )
    assert result.outcome is Outcome.PASS


def test_a_thousand_votes_of_one_person_are_one() -> None:
    many = [quality(nonce=f"nonce-{n:016d}") for n in range(1000)]
    assert judged(*many).outcome is Outcome.WAIT
