"""Which findings count: exceptions, the wait for a fix, and what is exploited."""

from typing import Any

import pytest

from interlock.api.facts import Facts, Finding
from interlock.api.reasons import Reason
from interlock.api.values import GateResult, Outcome, Purpose
from interlock.gates.vulnerability_scan import evaluate
from interlock.policy.model import Policy
from support.facts import NOW, at, finding, good_facts, scan, scan_evidence
from support.policies import allowance, documents, good_policy

FEED = {"date": at(NOW, hours=-12), "kev": [], "epss": {}}
GRACE = {"fixGrace": {"HIGH": "336h"}}
OTHER = "CVE-2026-2222"


def policy(scan_policy: dict[str, Any] | None = None, **changes: Any) -> Policy:
    if scan_policy:
        changes["gates"] = documents()["gates"] | {"vulnerabilityScan": scan_policy}
    return good_policy(**changes)


def excepting(**changes: Any) -> Policy:
    return policy(exceptions={"roles": ["quality"], "exceptions": [allowance(**changes)]})


def found(*findings: Finding, totals: dict[str, int] | None = None, **changes: Any) -> Facts:
    said = scan(findings=list(findings), totals=totals or {})
    return good_facts(evidence=[scan_evidence(scan=said)], **changes)


def high(**changes: Any) -> Finding:
    return finding(severity="HIGH", **changes)


def test_an_exception_lets_its_finding_pass_until_it_ends() -> None:
    result = evaluate(found(finding()), excepting(expires=at(NOW, hours=3)))
    assert result.outcome is Outcome.PASS
    assert "0 critical, 0 high in 41 packages, 1 by exception;" in result.message
    assert result.expires
    assert result.expires.isoformat() == "2026-11-20T15:00:00+00:00"


@pytest.mark.parametrize("purpose", Purpose)
def test_when_the_exception_has_ended_the_finding_is_back(purpose: Purpose) -> None:
    result = evaluate(found(finding(), purpose=purpose), excepting(expires=NOW))
    assert result.reason is Reason.VULNERABLE
    assert "the exception for it ended 20 Nov 2026 12:00 UTC" in result.message


def test_of_several_that_ended_the_last_is_named() -> None:
    ended = [allowance(expires=at(NOW, hours=-1)), allowance(expires=at(NOW, hours=-2))]
    result = evaluate(
        found(finding()), policy(exceptions={"roles": ["quality"], "exceptions": ended})
    )
    assert "ended 20 Nov 2026 11:00 UTC" in result.message


def test_a_way_back_under_an_exception_is_judged_again_when_that_ends() -> None:
    result = evaluate(found(finding(), purpose=Purpose.ROLLBACK), excepting())
    assert result.expires
    assert result.expires.isoformat() == "2026-12-01T12:00:00+00:00"


def test_an_exception_that_has_not_begun_helps_nobody() -> None:
    assert evaluate(found(finding()), excepting(created=at(NOW, seconds=1))).reason is (
        Reason.VULNERABLE
    )


@pytest.mark.parametrize(
    "change",
    [
        {"vulnerability": OTHER},
        {"purl": "pkg:deb/debian/libbar"},
        {"purl": "pkg:deb/debian/libfoo@1.0.3"},
        {"image": f"sha256:{'00' * 32}"},
    ],
)
def test_an_exception_for_something_else_changes_nothing(change: dict[str, str]) -> None:
    result = evaluate(found(finding()), excepting(**change))
    assert result.message == "CVE-2026-1234 CRITICAL in libfoo 1.0.2 (fixed in 1.0.3)"


def test_an_exception_does_not_cover_the_next_finding_nor_what_is_not_named() -> None:
    both = found(finding(), finding(id=OTHER), totals={"CRITICAL": 3})
    result = evaluate(both, excepting())
    assert result.got == "2 critical"
    assert OTHER in result.message
    assert "CVE-2026-1234" not in result.message


