"""A3: a proof counts for what its statement names, whatever lies beside it (CVE-2026-31830)."""

from pathlib import Path

import pytest

from interlock.api.reasons import Reason
from support import plant, proofs, proven, signed
from support.plant import Plant


@pytest.fixture
def good(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Plant:
    return plant.plant(monkeypatch, tmp_path)


@pytest.mark.parametrize("name", proven.honest())
async def test_a_proof_of_another_image_or_model_is_none(good: Plant, name: str) -> None:
    proof = proven.honest()[name]
    proof.digest = proven.OTHER
    results = await proven.judged(good, *(proven.honest() | {name: proof}).values())
    assert results[proof.gate].reason is Reason.EVIDENCE_MISSING


async def test_a_document_about_another_image_is_not_about_this_one(good: Plant) -> None:
    """The signer's pipeline attached a document of another image: its own text says so."""
    about = {"type": "container", "name": "press", "version": f"sha256:{proven.OTHER}"}
    proof = proven.honest()["sbom"]
    proof.predicate = proofs.cyclonedx(metadata={"component": about})
    results = await proven.judged(good, *(proven.honest() | {"sbom": proof}).values())
    assert results["sbom"].reason is Reason.SBOM_INCOMPLETE
    assert results["sbom"].got == proven.OTHER


async def test_an_ml_bom_of_other_weights_does_not_list_these(good: Plant) -> None:
    swapped = signed.FILES | {"weights.safetensors": b"other weights"}
    proof = proven.honest()["ml-bom"]
    proof.predicate = proofs.cyclonedx(proofs.model_component(swapped))
    results = await proven.judged(good, *(proven.honest() | {"ml-bom": proof}).values())
    assert results["sbom"].reason is Reason.SBOM_INCOMPLETE
    assert "weights.safetensors" in results["sbom"].message
