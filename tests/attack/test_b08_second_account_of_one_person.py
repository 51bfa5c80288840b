"""The author, or who approved already, approves once more through another account.

All keys, identities and accounts of a human being stand in one entry of people.yaml; what stands in
none counts for nobody.
"""

from typing import Any

import pytest

from interlock.api.values import GateResult, Outcome
from interlock.gates.change_approval import evaluate
from interlock.policy import Policy
from interlock.policy.parse import PolicyError
from support.facts import good_facts, keyless
from support.policies import FORGE, good_policy, known_everywhere
from support.signedvotes import reviewed, vote


def policy(**person: Any) -> Policy:
    """Everybody is known everywhere; `person` is what quality-1 has beside."""
    whole = known_everywhere()
    whole["people"]["people"][0] |= person
    return good_policy(**{name: whole[name] for name in ("people", "trust", "tiers")})


def judge(*approvals: Any, by: Policy | None = None) -> GateResult:
    return evaluate(good_facts(approvals=list(approvals)), by or policy())


SECOND = {"forge": {"url": FORGE, "account": 777, "login": "q1-private", "pull": 42}}
SECOND["forge"] |= {"review": "1002", "commit": "c0" * 20, "seen": "2026-11-20T11:00:00Z"}
BOTH = {"accounts": [{"forge": FORGE, "id": 101}, {"forge": FORGE, "id": 777}]}


def test_two_people_in_a_forge_and_at_a_desk_are_enough() -> None:
    assert judge(reviewed("quality-1", "quality"), vote("ot-safety-1", "ot-safety")).outcome is (
        Outcome.PASS
    )


def test_an_account_that_nobody_registered_is_nobody() -> None:
    result = judge(reviewed("quality-1", "quality", **SECOND), vote("ot-safety-1", "ot-safety"))
    assert result.outcome is Outcome.WAIT
    assert "account 777 of https://forge.example" in result.message


def test_two_accounts_of_one_person_are_one_person() -> None:
    by = policy(roles=["quality", "ot-safety"], **BOTH)
    first, second = reviewed("quality-1", "quality"), reviewed("quality-1", "ot-safety", **SECOND)
    assert judge(first, second, by=by).outcome is Outcome.WAIT


def test_key_identity_and_account_of_one_person_are_one_person() -> None:
    by = policy(roles=["quality", "ot-safety"])
    every = [
        vote("quality-1", "quality"),
        keyless("quality-1", "ot-safety"),
        reviewed("quality-1", "ot-safety"),
    ]
    assert judge(*every, by=by).outcome is Outcome.WAIT


@pytest.mark.parametrize(
    "mine", [vote("developer-1", "quality"), reviewed("developer-1", "quality")]
)
def test_the_author_does_not_count_by_whatever_account(mine: Any) -> None:
    whole = known_everywhere()
    whole["people"]["people"][4]["roles"] = ["developer", "quality"]
    by = good_policy(**{name: whole[name] for name in ("people", "trust", "tiers")})
    result = judge(mine, vote("ot-safety-1", "ot-safety"), by=by)
    assert result.outcome is Outcome.WAIT
    assert "developer-1 (took part in the change)" in result.message


def test_a_bridge_that_names_another_person_than_the_account_s_is_not_believed() -> None:
    whole = {"forge": SECOND["forge"] | {"account": 105}}  # developer-1's
    result = judge(reviewed("quality-1", "quality", **whole), vote("ot-safety-1", "ot-safety"))
    assert result.outcome is Outcome.WAIT
    assert "quality-1 (the account of developer-1)" in result.message


def test_an_account_in_two_entries_is_no_policy() -> None:
    whole = known_everywhere()
    whole["people"]["people"][4]["accounts"] = BOTH["accounts"]
    with pytest.raises(PolicyError, match=r"account 101 of https://forge\.example of developer-1"):
        good_policy(**{name: whole[name] for name in ("people", "trust", "tiers")})


@pytest.mark.parametrize(
    "mine",
    [
        {"identities": [{"identity": "developer-1@line-4.example", "issuer": "https://b.example"}]},
        {"identities": [{"identity": "Developer-1@line-4.example", "issuer": "https://a.example"}]},
        {"emails": ["Developer-1@line-4.example"]},
    ],
)
def test_one_mailbox_is_not_two_persons(mine: dict[str, Any]) -> None:
    """The author's address, at another issuer or written otherwise, would be somebody else's."""
    whole = known_everywhere()["people"]
    known = {"identity": "developer-1@line-4.example", "issuer": "https://a.example"}
    whole["people"][4] |= {"emails": ["developer-1@line-4.example"], "identities": [known]}
    good_policy(people=whole)
    whole["people"][0] |= mine
    with pytest.raises(PolicyError, match=r"developer-1@line-4\.example of developer-1 is already"):
        good_policy(people=whole)
