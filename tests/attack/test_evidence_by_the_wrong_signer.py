"""A signature that holds is somebody's signature: whose, decides whether it counts.

Policies that ignored the identity or took any signer of the same authority: CVE-2025-29778.
"""

from dataclasses import replace
from pathlib import Path

import pytest

from interlock.api.reasons import Reason
from interlock.api.values import GateResult
from interlock_sandbox.sigstore import Instance, Recipe
from support import plant, policies, signed
from support.plant import Plant


@pytest.fixture
def good(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Plant:
    return plant.plant(monkeypatch, tmp_path)


async def signature(good: Plant, *bundles: bytes) -> GateResult:
    good.model_bundles = list(bundles)
    return (await good.judged())["model-signature"]


@pytest.mark.parametrize(
    "recipe",
    [
        replace(plant.TRAINER, identity="mallory@line-4.example"),
        replace(plant.TRAINER, identity=f"{policies.TRAINER}.example"),
        replace(plant.TRAINER, identity=policies.TRAINER.upper()),
        replace(plant.TRAINER, issuer="https://oidc.mallory.example"),
        replace(plant.TRAINER, issuer=f"{policies.ISSUER}/"),
        plant.BUILDER,
        plant.SCANNER,
    ],
    ids=["identity", "longer", "case", "issuer", "slash", "builder", "scanner"],
)
async def test_another_identity_issuer_or_role_is_the_wrong_signer(
    good: Plant, recipe: Recipe
) -> None:
    result = await signature(good, signed.signed_model(recipe=recipe))
    assert result.reason is Reason.WRONG_SIGNER
    assert result.got == f"{recipe.identity} ({recipe.issuer})"


async def test_a_wrong_signers_bundle_does_not_hide_the_right_one(good: Plant) -> None:
    mallory = replace(plant.TRAINER, identity="mallory@line-4.example")
    both = [signed.signed_model(recipe=recipe) for recipe in (mallory, plant.TRAINER)]
    assert (await signature(good, *both)).reason is Reason.PASSED


async def test_nothing_is_unsigned(good: Plant) -> None:
    assert (await signature(good)).reason is Reason.UNSIGNED


async def test_a_sigstore_that_nobody_trusts_proves_nothing(good: Plant) -> None:
    """The right identity and issuer, written into a certificate by an authority of one's own."""
    own = Instance.create("sigstore.mallory.example")
    payload = signed.model_statement()
    result = await signature(good, own.sign_statement(payload, plant.TRAINER))
    assert result.reason is Reason.EVIDENCE_DENIED
    assert "OutsideTrust" in result.message


async def test_a_scan_by_the_builder_is_no_scan(good: Plant) -> None:
    said = signed.vulns()
    said["scanner"]["uri"] = policies.SCANNER_URI
    subject = {"oci-manifest": plant.digest(plant.IMAGE)}
    forged = signed.signed(
        "https://in-toto.io/attestation/vulns/v0.2", said, subject, plant.BUILDER
    )
    good.image_bundles = [plant.image_signature(), forged]
    result = (await good.judged())["vulnerability-scan"]
    assert not result.outcome.lets_through
