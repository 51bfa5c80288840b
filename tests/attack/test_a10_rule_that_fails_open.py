"""A10: a rule without an answer is no yes, and neither is an answer that only looks like one.

A policy engine skipped a policy on an internal error (CVE-2025-46342); a CEL engine gives errors
back as texts, which are true in Python; a typed message gives what is absent a default.
"""

import pytest

from interlock import gates
from interlock.api.values import Outcome
from interlock.policy.parse import PolicyError
from support import proofs
from support.cel import rule, ruled
from support.facts import good_facts


@pytest.mark.parametrize(
    "expression",
    [
        "facts.subject.spec.gone == true",
        "size(facts.subject.spec.image) / 0 == 1",
        "facts.evidence[99].identity == ''",
        "facts.change.unsigned == 0",
        "facts.content.pickles.size() == 0",
        "facts.evidence.filter(e, has(e.scan)).all(e, e.sbom.unidentified == 0)",
        "facts.subject.spec.image > 3",
    ],
)
def test_no_error_lets_through(expression: str) -> None:
    results = gates.judge(good_facts(change=None, content=None), ruled(rule(expression)))
    (said,) = [one for one in results if one.gate == "rules"]
    assert said.outcome is Outcome.ERROR
    assert gates.verdict(results) in {"Error", "Blocked"}


@pytest.mark.parametrize(
    "expression",
    ["facts.subject.spec.image", "'yes'", "1", "facts.change", "[true]", "facts.chaneg == null"],
)
def test_what_is_neither_true_nor_false_is_refused_when_it_is_signed(expression: str) -> None:
    with pytest.raises(PolicyError, match=r"rules\.yaml: no-writes"):
        ruled(rule(expression))


def test_a_strangers_statement_satisfies_no_rule() -> None:
    policy = ruled(rule("facts.evidence.exists(e, has(e.evaluation))"))
    facts = good_facts()
    mallory = proofs.evaluation(identity="mallory@line-4.example")
    forged = good_facts(evidence=[*facts.evidence, mallory])
    honest = good_facts(evidence=[*facts.evidence, proofs.evaluation()])
    assert gates.verdict(gates.judge(forged, policy)) == "Blocked"
    assert gates.verdict(gates.judge(honest, policy)) == "Allowed"
