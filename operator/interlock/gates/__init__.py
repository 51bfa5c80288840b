"""The gates in their order: one file a gate, each a pure function of facts and policy.

A gate that is not named here does not exist; a reader sees all of them in one place.
"""

from collections.abc import Callable, Iterable
from typing import Literal

from interlock.api.facts import Facts
from interlock.api.reasons import Reason
from interlock.api.values import GateResult, Outcome
from interlock.gates import (
    change_approval,
    evaluation,
    freeze_window,
    grants,
    image_signature,
    model_content,
    model_signature,
    pins,
    provenance,
    revocation,
    rules,
    sbom,
    training_record,
    vulnerability_scan,
)
from interlock.policy import queries
from interlock.policy.model import Policy

Gate = Callable[[Facts, Policy], GateResult]
Verdict = Literal["Allowed", "Waiting", "Blocked", "Error"]

GATES: tuple[tuple[str, Gate], ...] = (
    (grants.NAME, grants.evaluate),
    (pins.NAME, pins.evaluate),
    (model_signature.NAME, model_signature.evaluate),
    (model_content.NAME, model_content.evaluate),
    (training_record.NAME, training_record.evaluate),
    (evaluation.NAME, evaluation.evaluate),
    (image_signature.NAME, image_signature.evaluate),
    (provenance.NAME, provenance.evaluate),
    (sbom.NAME, sbom.evaluate),
    (vulnerability_scan.NAME, vulnerability_scan.evaluate),
    (rules.NAME, rules.evaluate),
    (change_approval.NAME, change_approval.evaluate),
    (freeze_window.NAME, freeze_window.evaluate),
    (revocation.NAME, revocation.evaluate),
)
ALWAYS = frozenset({grants.NAME, pins.NAME, freeze_window.NAME, revocation.NAME})
"""Gates that no tier can leave out."""


def judge(facts: Facts, policy: Policy) -> tuple[GateResult, ...]:
    """Return the answer of each gate that the tier asks for, in the order of GATES.

    Where policy does not know the tier, every gate is asked.
    """
    tier = queries.tier_policy(
        policy, facts.subject.namespace, str(facts.subject.spec.get("riskTier", ""))
    )
    every = {name for name, _ in GATES}
    asked = ALWAYS | (set(tier.gates) if tier else every)
    answers = [_ask(name, gate, facts, policy) for name, gate in GATES if name in asked]
    return (*answers, *(_unknown(name) for name in sorted(asked - every)))


def verdict(results: Iterable[GateResult]) -> Verdict:
    """Return what the answers amount to; no answer at all is an error."""
    outcomes = {result.outcome for result in results}
    if Outcome.FAIL in outcomes:
        return "Blocked"
    if Outcome.ERROR in outcomes or not outcomes:
        return "Error"
    if all(outcome.lets_through for outcome in outcomes):
        return "Allowed"
    return "Waiting"


def _ask(name: str, gate: Gate, facts: Facts, policy: Policy) -> GateResult:
    try:
        return gate(facts, policy)
    except Exception as error:  # a gate that cannot answer must not let anything through
        return _error(name, f"the gate could not judge: {type(error).__name__}: {error}"[:500])


def _unknown(name: str) -> GateResult:
    return _error(name, f"tiers.yaml asks for the gate {name}, which this version does not have")


def _error(name: str, message: str) -> GateResult:
    return GateResult(
        name,
        Outcome.ERROR,
        Reason.GATE_ERROR,
        message,
        got="no answer",
        expected="an answer",
        unblock=("report it with the facts of this decision, which replay it",),
    )
