"""A key is a signer of its own: it speaks in its role, and no certificate speaks for it.

SLSA's verification summary: a verifier must accept only specific pairs of signer and verifier.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from interlock.api import facts
from interlock.api.reasons import Reason
from interlock.policy.signers import key_identity
from interlock_sandbox.sigstore import Recipe
from support import managed, plant, policies
from support.plant import Plant

KEY = managed.release()
BY_KEY = Recipe(managed=KEY)


@pytest.fixture
def good(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Plant:
    return plant.plant(monkeypatch, tmp_path)


def trusting(*entries: dict[str, Any]) -> dict[str, Any]:
    trust: dict[str, Any] = policies.documents()["trust"]
    others = [each for each in trust["signers"] if each["role"] != "builder"]
    return trust | {"signers": [*others, *entries]}


AS_BUILDER = {"role": "builder", "key": managed.pem(KEY)}


async def test_a_builder_s_key_signs_images(good: Plant) -> None:
    good.image_bundles[0] = plant.image_signature(BY_KEY)
    result = (await good.judged(trust=trusting(AS_BUILDER)))["image-signature"]
    assert result.reason is Reason.PASSED
    assert key_identity(managed.pem(KEY)) in result.message


async def test_a_key_that_trust_does_not_name_proves_nothing(good: Plant) -> None:
    good.image_bundles[0] = plant.image_signature(BY_KEY)
    result = (await good.judged())["image-signature"]
    assert result.reason is Reason.EVIDENCE_DENIED
    assert "BadSignature" in result.message


@pytest.mark.parametrize("role", ["trainer", "scanner", "evaluator"])
async def test_a_key_of_another_role_signs_no_image(good: Plant, role: str) -> None:
    good.image_bundles[0] = plant.image_signature(BY_KEY)
    result = (await good.judged(trust=trusting(AS_BUILDER | {"role": role})))["image-signature"]
    assert result.reason is Reason.WRONG_SIGNER


async def test_a_key_that_may_sign_one_thing_signs_no_other(good: Plant) -> None:
    good.image_bundles[0] = plant.image_signature(BY_KEY)
    narrow = AS_BUILDER | {"predicateTypes": [facts.PROVENANCE]}
    assert (await good.judged(trust=trusting(narrow)))["image-signature"].reason is (
        Reason.WRONG_SIGNER
    )


async def test_a_certificate_for_the_name_of_a_key_is_not_the_key(good: Plant) -> None:
    named = f"https://ci.example/{key_identity(managed.pem(KEY))}"
    for identity in (named, key_identity(managed.pem(KEY))):
        recipe = Recipe(identity=identity, issuer=policies.ISSUER)
        good.image_bundles[0] = plant.image_signature(recipe)
        result = (await good.judged(trust=trusting(AS_BUILDER)))["image-signature"]
        assert result.reason in {Reason.WRONG_SIGNER, Reason.EVIDENCE_DENIED}


@pytest.mark.parametrize("field", ["compromisedSince", "notAfter"])
async def test_a_key_out_of_its_time(good: Plant, field: str) -> None:
    good.image_bundles[0] = plant.image_signature(BY_KEY)
    entry = AS_BUILDER | {field: "2026-01-01T00:00:00Z"}
    assert (await good.judged(trust=trusting(entry)))["image-signature"].reason is (
        Reason.WRONG_SIGNER
    )


async def test_a_compromised_key_is_not_healed_by_another_entry(good: Plant) -> None:
    good.image_bundles[0] = plant.image_signature(BY_KEY)
    lost = AS_BUILDER | {"role": "scanner", "compromisedSince": "2026-01-01T00:00:00Z"}
    result = (await good.judged(trust=trusting(AS_BUILDER, lost)))["image-signature"]
    assert result.reason is Reason.WRONG_SIGNER


async def test_the_key_of_somebody_else_with_the_right_hint(good: Plant) -> None:
    mallory = replace(BY_KEY, managed=managed.edwards(), hint=key_identity(managed.pem(KEY)))
    good.image_bundles[0] = plant.image_signature(mallory)
    assert (await good.judged(trust=trusting(AS_BUILDER)))["image-signature"].reason is (
        Reason.EVIDENCE_DENIED
    )
