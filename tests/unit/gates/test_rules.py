import pytest

from interlock import gates
from interlock.api.facts import PROVENANCE, Denied
from interlock.api.reasons import Reason
from interlock.api.values import GateResult, Outcome
from interlock.gates.rules import evaluate
from support.cel import rule, ruled
from support.facts import NOW, at, good_facts
from support.policies import good_policy
from support.proofs import provenance

READ_ONLY = "facts.subject.spec.tools.all(t, t.effect == 'read')"


def judge(*expressions: str, **facts: object) -> GateResult:
    rules = [rule(text, name=f"rule-{n}") for n, text in enumerate(expressions, start=1)]
    return evaluate(good_facts(**facts), ruled(*rules))


def test_a_policy_without_rules_asks_nothing() -> None:
    assert evaluate(good_facts(), good_policy()).outcome is Outcome.NOT_APPLICABLE


def test_rules_that_hold_pass() -> None:
    result = judge("facts.context.tier == 'high'", "facts.pins.all(p, p.got == p.expected)")
    assert (result.outcome, result.message) == (Outcome.PASS, "2 rules hold")


def test_a_rule_that_does_not_hold_says_what_security_wrote() -> None:
    result = judge("true", READ_ONLY)
    assert (result.outcome, result.reason) == (Outcome.FAIL, Reason.RULE_FAILED)
    assert result.message == "rule-2: the agent may write at this tier"
    assert (result.got, result.expected) == ("false: rule-2", READ_ONLY)
    assert result.unblock == ("remove its tools that write",)


@pytest.mark.parametrize(
    "expression", ["facts.change.unsigned == 0", "1 / 0 == 1", "facts.subject.spec.gone == 1"]
)
def test_a_rule_without_an_answer_is_an_error_that_blocks(expression: str) -> None:
    result = judge("true", expression, change=None)
    assert (result.outcome, result.reason) == (Outcome.ERROR, Reason.GATE_ERROR)
    assert not result.outcome.lets_through
    assert "rule-2 has no answer" in result.message
    assert all((result.got, result.expected, result.unblock))


def test_a_rule_that_is_broken_outweighs_one_without_an_answer() -> None:
    for order in (("1 / 0 == 1", "false"), ("false", "1 / 0 == 1")):
        assert judge(*order).outcome is Outcome.FAIL


def test_rules_see_evidence_that_counts_only() -> None:
    expression = f"facts.evidence.exists(e, e.predicateType == '{PROVENANCE}')"
    assert judge(expression, evidence=[provenance()]).outcome is Outcome.PASS
    stranger = provenance(identity="mallory@x.example")
    assert judge(expression, evidence=[stranger]).outcome is Outcome.FAIL


def test_the_answer_does_not_move_with_the_clock_or_with_what_was_denied() -> None:
    denied = Denied(bundle="d0" * 32, location="x", code="Malformed", got="a", expected="b")
    assert judge(READ_ONLY) == judge(READ_ONLY, now=at(NOW, hours=9), denied=[denied])


def test_what_rules_may_not_rest_on_is_not_there_whatever_its_type_is_said_to_be() -> None:
    """`dyn` takes an expression out of the check of types."""
    hidden = ("now", "revocationVersion", "denied")
    said = [f"!has(dyn(facts).{name})" for name in hidden]
    assert judge(*said).outcome is Outcome.PASS


def test_the_gate_runs_where_a_tier_asks_for_it() -> None:
    results = gates.judge(good_facts(), ruled(rule(READ_ONLY)))
    assert [one.gate for one in results if not one.outcome.lets_through] == ["rules"]
    assert gates.verdict(results) == "Blocked"
