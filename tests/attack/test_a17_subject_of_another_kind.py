"""A17: the same digits as the name of another kind of thing are another thing.

in-toto matches subjects purely by digest, regardless of content type; so the kind is part of the
name of what is ours, and a model's digest is of a domain of its own.
"""

import hashlib
from pathlib import Path

import pytest

from interlock.api.reasons import Reason
from support import plant, proven, signed
from support.plant import Plant


@pytest.fixture
def good(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Plant:
    return plant.plant(monkeypatch, tmp_path)


@pytest.mark.parametrize("kind", ["oci-manifest", "model-tree", "agent-content", ""])
@pytest.mark.parametrize("name", proven.honest())
async def test_a_subject_counts_as_its_own_kind(good: Plant, name: str, kind: str) -> None:
    proof = proven.honest()[name]
    own, proof.name = proof.name, kind
    results = await proven.judged(good, *(proven.honest() | {name: proof}).values())
    image = own == "oci-manifest" and kind in {"oci-manifest", ""}
    expected = Reason.PASSED if image or kind == own else Reason.EVIDENCE_MISSING
    assert results[proof.gate].reason is expected


@pytest.mark.parametrize("name", ["evaluation", "training", "ml-bom"])
async def test_the_digest_of_one_file_or_of_an_archive_is_not_the_model_s(
    good: Plant, name: str
) -> None:
    weights = signed.FILES["weights.safetensors"]
    for digest in (hashlib.sha256(weights).hexdigest(), signed.root_digest()):
        proof = proven.honest()[name]
        proof.digest = digest
        others = {key: each for key, each in proven.honest().items() if key != name}
        results = await proven.judged(good, proof, *others.values())
        assert results[proof.gate].reason is Reason.EVIDENCE_MISSING
