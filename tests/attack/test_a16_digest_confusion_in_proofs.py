"""A16: a digest within a proof is a SHA-256 in one spelling, or the proof is none."""

from pathlib import Path
from typing import Any

import pytest

from interlock.api.reasons import Reason
from support import plant, proofs, proven
from support.plant import Plant


@pytest.fixture
def good(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Plant:
    return plant.plant(monkeypatch, tmp_path)


CONFUSED: list[dict[str, Any]] = [
    {"sha1": "a1" * 20},
    {"sha512": "a1" * 64},
    {"sha256": proofs.SUITE.upper().replace("5", "A")},
    {"sha256": proofs.SUITE[:63]},
    {"sha256": f"sha256:{proofs.SUITE}"},
    {"sha256": proofs.SUITE + "\n"},
    {"SHA256": proofs.SUITE},
    {"sha256": proofs.SUITE, "sha512": "00" * 64},
]


@pytest.mark.parametrize("digest", CONFUSED)
async def test_a_suite_is_named_by_one_sha256(good: Plant, digest: dict[str, str]) -> None:
    proof = proven.honest()["evaluation"]
    proof.predicate["configuration"][0]["digest"] = digest
    results = await proven.judged(good, proof)
    assert results["evaluation"].reason is Reason.EVIDENCE_DENIED


@pytest.mark.parametrize("digest", CONFUSED[:-1])
async def test_training_data_is_named_by_sha256(good: Plant, digest: dict[str, str]) -> None:
    proof = proven.honest()["training"]
    proof.predicate["datasets"] = [{"digest": digest}]
    results = await proven.judged(good, proof)
    assert results["training-record"].reason is Reason.EVIDENCE_DENIED


@pytest.mark.parametrize("digest", [{"gitCommit": "C1" * 20}, {"gitCommit": "c1" * 10}])
async def test_a_commit_is_whole_and_lower_case(good: Plant, digest: dict[str, str]) -> None:
    proof = proven.honest()["provenance"]
    dependency = {"uri": proofs.SOURCE, "digest": digest}
    proof.predicate = proofs.slsa(resolvedDependencies=[dependency])
    results = await proven.judged(good, proof)
    assert results["provenance"].reason is Reason.EVIDENCE_DENIED


async def test_an_upper_case_digest_in_a_bill_is_refused(good: Plant) -> None:
    hashes = [{"alg": "SHA-256", "content": "AB" * 32}]
    proof = proven.honest()["sbom"]
    proof.predicate = proofs.cyclonedx(proofs.library("x", hashes=hashes))
    results = await proven.judged(good, proof)
    assert results["sbom"].reason is Reason.EVIDENCE_DENIED
