"""Endless data: a bundle of 100 MB, a thousand bundles, a scan with thousands of findings.

CVE-2023-46737, CVE-2024-29902, CVE-2024-45395: verifiers that read what they were given, whole.
"""

import datetime as dt
from pathlib import Path

import pytest

from interlock.api.facts import VULNS, Findings, Unresolved
from interlock.evidence import sigstore
from interlock.evidence.sigstore import MAX_BUNDLE_BYTES, Refusal
from support import plant, signed
from support.plant import Plant

HUNDRED_MEGABYTES = 100 * 1000 * 1000


@pytest.fixture
def good(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Plant:
    return plant.plant(monkeypatch, tmp_path)


def test_a_bundle_over_the_cap_is_refused_before_any_parser_sees_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    verifier = signed.verifier()
    monkeypatch.setattr(sigstore, "strict_json", None)
    monkeypatch.setattr(sigstore, "Bundle", None)
    answer = verifier.verify(bytes(HUNDRED_MEGABYTES), signed.now())
    assert answer == Refusal(
        "TooLarge", f"{HUNDRED_MEGABYTES} bytes", f"at most {MAX_BUNDLE_BYTES} bytes"
    )


@pytest.mark.parametrize("where", ["model_bundles", "image_bundles"])
async def test_a_bundle_of_100_mb_is_denied_and_the_others_count(good: Plant, where: str) -> None:
    getattr(good, where).append(bytes(HUNDRED_MEGABYTES))
    found = await good.findings()
    assert isinstance(found, Findings)
    assert len(found.evidence) == 3
    assert [denied.code for denied in found.denied] == ["TooLarge"]
    results = await good.judged()
    assert all(results[gate].outcome.lets_through for gate in ("model-signature", "pins"))


async def test_a_thousand_bundles_are_refused_with_a_sentence(good: Plant) -> None:
    good.model_bundles *= 1000
    found = await good.findings()
    assert isinstance(found, Unresolved)
    assert found.reason == "SourceRefused"
    assert "1000 bundles" in found.message


async def test_more_evidence_than_a_decision_can_keep_is_refused(good: Plant) -> None:
    findings = [(f"CVE-2026-{n:05}", "HIGH") for n in range(500)]
    said = signed.vulns(*findings)
    images = [{"oci-manifest": f"{number}" * 64} for number in range(5)]
    good.image_bundles = [signed.signed(VULNS, said, each, plant.SCANNER) for each in images]
    found = await good.findings()
    assert isinstance(found, Unresolved)
    assert found.reason == "SourceRefused"
    assert "Remove old bundles" in found.message


async def test_a_scan_each_night_fits_into_a_decision(good: Plant) -> None:
    findings = [(f"CVE-2026-{n:05}", "LOW") for n in range(400)]
    nights = [signed.now() - dt.timedelta(days=n, minutes=5) for n in range(30)]
    good.image_bundles = [plant.scan(*findings, finished=night) for night in nights]
    found = await good.findings()
    assert isinstance(found, Findings)
    named = [len(each.scan.findings) for each in found.evidence if each.scan]
    assert sorted(named) == [*([0] * 29), 400]


async def test_more_findings_than_fit_are_counted_and_500_named(good: Plant) -> None:
    findings = [(f"CVE-2026-{n:05}", "CRITICAL") for n in range(3_000)]
    good.image_bundles[1] = plant.scan(*findings)
    found = await good.findings()
    assert isinstance(found, Findings)
    (scan,) = (each.scan for each in found.evidence if each.scan)
    assert scan.totals == {"CRITICAL": 3_000}
    assert len(scan.findings) == 500
