"""Rules that nobody could keep, or that nobody asks for, are refused when they are signed."""

from typing import Any

import pytest

from interlock.policy.model import Policy
from interlock.policy.parse import PolicyError
from support.cel import rule, ruled


def test_a_rule_that_a_tier_asks_for_is_in_the_policy() -> None:
    policy: Policy = ruled(rule("true"))
    assert [each.name for each in policy.user_rules.listed] == ["no-writes"]


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ([rule("facts.context.teir == 'high'")], "no-writes: .*undefined field 'teir'"),
        ([rule("facts.context.tier")], "no-writes: it gives STRING"),
        ([rule("true"), rule("false")], "no-writes occurs twice"),
        ([rule("true", name="No Writes")], "rules.0.name"),
        ([rule("")], "rules.0.expression"),
        ([rule("true" + " || true" * 600)], "rules.0.expression"),
        ([rule("true", message="")], "rules.0.message"),
        ([rule("true") | {"severity": "low"}], "rules.0.severity"),
        ([rule("true", name=f"r{n}") for n in range(65)], "rules"),
        ([], "the gate rules needs a rule"),
    ],
)
def test_a_rule_that_means_nothing_is_refused(rules: list[dict[str, Any]], said: str) -> None:
    with pytest.raises(PolicyError, match=said):
        ruled(*rules)


def test_a_rule_that_no_tier_asks_for_is_refused() -> None:
    with pytest.raises(PolicyError, match="no tier asks for the gate rules"):
        ruled(rule("true"), asked=False)