def test_of_two_exceptions_the_one_that_ends_last_counts() -> None:
    two = [allowance(expires=at(NOW, hours=1)), allowance(expires=at(NOW, hours=2))]
    result = evaluate(
        found(finding()), policy(exceptions={"roles": ["quality"], "exceptions": two})
    )
    assert result.expires
    assert result.expires.isoformat() == "2026-11-20T14:00:00+00:00"


def test_of_several_that_pass_the_first_to_end_ends_the_answer() -> None:
    """One waits for its fix until 13:00, one is excepted until 14:00."""
    waits = high(id=OTHER, published=at(NOW, hours=-335))
    listed = {"roles": ["quality"], "exceptions": [allowance(expires=at(NOW, hours=2))]}
    result = evaluate(found(finding(), waits), policy(GRACE, exceptions=listed))
    assert ", 1 by exception, 1 waiting for their fix;" in result.message
    assert result.expires
    assert result.expires.isoformat() == "2026-11-20T13:00:00+00:00"


def test_what_waits_lets_nothing_else_pass() -> None:
    waits = high(id=OTHER, published=at(NOW, hours=-335))
    assert evaluate(found(high(published=None), waits), policy(GRACE)).got == "1 high"


def test_an_exception_by_a_revoked_person_is_none() -> None:
    gone = {"persons": [{"person": "quality-1", "reason": "left"}]}
    listed = {"roles": ["quality"], "exceptions": [allowance()]}
    result = evaluate(found(finding()), policy(exceptions=listed, revocations=gone))
    assert result.reason is Reason.VULNERABLE


def test_a_finding_may_wait_for_its_fix_until_the_grace_is_over() -> None:
    assert evaluate(found(high(published=NOW)), policy(GRACE)).outcome is Outcome.PASS
    result = evaluate(found(high(published=at(NOW, hours=-335))), policy(GRACE))
    assert result.outcome is Outcome.PASS
    assert ", 1 waiting for their fix;" in result.message
    assert result.expires
    assert result.expires.isoformat() == "2026-11-20T13:00:00+00:00"


@pytest.mark.parametrize(
    "changes",
    [
        {"published": at(NOW, hours=-336)},
        {"published": None},
        {"published": at(NOW, seconds=1)},
        {"fixed": ""},
        {"severity": "CRITICAL"},
    ],
    ids=["over", "no date", "future", "no fix", "other severity"],
)
def test_a_finding_that_may_not_wait(changes: dict[str, Any]) -> None:
    waits = {"severity": "HIGH", "published": at(NOW, hours=-1)}
    assert evaluate(found(finding(**waits | changes)), policy(GRACE)).reason is Reason.VULNERABLE


def exploited(*findings: Finding, limits: dict[str, Any], **feed: Any) -> GateResult:
    return evaluate(found(*findings), policy(limits, vulnerability_feed=FEED | feed))


def test_what_is_known_to_be_exploited_is_refused_however_it_is_rated() -> None:
    result = exploited(
        finding(severity="LOW"), limits={"refuseExploited": True}, kev=["CVE-2026-1234"]
    )
    assert (result.outcome, result.reason) == (Outcome.FAIL, Reason.VULNERABLE)
    assert result.message == (
        "CVE-2026-1234 LOW in libfoo 1.0.2 (fixed in 1.0.3; known to be exploited)"
    )
    assert result.unblock == ("update libfoo to 1.0.3, then build, sign and scan the image again",)


def test_what_is_exploited_does_not_wait_for_its_fix() -> None:
    limits = GRACE | {"refuseExploited": True}
    young = high(published=at(NOW, hours=-1))
    assert exploited(young, limits=limits, kev=["CVE-2026-1234"]).outcome is Outcome.FAIL
    assert exploited(young, limits=limits, kev=[OTHER]).outcome is Outcome.PASS


