"""A12: that somebody has verified it before is said by many and believed of none.

A forged outcome annotation passed for verification in an admission controller; here a summary, a
name or an annotation is no evidence, whoever signed it.
"""

from pathlib import Path

import pytest

from interlock.api.facts import Findings
from support import plant, proven, signed
from support.plant import Plant

SUMMARY = "https://slsa.dev/verification_summary/v1"
RESULT = "https://in-toto.io/attestation/svr/v0.2"


@pytest.fixture
def good(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Plant:
    return plant.plant(monkeypatch, tmp_path)


@pytest.mark.parametrize("kind", [SUMMARY, RESULT])
async def test_a_verification_summary_is_no_proof(good: Plant, kind: str) -> None:
    said = {"verifier": {"id": "https://interlock.example"}, "verificationResult": "PASSED"}
    subjects = {"oci-manifest": proven.IMAGE, "model-tree": proven.TREE}
    for signer in (plant.BUILDER, plant.TRAINER, plant.EVALUATOR):
        good.image_bundles.append(signed.signed(kind, said, subjects, signer))
    results = await proven.judged(good)
    assert not any(results[name].outcome.lets_through for name in proven.GATES)


async def test_facts_about_a_proof_come_from_its_predicate_only(good: Plant) -> None:
    """The predicate brings the fields of our own facts along, as if they were read already."""
    proof = proven.honest()["evaluation"]
    proof.predicate = {"evaluation": {"result": "PASSED"}, "at": "2026-01-01T00:00:00Z"}
    results = await proven.judged(good, proof)
    assert not results["evaluation"].outcome.lets_through
    found = await good.findings()
    assert isinstance(found, Findings)
    assert all(each.evaluation is None for each in found.evidence)
