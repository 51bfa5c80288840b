from typing import Any

import pytest

from interlock import gates
from interlock.api.reasons import Reason
from interlock.api.values import GateResult, Outcome, Purpose
from interlock.gates.freeze_window import evaluate
from interlock.policy import Policy
from support.facts import NOW, approval, at, context, good_facts, quality, safety
from support.policies import NAMESPACE, documents, good_policy

# The good facts are of Friday, 20 November 2026, 12:00 UTC.


def freeze(name: str = "audit", **changes: Any) -> dict[str, Any]:
    """Closed on Fridays from 08:00 to 20:00 UTC, lifted by sre."""
    whole = {
        "name": name,
        "environments": ["production"],
        "schedule": "0 8 * * FRI",
        "duration": "12h",
        "timeZone": "UTC",
        "reason": "the auditors are here",
        "overrideRole": "sre",
    }
    return whole | changes


def policy(*freezes: dict[str, Any], **changes: Any) -> Policy:
    return good_policy(freezes={"freezes": list(freezes)}, **changes)


def judge(*freezes: dict[str, Any], **facts: Any) -> GateResult:
    return evaluate(good_facts(**facts), policy(*freezes))


def override(*names: str, **changes: Any) -> Any:
    said = {"role": "sre", "overrides": list(names), "nonce": "sre-1-0123456789"}
    return approval("sre-1", **said | changes)


def ends(result: GateResult) -> str:
    return f"{result.expires:%d %H:%M}" if result.expires else ""


def test_without_freezes_there_is_nothing_to_judge() -> None:
    assert judge().outcome is Outcome.NOT_APPLICABLE
    elsewhere = freeze(environments=["test"])
    assert judge(elsewhere).message == "no freeze concerns this namespace"


def test_while_a_window_denies_promotions_wait_and_say_until_when() -> None:
    result = judge(freeze())
    assert (result.outcome, result.reason) == (Outcome.WAIT, Reason.FREEZE_WINDOW)
    assert result.message == "frozen by audit: the auditors are here; until 20 Nov 2026 20:00 UTC"
    assert result.unblock == (
        "interlock approve agents/press-scheduler.yaml --override audit, by a member of sre; "
        "or wait",
    )


def test_a_namespace_can_be_named_alone() -> None:
    alone = freeze(environments=[], namespaces=[NAMESPACE])
    assert judge(alone).outcome is Outcome.WAIT


def test_before_a_window_the_answer_ends_when_it_begins() -> None:
    result = judge(freeze(schedule="0 18 * * FRI"))
    assert (result.outcome, ends(result)) == (Outcome.PASS, "20 18:00")
    assert result.message == "no freeze is in force, none before 20 Nov 2026 18:00 UTC"


def test_the_same_answer_comes_a_minute_later() -> None:
    """Or each minute would write a decision."""
    for one in (freeze(), freeze(schedule="0 18 * * FRI"), freeze(kind="allow")):
        assert judge(one) == judge(one, now="2026-11-20T12:01:00Z")


def test_outside_of_what_allows_all_is_frozen() -> None:
    nights = freeze("nights", kind="allow", schedule="0 22 * * *", duration="6h")
    result = judge(nights)
    assert result.outcome is Outcome.WAIT
    assert result.message == (
        "outside of all windows that allow (nights); until 20 Nov 2026 22:00 UTC"
    )


def test_inside_of_what_allows_the_answer_ends_with_it() -> None:
    result = judge(freeze("days", kind="allow"))
    assert (result.outcome, ends(result)) == (Outcome.PASS, "20 20:00")


def test_the_last_window_that_allows_counts() -> None:
    longer = freeze("late", kind="allow", duration="13h")
    assert ends(judge(freeze("days", kind="allow"), longer)) == "20 21:00"


def test_deny_beats_allow() -> None:
    result = judge(freeze("days", kind="allow"), freeze())
    assert result.outcome is Outcome.WAIT
    assert "frozen by audit" in result.message


def test_a_deny_to_come_ends_what_is_allowed() -> None:
    result = judge(freeze("days", kind="allow"), freeze(schedule="0 15 * * FRI"))
    assert ends(result) == "20 15:00"


