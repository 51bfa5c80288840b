"""The scanner itself was taken over: the job, its identity and its signature are the honest ones.

Trivy 0.69.4 to 0.69.6 were malicious releases (March 2026), and most tags of its CI action moved to
them. What helps is to trust a version and the digest of what ran, and to take both back.
"""

from pathlib import Path
from typing import Any

import pytest

from interlock.api.facts import VULNS
from interlock.api.reasons import Reason
from interlock.api.values import GateResult, Outcome
from interlock.gates.vulnerability_scan import evaluate
from interlock.policy.model import Policy
from support import plant, policies, signed
from support.facts import NOW, at, good_facts, scan, scan_evidence
from support.plant import Plant

TRIVY = "pkg:golang/github.com/aquasecurity/trivy@v0."
GOOD, EVIL = f"sha256:{'1' * 64}", f"sha256:{'6' * 64}"


def trusting(uri: str = f"{TRIVY}74.0", **changes: Any) -> Policy:
    trust = policies.documents()["trust"] | {"scanners": [uri], "scannerImages": [GOOD]}
    return policies.good_policy(trust=trust, **changes)


def scanned(policy: Policy, version: str = "74.0", image: str = GOOD) -> GateResult:
    said = scan(scanner=f"{TRIVY}{version}", scanner_image=image)
    return evaluate(good_facts(evidence=[scan_evidence(scan=said)]), policy)


def test_the_release_that_policy_names_run_from_the_image_that_it_names_counts() -> None:
    assert scanned(trusting()).outcome is Outcome.PASS


@pytest.mark.parametrize("version", ["69.4", "69.5", "69.6", "74.00", "7", "74.0-evil"])
def test_another_release_does_not_count(version: str) -> None:
    result = scanned(trusting(), version=version)
    assert result.reason is Reason.WRONG_SIGNER
    assert f"trivy@v0.{version}" in result.message


@pytest.mark.parametrize("image", [EVIL, ""])
def test_the_tag_of_a_good_release_moved_to_another_image(image: str) -> None:
    result = scanned(trusting(), image=image)
    assert result.reason is Reason.WRONG_SIGNER
    assert GOOD in result.expected


@pytest.mark.parametrize("scanner", [f"{TRIVY}74.0", GOOD])
@pytest.mark.parametrize(
    ("since", "outcome"),
    [
        ({}, Outcome.FAIL),
        ({"since": at(NOW, hours=-3)}, Outcome.FAIL),
        ({"since": at(NOW, hours=3)}, Outcome.PASS),
    ],
    ids=["always", "before", "after"],
)
def test_a_scanner_is_taken_back_in_one_night(
    scanner: str, since: dict[str, str], outcome: Outcome
) -> None:
    entry = {"scanner": scanner, "reason": "malicious release"} | since
    assert scanned(trusting(revocations={"scanners": [entry]})).outcome is outcome


def test_a_revoked_scanner_s_newer_word_does_not_hide_the_older_one_of_a_good_scanner() -> None:
    entry = {"scanner": EVIL, "reason": "malicious release"}
    trust = policies.documents()["trust"]
    policy = policies.good_policy(trust=trust, revocations={"scanners": [entry]})
    good = scan_evidence(scan=scan(scanner_image=GOOD))
    evil = scan_evidence(scan=scan(scanner_image=EVIL, finished=at(NOW, minutes=-1)))
    found = good.model_copy(update={"bundle": "1" * 64})
    result = evaluate(good_facts(evidence=[evil, found]), policy)
    assert result.evidence == ("1" * 64,)


@pytest.fixture
def good(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Plant:
    return plant.plant(monkeypatch, tmp_path)


@pytest.mark.parametrize("image", ["latest", "1" * 64, f"sha256:{'1' * 63}", GOOD.upper()])
async def test_what_ran_is_named_by_its_whole_digest_or_the_scan_is_none(
    good: Plant, image: str
) -> None:
    said = signed.vulns()
    said["scanner"]["uri"] = policies.SCANNER_URI
    said["scanner"]["annotations"]["image"] = image
    subject = {"oci-manifest": plant.digest(plant.IMAGE)}
    good.image_bundles = [
        plant.image_signature(),
        signed.signed(VULNS, said, subject, plant.SCANNER),
    ]
    assert (await good.judged())["vulnerability-scan"].outcome is Outcome.FAIL