@pytest.mark.parametrize(("score", "outcome"), [(0.5, Outcome.PASS), (0.51, Outcome.FAIL)])
def test_a_score_above_the_limit_is_refused(score: float, outcome: Outcome) -> None:
    epss = {"CVE-2026-1234": score, OTHER: 0.99}
    result = exploited(finding(severity="LOW"), limits={"maxEpss": 0.5}, epss=epss)
    assert result.outcome is outcome
    assert ("EPSS 0.51" in result.message) is (outcome is Outcome.FAIL)


def test_what_policy_does_not_ask_of_the_feed_is_not_refused() -> None:
    epss = {"CVE-2026-1234": 0.99}
    low = finding(severity="LOW")
    assert exploited(low, limits={"maxAge": "24h"}, kev=["CVE-2026-1234"], epss=epss).outcome is (
        Outcome.PASS
    )
    assert exploited(low, limits={"refuseExploited": True}, epss=epss).outcome is Outcome.PASS
    assert exploited(low, limits={"maxEpss": 0.5}, kev=["CVE-2026-1234"]).outcome is Outcome.PASS


def test_an_exception_covers_what_is_exploited_too() -> None:
    answer = evaluate(
        found(finding()),
        policy(
            {"refuseExploited": True},
            vulnerability_feed=FEED | {"kev": ["CVE-2026-1234"]},
            exceptions={"roles": ["quality"], "exceptions": [allowance()]},
        ),
    )
    assert answer.outcome is Outcome.PASS


def test_findings_without_names_cannot_be_compared_with_the_feed() -> None:
    unnamed = found(finding(severity="LOW"), totals={"LOW": 3})
    asking = policy({"refuseExploited": True}, vulnerability_feed=FEED)
    assert evaluate(unnamed, asking).message == "the scan counts 2 findings without naming them"
    assert evaluate(unnamed, policy()).outcome is Outcome.PASS


@pytest.mark.parametrize("date", [at(NOW, hours=-72), at(NOW, hours=1)])
def test_a_feed_of_another_day_promotes_nothing_and_hinders_no_way_back(date: str) -> None:
    asking = policy({"refuseExploited": True}, vulnerability_feed=FEED | {"date": date})
    assert evaluate(found(), asking).reason is Reason.SCAN_STALE
    assert evaluate(found(purpose=Purpose.ROLLBACK), asking).outcome is Outcome.PASS
    assert evaluate(found(), policy(vulnerability_feed=FEED | {"date": date})).outcome is (
        Outcome.PASS
    )


def test_the_answer_holds_until_the_feed_is_too_old() -> None:
    asking = policy({"refuseExploited": True, "maxFeedAge": "13h"}, vulnerability_feed=FEED)
    result = evaluate(found(), asking)
    assert result.expires
    assert result.expires.isoformat() == "2026-11-20T13:00:00+00:00"


@pytest.mark.parametrize("limits", [{"refuseExploited": True}, {"maxEpss": 0.5}])
def test_a_policy_that_asks_without_a_feed_is_answered_with_no(limits: dict[str, Any]) -> None:
    asking = policy(limits, vulnerability_feed=FEED)
    result = evaluate(found(finding()), asking.model_copy(update={"feed": None}))
    assert result.message == "governance has no vulnerability feed"


def test_a_feed_that_nobody_asks_ends_no_answer() -> None:
    old = FEED | {"date": at(NOW, hours=-71)}
    result = evaluate(found(), policy(vulnerability_feed=old))
    assert result.expires
    assert result.expires.isoformat() == "2026-11-21T10:00:00+00:00"


@pytest.mark.parametrize(
    ("date", "outcome"),
    [
        (at(NOW, hours=-72, seconds=1), Outcome.PASS),
        (at(NOW, minutes=5), Outcome.PASS),
        (at(NOW, minutes=5, seconds=1), Outcome.FAIL),
    ],
)
def test_a_feed_s_clock_may_be_five_minutes_ahead(date: str, outcome: Outcome) -> None:
    asking = policy({"refuseExploited": True}, vulnerability_feed=FEED | {"date": date})
    assert evaluate(found(), asking).outcome is outcome