def test_its_own_role_lifts_a_freeze_for_one_content() -> None:
    result = judge(freeze(), approvals=[quality(), safety(), override("audit")])
    assert (result.outcome, result.reason) == (Outcome.OVERRIDDEN, Reason.OVERRIDDEN)
    assert result.message == "lifted by sre-1 (sre): frozen by audit: the auditors are here"
    assert result.evidence == (override("audit").envelope,)
    assert ends(result) == "21 12:00"  # with the approval


@pytest.mark.parametrize(
    "voice",
    [
        override(),
        override("other"),
        override("audit", role="quality"),
        override("audit", key=quality().key),
        override("audit", subject="ab" * 32),
        override("audit", environment="test"),
        override("audit", not_after="2026-11-20T11:00:00Z"),
        override("audit", decision="reject"),
        quality(overrides=["audit"]),
    ],
)
def test_nobody_else_lifts_it(voice: Any) -> None:
    assert judge(freeze(), approvals=[quality(), safety(), voice]).outcome is Outcome.WAIT


def test_a_spent_override_lifts_nothing_again() -> None:
    voices = [quality(), safety(), override("audit")]
    spent = context(spent=[override("audit").nonce])
    assert judge(freeze(), approvals=voices, context=spent).outcome is Outcome.WAIT


def test_who_lifted_a_freeze_and_then_said_no_lifts_nothing() -> None:
    later = {"not_before": at(NOW, minutes=-1), "nonce": "sre-1-rejects-0123"}
    voices = [quality(), safety(), override("audit"), override(decision="reject", **later)]
    assert judge(freeze(), approvals=voices).outcome is Outcome.WAIT


def test_an_override_of_a_change_that_was_not_found_lifts_nothing() -> None:
    result = judge(freeze(), approvals=[override("audit")], change=None)
    assert result.outcome is Outcome.WAIT


def test_each_of_two_freezes_is_lifted_by_itself() -> None:
    holiday = freeze("holiday", reason="nobody is there", overrideRole="ot-safety")
    one = [quality(), safety(), override("audit", "holiday")]
    result = judge(freeze(), holiday, approvals=one)
    assert result.outcome is Outcome.WAIT
    assert result.message.startswith("frozen by holiday")
    both = [quality(), safety(overrides=["holiday"]), override("audit")]
    assert judge(freeze(), holiday, approvals=both).outcome is Outcome.OVERRIDDEN


def test_what_nobody_may_lift_nobody_lifts() -> None:
    closed = freeze(overrideRole="")
    result = judge(closed, approvals=[quality(), safety(), override("audit")])
    assert result.outcome is Outcome.WAIT
    assert result.unblock == ("wait: nobody may lift audit",)


def test_a_time_outside_of_what_allows_is_lifted_by_naming_a_window() -> None:
    nights = freeze("nights", kind="allow", schedule="0 22 * * *", duration="6h")
    voices = [quality(), safety(), override("nights")]
    assert judge(nights, approvals=voices).outcome is Outcome.OVERRIDDEN


def test_a_way_back_is_never_frozen() -> None:
    result = judge(freeze(), purpose=Purpose.ROLLBACK)
    assert result.outcome is Outcome.NOT_APPLICABLE


def test_no_tier_can_leave_freezes_out() -> None:
    tiers = documents()["tiers"]
    tiers["tiers"]["high"] = {"gates": []}
    results = gates.judge(good_facts(), policy(freeze(), tiers=tiers))
    assert gates.verdict(results) == "Waiting"


def test_what_is_always_allowed_does_not_age() -> None:
    result = judge(freeze(kind="allow", schedule="0 0 * * *", duration="25h"))
    assert (result.outcome, result.expires) == (Outcome.PASS, None)
    assert result.message == "no freeze is in force, none is planned"


def test_an_end_that_cannot_be_seen_is_not_made_up() -> None:
    always = freeze(schedule="0 0 * * *", duration="25h")
    result = judge(always)
    assert result.message.endswith("no end is planned")
    assert result.expires is None
