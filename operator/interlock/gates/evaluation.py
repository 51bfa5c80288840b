"""The model was put to the tests that policy names, on the data that it names, and passed them.

The newest result of a suite decides: a pass of yesterday does not outweigh a fail of today.
Attacks refused: result of another model or of another kind of thing, another suite or other data,
old result, passing result beside a newer failing one, metrics left out, wrong signer.
"""

from interlock.api.facts import TEST_RESULT, Evidence, Facts
from interlock.api.proofs import Evaluation
from interlock.api.reasons import Reason
from interlock.api.values import GateResult, Purpose
from interlock.gates.answers import day, digits, later, moment, not_applicable, passed, some
from interlock.gates.proofs import (
    Fault,
    Wanted,
    about_model,
    insufficient,
    missing,
    model_name,
    model_tree,
    unpinned_model,
)
from interlock.gates.signatures import counts
from interlock.policy import queries
from interlock.policy.evidence import Suite
from interlock.policy.model import Policy

NAME = "evaluation"
_Said = tuple[Evidence, Evaluation]


def evaluate(facts: Facts, policy: Policy) -> GateResult:
    """Judge the newest result of each suite that policy asks for."""
    if not facts.subject.spec.get("model"):
        return not_applicable(NAME, "the agent has no model")
    if not model_tree(facts):
        return unpinned_model(NAME, facts)
    found = about_model(facts, (TEST_RESULT,))
    newest = _newest(found, policy)
    asked = queries.evidence_of(policy, facts).evaluation.suites or _any(newest)
    if not asked:
        return missing(_wanted(facts), found, facts, policy)
    for suite in asked:
        if suite.digest not in newest:
            others = [each for each in found if _suite(each) == suite.digest]
            return missing(_wanted(facts, suite), others, facts, policy)
        if closed := _judge(suite, newest[suite.digest], facts):
            return closed
    return _passed([(suite, newest[suite.digest]) for suite in asked], facts)


def _newest(found: list[Evidence], policy: Policy) -> dict[str, _Said]:
    """Return the newest trusted result of each suite; of two at once, the one that did not pass."""
    newest: dict[str, _Said] = {}
    for each in sorted(found, key=lambda one: (moment(one.at), not _clean(one.evaluation))):
        if each.evaluation and counts(each, policy):
            newest[each.evaluation.suite] = (each, each.evaluation)
    return newest


def _clean(said: Evaluation | None) -> bool:
    return said is not None and said.result == "PASSED" and not said.failed


def _suite(evidence: Evidence) -> str:
    return evidence.evaluation.suite if evidence.evaluation else ""


def _any(newest: dict[str, _Said]) -> list[Suite]:
    """Return what is asked where policy names no suite: that each one that was run was passed."""
    return [
        Suite(name=said.suite_name or "unnamed", digest=digest)
        for digest, (_, said) in sorted(newest.items())
    ]


def _judge(suite: Suite, said: _Said, facts: Facts) -> GateResult | None:
    evidence, result = said
    wanted = _wanted(facts, suite)
    if fault := _failed(suite, result) or _other_data(suite, result) or _metric(suite, result):
        return insufficient(wanted, Reason.EVALUATION_FAILED, fault)
    at = moment(evidence.at)
    if facts.purpose is Purpose.PROMOTION and moment(facts.now) >= later(at, suite.max_age):
        message = f"the result of {suite.name} is of {day(at)}, older than {suite.max_age}"
        fault = Fault(message, day(at), f"a result at most {suite.max_age} old")
        return insufficient(wanted, Reason.EVALUATION_STALE, fault)
    return None


def _failed(suite: Suite, said: Evaluation) -> Fault | None:
    good = {"PASSED", "WARNED"} if suite.warnings else {"PASSED"}
    if said.result in good and not said.failed:
        return None
    tests = f": {some(said.failed)}" if said.failed else ""
    message = f"the newest result of {suite.name} is {said.result}{tests}"
    return Fault(message, f"{said.result}{tests}", " or ".join(sorted(good)))


def _other_data(suite: Suite, said: Evaluation) -> Fault | None:
    absent = [digest for digest in suite.datasets if digest not in said.datasets]
    if not absent:
        return None
    named = some(digits(each) for each in absent)
    message = f"the newest result of {suite.name} does not name the data {named}"
    return Fault(message, some(said.datasets) or "no data", some(suite.datasets))


def _metric(suite: Suite, said: Evaluation) -> Fault | None:
    for name, least in suite.minimum.items():
        if not (name in said.metrics and said.metrics[name] >= least):
            return _off(suite, said, name, f"at least {least:g}")
    for name, most in suite.maximum.items():
        if not (name in said.metrics and said.metrics[name] <= most):
            return _off(suite, said, name, f"at most {most:g}")
    return None


def _off(suite: Suite, said: Evaluation, name: str, expected: str) -> Fault:
    got = f"{said.metrics[name]:g}" if name in said.metrics else "not measured"
    return Fault(f"{name} of {suite.name} is {got}, expected {expected}", got, expected)


def _wanted(facts: Facts, suite: Suite | None = None) -> Wanted:
    of = f"{suite.name} (suite {digits(suite.digest)})" if suite else "evaluation"
    what = f"result of {of} for {model_name(facts)}"
    unblock = "have an evaluator run the suite on this model, and add the signed result to its run"
    return Wanted(NAME, (TEST_RESULT,), what, unblock)


def _passed(said: list[tuple[Suite, _Said]], facts: Facts) -> GateResult:
    named = some(
        f"{suite.name}: {result.passed} tests passed, {day(moment(evidence.at))}"
        for suite, (evidence, result) in said
    )
    rollback = facts.purpose is Purpose.ROLLBACK
    ends = min(later(moment(e.at), suite.max_age) for suite, (e, _) in said)
    bundles = (evidence.bundle for _, (evidence, _) in said)
    expires = None if rollback else ends
    return passed(NAME, named, evidence=bundles, expires=expires, fresh_until=ends)
