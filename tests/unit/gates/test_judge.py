from typing import Any

import pytest

from interlock import gates
from interlock.api.reasons import Reason
from interlock.api.values import GateResult, Outcome
from interlock.policy.model import GATE_NAMES
from support.facts import good_facts, subject
from support.policies import documents, good_policy

ORDER = [
    "grants",
    "pins",
    "model-signature",
    "image-signature",
    "vulnerability-scan",
    "change-approval",
    "freeze-window",
    "revocation",
]
"""What the good policy's tiers ask for."""


def named(**facts: Any) -> list[str]:
    return [result.gate for result in gates.judge(good_facts(**facts), good_policy())]


def test_the_good_change_is_allowed_by_every_gate_in_order() -> None:
    results = gates.judge(good_facts(), good_policy())
    assert [result.gate for result in results] == ORDER
    assert gates.verdict(results) == "Allowed"


def test_a_tier_cannot_leave_out_grants_pins_freezes_and_revocation() -> None:
    tiers = documents()["tiers"]
    tiers["tiers"]["high"] = {"gates": []}
    results = gates.judge(good_facts(), good_policy(tiers=tiers))
    assert [result.gate for result in results] == ["grants", "pins", "freeze-window", "revocation"]


def test_an_unknown_tier_is_asked_everything() -> None:
    tiers = documents()["tiers"]
    del tiers["tiers"]["safety"]
    results = gates.judge(good_facts(subject=subject(riskTier="safety")), good_policy(tiers=tiers))
    assert [result.gate for result in results] == list(GATE_NAMES)
    assert gates.verdict(results) == "Blocked"


def test_a_gate_that_this_version_does_not_have_is_an_error() -> None:
    known = good_policy()
    tier = known.tiers.tiers["high"].model_copy(update={"gates": ["horoscope"]})
    tiers = known.tiers.model_copy(update={"tiers": {"high": tier}})
    results = gates.judge(good_facts(), known.model_copy(update={"tiers": tiers}))
    assert results[-1].gate == "horoscope"
    assert results[-1].outcome is Outcome.ERROR
    assert gates.verdict(results) == "Error"


def test_a_gate_that_raises_is_an_error_and_the_others_still_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_: object) -> GateResult:
        raise KeyError("gone")

    monkeypatch.setattr(gates, "GATES", (("grants", broken), *gates.GATES[1:]))
    results = gates.judge(good_facts(), good_policy())
    assert (results[0].outcome, results[0].reason) == (Outcome.ERROR, Reason.GATE_ERROR)
    assert "KeyError" in results[0].message
    assert all(result.outcome.lets_through for result in results[1:])
    assert gates.verdict(results) == "Error"


@pytest.mark.parametrize(
    "broken",
    [
        {"evidence": []},
        {"pins": []},
        {"approvals": []},
        {"change": None},
        {"subject": subject(image="other.example/a/b@sha256:" + "0" * 64)},
        {"subject": subject(riskTier="low")},
        {"subject": subject(replicas=99)},
    ],
)
def test_i11_every_no_says_what_was_got_expected_and_what_turns_it(broken: dict[str, Any]) -> None:
    results = gates.judge(good_facts(**broken), good_policy())
    refused = [result for result in results if not result.outcome.lets_through]
    assert refused
    for result in refused:
        assert all((result.message, result.got, result.expected, result.unblock)), result


def answers(*outcomes: Outcome) -> list[GateResult]:
    return [GateResult("g", outcome, Reason.PASSED, "") for outcome in outcomes]


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ([], "Error"),
        ([Outcome.PASS, Outcome.NOT_APPLICABLE, Outcome.OVERRIDDEN, Outcome.BYPASSED], "Allowed"),
        ([Outcome.PASS, Outcome.WAIT], "Waiting"),
        ([Outcome.ERROR, Outcome.WAIT], "Error"),
        ([Outcome.FAIL, Outcome.ERROR, Outcome.WAIT], "Blocked"),
    ],
)
def test_the_verdict_is_the_worst_answer(outcomes: list[Outcome], expected: str) -> None:
    assert gates.verdict(answers(*outcomes)) == expected
