"""A statement about one kind of thing is shown as one about another: only the digits agree.

in-toto matches subjects "purely by digest, regardless of content type"; so what a subject is has to
be said, and compared.
"""

from pathlib import Path

import pytest

from interlock.api.facts import VULNS
from interlock.api.reasons import Reason
from interlock.api.values import GateResult, Outcome
from support import plant, policies, signed
from support.plant import Plant

IMAGE = plant.digest(plant.IMAGE)


@pytest.fixture
def good(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Plant:
    return plant.plant(monkeypatch, tmp_path)


async def scanned(good: Plant, subjects: dict[str, str]) -> GateResult:
    said = signed.vulns()
    said["scanner"]["uri"] = policies.SCANNER_URI
    bundle = signed.signed(VULNS, said, subjects, plant.SCANNER)
    good.image_bundles = [plant.image_signature(), bundle]
    return (await good.judged())["vulnerability-scan"]


@pytest.mark.parametrize("name", ["model-tree", "agent-content", "", "image", "oci-manifest "])
async def test_a_scan_of_another_kind_with_the_image_s_digits_is_no_scan_of_it(
    good: Plant, name: str
) -> None:
    """As when a model's tree or a file's digest is made to be scanned under the image's digits."""
    result = await scanned(good, {name: IMAGE})
    assert (result.outcome, result.reason) == (Outcome.FAIL, Reason.SCAN_MISSING)


async def test_a_scan_that_names_the_image_among_others_counts(good: Plant) -> None:
    both = {"model-tree": "0" * 64, "oci-manifest": IMAGE}
    assert (await scanned(good, both)).outcome is Outcome.PASS


async def test_kind_and_digest_must_be_of_one_subject(good: Plant) -> None:
    crossed = {"model-tree": IMAGE, "oci-manifest": "0" * 64}
    assert (await scanned(good, crossed)).reason is Reason.SCAN_MISSING


async def test_a_predicate_of_another_type_is_no_scan_whatever_it_holds(good: Plant) -> None:
    said = signed.vulns()
    said["scanner"]["uri"] = policies.SCANNER_URI
    for kind in (f"{VULNS}/", VULNS.upper(), "https://cosign.sigstore.dev/attestation/vuln/v1"):
        bundle = signed.signed(kind, said, {"oci-manifest": IMAGE}, plant.SCANNER)
        good.image_bundles = [plant.image_signature(), bundle]
        result = (await good.judged())["vulnerability-scan"]
        assert result.reason is Reason.SCAN_MISSING
