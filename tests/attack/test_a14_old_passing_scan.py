"""A scan that once passed is shown again, long after the world has learned of its holes.

Replay of old evidence: CVE-2024-23332 (rollback by an old artifact).
"""

import datetime as dt
from pathlib import Path

import pytest

from interlock.api.reasons import Reason
from interlock.api.values import GateResult, Outcome
from interlock_sandbox.sigstore import Recipe
from support import plant, policies, signed
from support.plant import Plant

HOUR = dt.timedelta(hours=1)
KIND = "https://in-toto.io/attestation/vulns/v0.2"


@pytest.fixture
def good(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Plant:
    return plant.plant(monkeypatch, tmp_path)


async def judged(good: Plant, *scans: bytes) -> GateResult:
    good.image_bundles = [plant.image_signature(), *scans]
    return (await good.judged())["vulnerability-scan"]


def scan(
    *findings: tuple[str, str], ago: dt.timedelta, database: dt.timedelta | None = None
) -> bytes:
    """A scan that ended so long ago, signed right then, with a database that is so much older."""
    finished = signed.now() - ago
    said = signed.vulns(*findings, finished=finished)
    said["scanner"]["uri"] = policies.SCANNER_URI
    if database:
        said["scanner"]["db"]["lastUpdate"] = (finished - database).isoformat()
    signer = Recipe(
        identity=policies.SCANNER, issuer=policies.ISSUER, time=finished + dt.timedelta(seconds=30)
    )
    return signed.signed(KIND, said, {"oci-manifest": plant.digest(plant.IMAGE)}, signer)


async def test_an_old_passing_scan_is_not_enough(good: Plant) -> None:
    assert (await judged(good, scan(ago=23 * HOUR))).outcome is Outcome.PASS
    assert (await judged(good, scan(ago=25 * HOUR))).reason is Reason.SCAN_STALE


async def test_a_young_scan_with_an_old_database_is_not_enough(good: Plant) -> None:
    assert (await judged(good, scan(ago=HOUR, database=73 * HOUR))).reason is Reason.SCAN_STALE


async def test_an_old_passing_scan_does_not_hide_the_new_failing_one(good: Plant) -> None:
    failing = scan(("CVE-2026-1234", "CRITICAL"), ago=HOUR)
    for order in ((failing, scan(ago=2 * HOUR)), (scan(ago=2 * HOUR), failing)):
        assert (await judged(good, *order)).reason is Reason.VULNERABLE


async def test_an_old_scan_signed_again_today_is_as_old_as_it_says(good: Plant) -> None:
    said = signed.vulns(finished=signed.now() - 25 * HOUR)
    said["scanner"]["uri"] = policies.SCANNER_URI
    subject = {"oci-manifest": plant.digest(plant.IMAGE)}
    again = signed.signed(KIND, said, subject, plant.SCANNER)
    assert (await judged(good, again)).reason is Reason.SCAN_STALE


async def test_a_scan_cannot_be_of_after_its_signature(good: Plant) -> None:
    """Dating a scan ahead, to keep it young or to win over the next one."""
    said = signed.vulns(finished=signed.now() + 20 * HOUR)
    said["scanner"]["uri"] = policies.SCANNER_URI
    subject = {"oci-manifest": plant.digest(plant.IMAGE)}
    ahead = signed.signed(KIND, said, subject, plant.SCANNER)
    result = await judged(good, ahead)
    assert result.outcome is Outcome.FAIL
    assert "BadPredicate" in result.message
