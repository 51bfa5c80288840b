"""Nobody approves their own work, under whatever name their hands are on it (I6)."""

import pytest

from interlock.api.facts import Involved
from interlock.api.values import Outcome
from interlock.gates.change_approval import evaluate
from support.facts import approval, change, good_facts, quality, safety
from support.policies import documents, fingerprint, good_policy


@pytest.mark.parametrize(
    "hand",
    [
        Involved(kind="signer", id=fingerprint("quality-1")),
        Involved(kind="author", id="quality-1@line-4.example"),
        Involved(kind="author", id="Quality-1@Line-4.Example"),
        Involved(kind="committer", id="quality-1@line-4.example"),
        Involved(kind="coauthor", id="quality-1@line-4.example"),
    ],
)
def test_who_took_part_in_the_change_does_not_count(hand: Involved) -> None:
    facts = good_facts(change=change(people=[*change().people, hand]))
    result = evaluate(facts, good_policy())
    assert result.outcome is Outcome.WAIT
    assert "quality-1 (took part in the change)" in result.message


def test_an_expired_key_still_shows_who_signed_the_change() -> None:
    people = documents()["people"]
    people["people"][0]["keys"].append(
        people["people"][3]["keys"][0] | {"notAfter": "2020-01-01T00:00:00Z"}
    )
    people["people"][3]["keys"] = []
    facts = good_facts(change=change(people=[Involved(kind="signer", id=fingerprint("sre-1"))]))
    assert evaluate(facts, good_policy(people=people)).outcome is Outcome.WAIT


def test_an_author_may_still_reject() -> None:
    people = documents()["people"]
    people["people"][4]["roles"] = ["developer"]
    veto = approval("developer-1", "developer", decision="reject")
    facts = good_facts(approvals=[quality(), safety(), veto])
    assert evaluate(facts, good_policy(people=people)).outcome is Outcome.FAIL
