"""A9: whoever may sign one thing may not sign another, under the same authority.

SLSA: a verifier must accept specific pairs of signer and statement only.
"""

from pathlib import Path

import pytest

from interlock.api.reasons import Reason
from support import plant, proven
from support.plant import BUILDER, EVALUATOR, SCANNER, TRAINER, Plant

ROLES = {"builder": BUILDER, "trainer": TRAINER, "scanner": SCANNER, "evaluator": EVALUATOR}


@pytest.fixture
def good(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Plant:
    return plant.plant(monkeypatch, tmp_path)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("name", proven.honest())
async def test_a_proof_counts_by_its_own_role_only(good: Plant, name: str, role: str) -> None:
    proof = proven.honest()[name]
    own, proof.signer = proof.signer, ROLES[role]
    results = await proven.judged(good, *(proven.honest() | {name: proof}).values())
    expected = Reason.PASSED if own == ROLES[role] else Reason.WRONG_SIGNER
    assert results[proof.gate].reason is expected
