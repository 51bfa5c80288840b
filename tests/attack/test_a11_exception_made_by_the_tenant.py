"""An exception is governance's: nobody who ships, signs or scans the image can make one.

Exceptions that a tenant could create, or annotations that changed policy: CVE-2024-48921.
"""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from tuf.api.metadata import TargetFile  # type: ignore[attr-defined]

from interlock.api.reasons import Reason
from interlock.api.values import GateResult
from interlock.evidence.governance import GovernanceRefused
from interlock.policy.parse import PolicyError, parse
from interlock_sandbox.sigstore import Recipe
from support import plant, policies, signed
from support.govrepo import GovRepo, govrepo
from support.plant import Plant

VEX = "https://openvex.dev/ns/v0.2.0"
EXCEPTIONS = "https://interlock.dev/attestation/exceptions/v1"
FINDING = ("CVE-2026-1234", "CRITICAL")
ALLOWED = {"roles": ["quality"], "exceptions": [policies.allowance()]}


@pytest.fixture
def good(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Plant:
    found = plant.plant(monkeypatch, tmp_path)
    found.image_bundles = [plant.image_signature(), plant.scan(FINDING)]
    return found


async def scanned(good: Plant, *more: bytes) -> GateResult:
    good.image_bundles += more
    return (await good.judged())["vulnerability-scan"]


def vex() -> dict[str, Any]:
    product = {"@id": f"pkg:oci/press-scheduler@sha256%3A{plant.digest(plant.IMAGE)}"}
    said = {
        "vulnerability": {"name": "CVE-2026-1234"},
        "products": [product],
        "status": "not_affected",
        "justification": "vulnerable_code_not_present",
    }
    return {"@context": VEX, "statements": [said]}


@pytest.mark.parametrize("signer", [plant.BUILDER, plant.SCANNER, plant.TRAINER])
@pytest.mark.parametrize(
    ("kind", "said"), [(VEX, vex()), (EXCEPTIONS, ALLOWED)], ids=["vex", "ours"]
)
async def test_a_signed_exception_beside_the_image_is_not_even_read(
    good: Plant, kind: str, said: dict[str, Any], signer: Recipe
) -> None:
    subject = {"oci-manifest": plant.digest(plant.IMAGE)}
    result = await scanned(good, signed.signed(kind, said, subject, signer))
    assert result.reason is Reason.VULNERABLE
    assert "CVE-2026-1234" in result.message


async def test_a_scan_cannot_bring_its_own_exceptions(good: Plant) -> None:
    said = signed.vulns(FINDING)
    said["scanner"]["uri"] = policies.SCANNER_URI
    said["scanner"]["exceptions"] = said["exceptions"] = ALLOWED
    said["scanner"]["result"][0]["exception"] = policies.allowance()
    subject = {"oci-manifest": plant.digest(plant.IMAGE)}
    newest = signed.signed(
        "https://in-toto.io/attestation/vulns/v0.2", said, subject, plant.SCANNER
    )
    good.image_bundles = [plant.image_signature()]
    assert (await scanned(good, newest)).reason is Reason.VULNERABLE


def test_nobody_approves_an_exception_of_their_own() -> None:
    own = policies.allowance(author="quality-1", approver="quality-1")
    with pytest.raises(PolicyError, match="approves an exception of their own"):
        policies.good_policy(exceptions=ALLOWED | {"exceptions": [own]})


@pytest.mark.parametrize("key", ["oncall", "ci", "root"])
def test_no_other_key_of_governance_signs_exceptions(tmp_path: Path, key: str) -> None:
    repo = govrepo(tmp_path)
    evil = place(repo, yaml.safe_dump(ALLOWED).encode())
    repo.forge("targets", lambda signed_: signed_.targets.update({"exceptions.yaml": evil}), key)
    with pytest.raises(GovernanceRefused, match="targets was signed by 0/1 keys"):
        repo.load()


def test_the_key_of_the_revocations_cannot_slip_exceptions_or_a_feed_in(tmp_path: Path) -> None:
    repo = govrepo(tmp_path)
    feed = json.dumps({"date": "2026-11-20T00:00:00Z"}).encode()
    evil = {
        "exceptions.yaml": place(repo, yaml.safe_dump(ALLOWED).encode()),
        "vulnerability-feed.json": place(repo, feed, "vulnerability-feed.json"),
    }
    repo.forge("revocations", lambda signed_: signed_.targets.update(evil), "oncall")
    policy = parse(repo.load().targets, 1)
    assert policy.exceptions.exceptions == []
    assert policy.feed is None


def place(repo: GovRepo, data: bytes, name: str = "exceptions.yaml") -> Any:
    file = TargetFile.from_data(name, data, ["sha256"])
    (repo.directory / "targets" / f"{file.hashes['sha256']}.{name}").write_bytes(data)
    return file
