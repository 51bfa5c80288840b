"""A18: the OMS root digest binds no names (OMS spec 6.5.1), so no proof may hang on it.

`weights.safetensors` renamed to `weights.pkl` keeps the OMS digest and changes what a loader does.
"""

from pathlib import Path

import pytest

from interlock.api import digests
from interlock.api.reasons import Reason
from support import plant, proven, signed
from support.plant import Plant

RENAMED = {"MLmodel": signed.FILES["MLmodel"], "weights.pkl": signed.FILES["weights.safetensors"]}


@pytest.fixture
def good(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Plant:
    return plant.plant(monkeypatch, tmp_path)


@pytest.mark.parametrize("name", ["evaluation", "training"])
async def test_a_proof_of_the_same_bytes_under_other_names_is_of_another_model(
    good: Plant, name: str
) -> None:
    assert signed.root_digest(RENAMED) == signed.root_digest()
    tree = digests.model_tree(signed.model_files(RENAMED))
    for digest in (tree, signed.root_digest(RENAMED)):
        proof = proven.honest()[name]
        proof.digest = digest
        results = await proven.judged(good, proof)
        assert results[proof.gate].reason is Reason.EVIDENCE_MISSING
