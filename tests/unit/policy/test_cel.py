"""The engine's answers are yes, no, or an error; nothing else is ever a yes."""

import time
from typing import Any

import pytest

from interlock.api.facts import Facts
from interlock.policy import cel, factschema
from interlock.policy.cel import CelError
from support.facts import good_facts

GOOD: dict[str, Any] = {
    "context": {"tier": "high"},
    "change": {"unsigned": 0},
    "subject": {"spec": {"replicas": 2, "flag": True, "word": "yes", "none": []}},
}


def holds(expression: str, facts: dict[str, Any] | None = None) -> bool:
    return cel.holds(expression, cel.about(GOOD if facts is None else facts))


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ('facts.context.tier == "high"', True),
        ('facts.context.tier == "low"', False),
        ("facts.subject.spec.replicas > 1", True),
        ("has(facts.subject.spec.model)", False),
        ("has(facts.subject.spec.model) && facts.subject.spec.model.version > 1", False),
        ('facts.context.tier.matches("^h")', True),
        ("facts.subject.spec.none.all(x, x.bad)", True),
        ("facts.subject.spec.none.exists(x, x.bad)", False),
    ],
)
def test_an_expression_holds_or_does_not(expression: str, expected: bool) -> None:
    cel.check(expression)
    assert holds(expression) is expected


@pytest.mark.parametrize(
    "expression",
    [
        "facts.gone",
        "facts.subject.spec.model.version == 1",
        "facts.subject.spec.word",
        "facts.subject.spec.replicas",
        "facts.subject.spec.none[0] == 1",
        "1 / 0 == 1",
        "facts.subject.spec.word > 1",
        'timestamp(facts.subject.spec.word) > timestamp("2026-01-01T00:00:00Z")',
        "facts.gone || false",
    ],
)
def test_an_error_is_not_true_though_it_is_a_text(expression: str) -> None:
    with pytest.raises(CelError):
        holds(expression)


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("facts.evidence.all(e, e.scan.pakages > 0)", "undefined field 'pakages'"),
        ("has(facts.change.unsinged)", "undefined field 'unsinged'"),
        ("fact.context.tier == 'high'", "undeclared reference"),
        ("facts.context.tier == 1", "no matching overload"),
        ("facts.context.tier", "it gives STRING"),
        ("facts.subject.spec.flag", "it gives DYN"),
        ("facts.now == ''", "undefined field 'now'"),
        ("facts.revocationVersion > 1", "undefined field"),
        ("facts.denied.size() == 0", "undefined field"),
        ("facts.context.tier = 'high'", "Syntax error"),
        ("(" * 200 + "true" + ")" * 200, "recursion"),
        ("", "Syntax error"),
    ],
)
def test_a_mistake_is_found_when_the_rule_is_written(expression: str, said: str) -> None:
    with pytest.raises(CelError, match=said):
        cel.check(expression)


@pytest.mark.parametrize(
    "expression",
    [
        "facts.evidence.all(e, e.subjects.exists(s, s[0] == 'oci-manifest'))",
        "facts.evidence.exists(e, e.evaluation.metrics['refusal_rate'] >= 0.9)",
        "facts.evidence.exists(e, e.extensions['sourceRepositoryRef'] == 'refs/heads/main')",
        "facts.evidence.all(e, e.scan.findings.all(f, f.severity != 'CRITICAL'))",
        "timestamp(facts.evidence[0].at) > timestamp('2026-01-01T00:00:00Z')",
        "facts.subject.spec.tools.all(t, t.effect == 'read')",
        "facts.content.formats['safetensors'] > 0",
        "facts.pins.all(p, p.got == p.expected)",
        "facts.purpose == 'promotion'",
    ],
)
def test_every_part_of_the_facts_has_its_type(expression: str) -> None:
    cel.check(expression)


def test_each_field_of_the_facts_can_be_asked_about() -> None:
    root = factschema.pool().FindMessageTypeByName(factschema.ROOT)
    every = {field.alias or name for name, field in Facts.model_fields.items()}
    assert {field.name for field in root.fields} == every - set(factschema.HIDDEN)


def test_what_is_absent_is_an_error_and_not_a_default() -> None:
    """Typed messages would give a change that nobody found zero unsigned commits."""
    cel.check("facts.change.unsigned == 0")
    with pytest.raises(CelError, match="change"):
        holds("facts.change.unsigned == 0", {"context": {"tier": "high"}})


def test_work_without_end_is_stopped() -> None:
    many: dict[str, Any] = {"evidence": [{"at": str(n)} for n in range(300)]}
    nested = "facts.evidence.all(a, facts.evidence.all(b, facts.evidence.all(c, true)))"
    began = time.process_time()
    with pytest.raises(CelError, match="budget"):
        holds(nested, many)
    assert time.process_time() - began < 5


def test_a_regular_expression_is_linear() -> None:
    facts: dict[str, Any] = {"context": {"tier": "a" * 50_000}}
    began = time.process_time()
    assert not holds('facts.context.tier.matches("^(a|aa|a?)*b$")', facts)
    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    "expression", ["!" * 4000 + "true", "true || " * 500 + "true", "[" * 30 + "]" * 30 + " == []"]
)
def test_no_expression_that_fits_breaks_the_engine(expression: str) -> None:
    assert holds(expression) in {True, False}


def test_real_facts_go_through() -> None:
    value = good_facts().model_dump(mode="json", by_alias=True, exclude_none=True)
    assert holds("facts.evidence.size() == 3 && facts.pins.all(p, p.got == p.expected)", value)
