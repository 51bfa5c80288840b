"""A change calls itself harmless: a lower tier, a path of documentation, a paused agent.

No content exempts from anything. Tier and environment come from governance; a manifest may ask for
more, and for no less.
"""

from typing import Any

import pytest

from interlock import gates
from interlock.api.values import Outcome
from interlock.policy import queries
from support.facts import change, good_facts, quality, safety, spec, subject
from support.policies import NAMESPACE, documents, good_policy

POLICY = good_policy()


def asked(**facts: Any) -> dict[str, Outcome]:
    return {one.gate: one.outcome for one in gates.judge(good_facts(**facts), POLICY)}


@pytest.mark.parametrize("tier", ["low", "medium"])
def test_a_lower_tier_in_the_manifest_asks_for_no_less(tier: str) -> None:
    lower = subject(riskTier=tier)
    found = asked(subject=lower, approvals=[quality(subject=lower.digest)])
    assert found["change-approval"] is Outcome.WAIT
    assert found["grants"] is Outcome.FAIL, "and it is said"
    assert found.keys() == asked().keys()


def test_a_higher_tier_in_the_manifest_asks_for_more() -> None:
    higher = subject(riskTier="safety")
    both = [quality(subject=higher.digest), safety(subject=higher.digest)]
    assert asked(subject=higher, approvals=both)["change-approval"] is not Outcome.PASS


@pytest.mark.parametrize("tier", ["", "none", "LOW", "low ", None])
def test_a_tier_that_is_none_asks_for_everything(tier: str | None) -> None:
    found = asked(subject=subject(riskTier=tier), approvals=[])
    assert not found["change-approval"].lets_through
    assert found.keys() == {name for name, _ in gates.GATES}


@pytest.mark.parametrize(
    "path", ["docs/readme.yaml", "agents/.github/x.yaml", "agents/test/x.yaml"]
)
def test_no_path_exempts(path: str) -> None:
    found = asked(change=change(path=path), approvals=[quality(path=path)])
    assert found["change-approval"] is Outcome.WAIT


@pytest.mark.parametrize(
    "claim",
    [{"paused": True}, {"warm": False}, {"replicas": 0}, {"emergency": True}, {"docsOnly": True}],
)
def test_no_field_exempts(claim: dict[str, Any]) -> None:
    claimed = subject(**claim)
    found = asked(subject=claimed, approvals=[quality(subject=claimed.digest)])
    assert found["change-approval"] is Outcome.WAIT


def test_an_easier_environment_is_not_chosen_by_the_manifest() -> None:
    tiers = documents()["tiers"]
    tiers["environments"] = {"test": {"high": {"gates": []}}}
    policy = good_policy(tiers=tiers)
    for claim in ({"environment": "test"}, {"namespace": "lab"}):
        facts = good_facts(subject=subject(**claim), approvals=[])
        answers = {one.gate: one.outcome for one in gates.judge(facts, policy)}
        assert answers["change-approval"] is Outcome.WAIT
    assert queries.environment(policy, NAMESPACE) == "production"
    assert "environment" not in spec()
