"""The change keeps the rules that security wrote itself, in CEL over the facts.

Rules see the evidence that counts and no other, so that no rule can be satisfied by a statement
that a stranger signed, and no time but those in the facts. A rule without an answer blocks.
"""

from typing import Any

from interlock.api.facts import Facts
from interlock.api.reasons import Reason
from interlock.api.values import GateResult, Outcome
from interlock.gates.answers import failed, not_applicable, passed, some
from interlock.gates.signatures import counts
from interlock.policy.model import Policy
from interlock.policy.rules import CelRule

NAME = "rules"
_HIDDEN = {"now", "revocation_version", "denied"}


def evaluate(facts: Facts, policy: Policy) -> GateResult:
    """Judge a change by each rule of rules.yaml."""
    rules = policy.user_rules.listed
    if not rules:
        return not_applicable(NAME, "rules.yaml has no rule")
    broken, unanswered = _asked(rules, facts, policy)
    if broken:
        return _broken(broken)
    if unanswered:
        return _unanswered(*unanswered[0])
    return passed(NAME, f"{len(rules)} rules hold")


def _asked(
    rules: list[CelRule], facts: Facts, policy: Policy
) -> tuple[list[CelRule], list[tuple[CelRule, str]]]:
    """Return the rules that are false, and those without an answer with the reason."""
    from interlock.policy import cel  # noqa: PLC0415 - 12 MiB that a policy without rules spares

    about = cel.about(shown(facts, policy))
    broken: list[CelRule] = []
    unanswered: list[tuple[CelRule, str]] = []
    for rule in rules:
        try:
            if not cel.holds(rule.expression, about):
                broken.append(rule)
        except cel.CelError as error:
            unanswered.append((rule, str(error)))
    return broken, unanswered


def shown(facts: Facts, policy: Policy) -> dict[str, Any]:
    """Return what rules are asked about: the facts, with the evidence that counts."""
    evidence = [each for each in facts.evidence if counts(each, policy)]
    known = facts.model_copy(update={"evidence": evidence})
    return known.model_dump(mode="json", by_alias=True, exclude_none=True, exclude=_HIDDEN)


def _broken(broken: list[CelRule]) -> GateResult:
    first = broken[0]
    return failed(
        NAME,
        Reason.RULE_FAILED,
        some(f"{rule.name}: {rule.message}" for rule in broken),
        got=f"false: {some(rule.name for rule in broken)}",
        expected=first.expression,
        unblock=first.unblock,
    )


def _unanswered(rule: CelRule, why: str) -> GateResult:
    return GateResult(
        NAME,
        Outcome.ERROR,
        Reason.GATE_ERROR,
        f"{rule.name} has no answer: {why}",
        got=why,
        expected=rule.expression,
        unblock=("give what the rule asks for, or have security guard it with has()",),
    )
