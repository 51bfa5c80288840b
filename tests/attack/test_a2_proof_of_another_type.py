"""A2: a statement counts as the type that it says, and as no other.

Verifiers that took any valid attestation for the one they asked for: CVE-2022-35929,
CVE-2022-35930, CVE-2026-39395.
"""

from pathlib import Path

import pytest

from interlock.api.reasons import Reason
from support import plant, proofs, proven
from support.plant import Plant


@pytest.fixture
def good(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Plant:
    return plant.plant(monkeypatch, tmp_path)


async def test_honest_proofs_pass_every_gate(good: Plant) -> None:
    results = await proven.judged(good, *proven.honest().values())
    assert {name: results[name].reason for name in proven.GATES} == dict.fromkeys(
        proven.GATES, Reason.PASSED
    )


NEAR = [
    ("provenance", "https://slsa.dev/provenance/v0.2"),
    ("provenance", "https://slsa.dev/provenance/v1/"),
    ("provenance", "https://sigstore.dev/cosign/sign/v1"),
    ("sbom", "https://cyclonedx.org/bom/v1.6"),
    ("sbom", "https://cyclonedx.org/vex"),
    ("ml-bom", "https://model_signing/signature/v1.0"),
    ("evaluation", "https://in-toto.io/attestation/test-result/v0.2"),
    ("evaluation", "https://in-toto.io/attestation/vulns/v0.2"),
    ("training", "https://interlock.dev/attestation/training/v2"),
    ("training", "https://slsa.dev/provenance/v1"),
]


@pytest.mark.parametrize(("name", "kind"), NEAR)
async def test_the_same_words_under_another_type_prove_nothing(
    good: Plant, name: str, kind: str
) -> None:
    proof = proven.honest()[name]
    proof.kind = kind
    others = [each for key, each in proven.honest().items() if key != name]
    results = await proven.judged(good, proof, *others)
    assert not results[proof.gate].outcome.lets_through


@pytest.mark.parametrize("name", proven.honest())
async def test_the_words_of_another_type_under_this_one_are_denied(good: Plant, name: str) -> None:
    proof = proven.honest()[name]
    proof.predicate = {"verificationResult": "PASSED", "result": True, **proofs.model_component()}
    results = await proven.judged(good, *(proven.honest() | {name: proof}).values())
    assert results[proof.gate].reason is Reason.EVIDENCE_DENIED
    assert "BadPredicate" in results[proof.gate].message


async def test_a_bill_of_one_format_is_not_read_as_another(good: Plant) -> None:
    """An SPDX type over a CycloneDX document: two tools would read two inventories."""
    for kind in ("https://spdx.dev/Document", "https://spdx.dev/Document/v2.3"):
        proof = proven.honest()["sbom"]
        proof.kind = kind
        results = await proven.judged(good, proof)
        assert results["sbom"].reason is Reason.EVIDENCE_DENIED
