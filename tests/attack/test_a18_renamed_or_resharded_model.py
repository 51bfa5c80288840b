"""A18: a model is renamed or cut into other shards under a root digest that stays the same.

The OMS root digest binds the files' digests alone (OMS spec 6.5.1); the digest that people approve
binds names, sizes and bytes.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from interlock.api import digests
from interlock.api.values import Outcome
from support import plant, signed
from support.plant import Plant

Files = dict[str, bytes]
WEIGHTS = "weights.safetensors"


@pytest.fixture
def good(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Plant:
    return plant.plant(monkeypatch, tmp_path)


def renamed(files: Files) -> Files:
    return {name.replace(".safetensors", ".pkl"): data for name, data in files.items()}


def swapped(files: Files) -> Files:
    """Two files that change places: the same digests under the same names, each another's."""
    return {"MLmodel": files[WEIGHTS], WEIGHTS: files["MLmodel"]}


def moved(files: Files) -> Files:
    return {f"new-{name}": data for name, data in files.items()}


def cut(files: Files) -> Files:
    """The same bytes, shard after shard, under other bounds."""
    half = len(files[WEIGHTS]) // 2
    shards = {"weights-1": files[WEIGHTS][:half], "weights-2": files[WEIGHTS][half:]}
    return {"MLmodel": files["MLmodel"], **shards}


CHANGES = [renamed, swapped, moved, cut]


@pytest.mark.parametrize("change", CHANGES)
def test_it_is_another_tree(change: Callable[[Files], Files]) -> None:
    honest, other = (signed.model_files(files) for files in (signed.FILES, change(signed.FILES)))
    assert digests.model_tree(honest) != digests.model_tree(other)


def test_a_renamed_file_keeps_the_oms_root_digest() -> None:
    assert signed.root_digest(renamed(signed.FILES)) == signed.root_digest()


@pytest.mark.parametrize("change", CHANGES)
async def test_registered_so_it_passes_neither_pins_nor_signature(
    good: Plant, change: Callable[[Files], Files]
) -> None:
    good.registered = change(good.registered)
    results = await good.judged()
    assert results["pins"].outcome is Outcome.FAIL
    assert results["model-signature"].outcome is Outcome.FAIL


@pytest.mark.parametrize("change", CHANGES)
async def test_signed_so_it_is_still_not_what_people_approved(
    good: Plant, change: Callable[[Files], Files]
) -> None:
    good.registered = change(good.registered)
    good.model_bundles = [signed.signed_model(good.registered, plant.TRAINER)]
    assert (await good.judged())["pins"].outcome is Outcome.FAIL


def test_lengths_are_bound_not_only_their_sum() -> None:
    """Without lengths before names, a byte could pass from the end of a name to the next part."""
    pairs = [({"a": b"", "ab": b""}, {"aa": b"", "b": b""}), ({"a": b"b"}, {"ab": b""})]
    for one, other in pairs:
        first, second = (digests.model_tree(signed.model_files(files)) for files in (one, other))
        assert first != second
