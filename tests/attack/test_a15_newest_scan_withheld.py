"""Whoever owns the registry shows some of the scans and keeps the newest, failing one back.

First match wins in some policy engines: one attestation that passes was enough.
"""

from pathlib import Path

import pytest

from interlock.api.reasons import Reason
from interlock.api.values import GateResult, Outcome, Purpose
from interlock.gates.vulnerability_scan import evaluate
from support import plant
from support.facts import NOW, at, finding, good_facts, scan, scan_evidence
from support.plant import Plant
from support.policies import good_policy

FAILING = {"findings": [finding()], "totals": {"CRITICAL": 1}}


@pytest.fixture
def good(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Plant:
    return plant.plant(monkeypatch, tmp_path)


def judged(*hours_ago: float, failing: float, now: str = NOW) -> GateResult:
    """Scans that ended so many hours ago; the one at `failing` found something."""
    evidence = []
    for ago in hours_ago:
        said = FAILING if ago == failing else {}
        evidence.append(scan_evidence(scan=scan(finished=at(NOW, hours=-ago), **said)))
    return evaluate(good_facts(evidence=evidence, now=now), good_policy())


@pytest.mark.parametrize("order", [(5, 3, 1), (1, 3, 5), (3, 1, 5)])
def test_one_failing_scan_outweighs_all_older_passing_ones(order: tuple[float, ...]) -> None:
    assert judged(*order, failing=1).reason is Reason.VULNERABLE
    assert judged(*order, failing=3).outcome is Outcome.PASS


def test_withholding_the_newest_scan_lasts_until_the_next_newest_is_too_old() -> None:
    assert judged(5, 3, failing=0).outcome is Outcome.PASS
    assert judged(5, 3, failing=0, now=at(NOW, hours=21)).reason is Reason.SCAN_STALE


async def test_a_newest_scan_that_was_damaged_is_no_scan_and_the_older_one_ages(
    good: Plant,
) -> None:
    """A withheld and a broken bundle are the same; the broken one is at least named."""
    broken = plant.scan(("CVE-2026-1234", "CRITICAL"))[:-40] + b'"' + b"}" * 39
    good.image_bundles = [plant.image_signature(), broken]
    result = (await good.judged())["vulnerability-scan"]
    assert result.outcome is Outcome.FAIL


def test_of_two_scans_of_one_moment_the_later_signed_one_counts() -> None:
    early = scan_evidence(at=at(NOW, hours=-2), scan=scan())
    late = scan_evidence(at=at(NOW, hours=-1), scan=scan(**FAILING))
    for order in ([early, late], [late, early]):
        assert evaluate(good_facts(evidence=order), good_policy()).reason is Reason.VULNERABLE


def test_for_a_way_back_the_newest_scan_decides_as_well() -> None:
    old, new = scan(finished=at(NOW, hours=-900)), scan(finished=at(NOW, hours=-800), **FAILING)
    evidence = [scan_evidence(scan=each) for each in (old, new)]
    facts = good_facts(evidence=evidence, purpose=Purpose.ROLLBACK)
    assert evaluate(facts, good_policy()).reason is Reason.VULNERABLE
