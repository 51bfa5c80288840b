"""Somebody takes the name of an account that an approver gave up, or renamed.

Accounts are numbers; a name is shown to people and compared with nothing.
"""

from typing import Any

import pytest

from interlock.api.values import Outcome
from interlock.gates.change_approval import evaluate
from interlock.policy.parse import PolicyError
from support.facts import NOW, good_facts
from support.policies import FORGE, good_policy, known_everywhere
from support.signedvotes import reviewed, vote

POLICY = good_policy(**{n: known_everywhere()[n] for n in ("people", "trust", "tiers")})


def by_account(number: int, login: str) -> Any:
    forge = {"url": FORGE, "account": number, "login": login, "pull": 42, "review": "1001"}
    return reviewed("quality-1", "quality", forge=forge | {"commit": "c0" * 20, "seen": NOW})


def judged(review: Any) -> Outcome:
    facts = good_facts(approvals=[review, vote("ot-safety-1", "ot-safety")])
    return evaluate(facts, POLICY).outcome


def test_who_took_the_name_is_another_account() -> None:
    assert judged(by_account(101, "quality-1")) is Outcome.PASS
    assert judged(by_account(9001, "quality-1")) is Outcome.WAIT


def test_who_was_renamed_is_the_same_person() -> None:
    assert judged(by_account(101, "quality-one")) is Outcome.PASS


@pytest.mark.parametrize(
    "account",
    [
        {"forge": FORGE, "login": "quality-1"},
        {"forge": FORGE, "id": "quality-1"},
        {"forge": FORGE, "id": "101"},
        {"forge": FORGE, "id": 0},
        {"forge": FORGE, "id": True},
        {"forge": FORGE, "id": 101, "login": "quality-1"},
    ],
)
def test_policy_knows_no_names(account: dict[str, Any]) -> None:
    whole = known_everywhere()
    whole["people"]["people"][0]["accounts"] = [account]
    with pytest.raises(PolicyError, match=r"people\.yaml: people\.0\.accounts\.0"):
        good_policy(people=whole["people"])


@pytest.mark.parametrize("number", ["101", 101.0, True, 0, -101])
def test_a_bridge_s_word_has_a_number_too(number: Any) -> None:
    with pytest.raises(Exception, match="account"):
        by_account(number, "quality-1")
