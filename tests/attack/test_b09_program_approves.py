"""A bot, an app or a CI job approves, with rights that somebody gave it for another purpose.

Only people of people.yaml count, and an entry cannot name what is no person's.
"""

from typing import Any

import pytest

from interlock.api.facts import ForgeAccount
from interlock.api.values import Outcome
from interlock.evidence.statement import Refused
from interlock.gates.change_approval import evaluate
from interlock.policy.parse import PolicyError
from support.facts import good_facts, keyless, quality, review, safety
from support.policies import BRIDGE, BUILDER, FORGE, good_policy, known_everywhere
from support.signedvotes import reviewed, vote

WORKFLOW = "https://git.example/line-4/agents/.ci/approve.yaml@refs/heads/main"
POLICY = good_policy(**{n: known_everywhere()[n] for n in ("people", "trust", "tiers")})


@pytest.mark.parametrize(
    "identity", [WORKFLOW, "spiffe://cluster.local/ns/ci/sa/bot", "renovate[bot]"]
)
def test_a_program_cannot_be_made_a_person(identity: str) -> None:
    whole = known_everywhere()
    whole["people"]["people"][0]["identities"][0]["identity"] = identity
    with pytest.raises(PolicyError, match="names a program, and only people approve"):
        good_policy(**{name: whole[name] for name in ("people", "trust", "tiers")})


@pytest.mark.parametrize(
    "bot",
    [
        keyless("quality-1", "quality", identity=WORKFLOW),
        keyless("quality-1", "quality", identity=BUILDER),
        review("quality-1", "quality", account=ForgeAccount(forge=FORGE, id=41_898_282)),
    ],
)
def test_whoever_may_build_or_comment_may_not_approve(bot: Any) -> None:
    assert evaluate(good_facts(approvals=[quality(), safety()]), POLICY).outcome is Outcome.PASS
    result = evaluate(good_facts(approvals=[bot, safety()]), POLICY)
    assert result.outcome is Outcome.WAIT
    assert "belongs to nobody" in result.message


def test_a_bridge_does_not_approve_by_itself() -> None:
    """Its key signs reviews that it saw; a vote of its own is a stranger's."""
    mine = vote("quality-1", "quality", key=BRIDGE)
    result = evaluate(good_facts(approvals=[mine, safety()]), POLICY)
    assert result.outcome is Outcome.WAIT


def test_a_person_does_not_play_the_bridge() -> None:
    mine = reviewed("quality-1", "quality", key="developer-1")
    assert evaluate(good_facts(approvals=[mine, safety()]), POLICY).outcome is Outcome.WAIT


def test_a_review_cannot_say_that_it_was_signed_by_hand() -> None:
    with pytest.raises(Refused):
        vote("quality-1", "quality", key=BRIDGE, forge={"url": FORGE, "account": 101})
