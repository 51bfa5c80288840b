"""What a pod would mount is not what was approved: one more file, another order, links, whiteouts.

The volume's pin names a manifest by digest; its one layer is streamed, and has to be exactly the
files of the pinned tree, in the one form that has a single reading.
"""

import io
import json
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from interlock.api.facts import Findings, Unresolved
from interlock.evidence.oci import INDEX, LAYER, MANIFEST
from interlock_sandbox.images import layer
from support import plant, signed
from support.plant import REGISTRY, Plant, digest

MODELS = f"{REGISTRY}/v2/models/press-scheduler"
REPOSITORY = "registry.example/models/press-scheduler"
Entries = list[tuple[tarfile.TarInfo, bytes]]


@pytest.fixture
def good(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Plant:
    return plant.plant(monkeypatch, tmp_path)


def entries(files: Mapping[str, bytes] = signed.FILES) -> Entries:
    found = []
    for path in sorted(files):
        info = tarfile.TarInfo(path)
        info.size, info.mode = len(files[path]), 0o444
        found.append((info, files[path]))
    return found


def packed(listed: Entries) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for info, data in listed:
            archive.addfile(info, io.BytesIO(data))
    return target.getvalue()


def link(path: str, kind: bytes, to: str) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(path)
    info.type, info.linkname, info.mode = kind, to, 0o444
    return info, b""


def published(good: Plant, layers: list[bytes], kind: str = LAYER) -> str:
    """Push a volume of these layers, and return its reference."""
    parts = [{"mediaType": kind, "digest": f"sha256:{digest(d)}", "size": len(d)} for d in layers]
    manifest = json.dumps(plant.BASE | {"layers": parts}).encode()
    good.web.says(f"{MODELS}/manifests/sha256:{digest(manifest)}", manifest, MANIFEST)
    for data in layers:
        good.web.says(f"{MODELS}/blobs/sha256:{digest(data)}", data)
    return f"{REPOSITORY}:12@sha256:{digest(manifest)}"


async def false_pins(good: Plant, volume: str) -> list[str]:
    """The pins that are false of a spec with this volume; `refused` where nothing is taken."""
    spec = good.spec()
    spec["model"]["volume"] = volume
    found = await good.findings(spec=spec)
    if isinstance(found, Unresolved):
        assert found.reason == "SourceRefused", found
        return ["refused"]
    assert isinstance(found, Findings)
    return [pin.name for pin in found.pins if not pin.true]


async def test_the_honest_volume_is_true(good: Plant) -> None:
    assert packed(entries()) == layer(signed.FILES)
    assert await false_pins(good, published(good, [packed(entries())])) == []


@pytest.mark.parametrize(
    "change",
    [
        lambda files: {**files, "z.py": b"import os"},
        lambda files: {"MLmodel": files["MLmodel"]},
        lambda files: {**files, "MLmodel": b"other"},
        lambda files: {f"code/{path}": data for path, data in files.items()},
    ],
    ids=["one-more", "one-less", "other-bytes", "other-names"],
)
async def test_another_tree_is_not_the_model(
    good: Plant, change: Callable[[Mapping[str, bytes]], Mapping[str, bytes]]
) -> None:
    volume = published(good, [packed(entries(change(signed.FILES)))])
    assert await false_pins(good, volume) == ["model.volume"]


@pytest.mark.parametrize(
    "change",
    [
        lambda found: found[::-1],
        lambda found: [*found, found[-1]],
        lambda found: [*found, link("z", tarfile.SYMTYPE, "/etc/passwd")],
        lambda found: [*found, link("z", tarfile.LNKTYPE, "MLmodel")],
        lambda found: [link(".wh.MLmodel", tarfile.REGTYPE, ""), *found],
        lambda found: [link(".wh..wh..opq", tarfile.REGTYPE, ""), *found],
        lambda found: [*found, link("z", tarfile.DIRTYPE, "")],
    ],
    ids=["order", "twice", "symlink", "hard-link", "whiteout", "opaque", "folder"],
)
async def test_another_form_is_refused(good: Plant, change: Callable[[Entries], Entries]) -> None:
    volume = published(good, [packed(change(entries()))])
    assert await false_pins(good, volume) == ["refused"]


async def test_layers_that_hide_each_other_are_refused(good: Plant) -> None:
    one = packed(entries())
    assert await false_pins(good, published(good, [one, one])) == ["refused"]
    assert await false_pins(good, published(good, [])) == ["refused"]


@pytest.mark.parametrize("kind", [f"{LAYER}+gzip", f"{LAYER}+zstd", "application/x-tar"])
async def test_a_layer_of_another_type_is_refused(good: Plant, kind: str) -> None:
    volume = published(good, [packed(entries())], kind)
    assert await false_pins(good, volume) == ["refused"]


async def test_bytes_behind_the_archive_are_refused(good: Plant) -> None:
    volume = published(good, [packed(entries()) + packed(entries({"z": b"1"}))])
    assert await false_pins(good, volume) == ["refused"]


async def test_a_different_tree_under_the_same_tag_is_not_looked_at(good: Plant) -> None:
    other = published(good, [packed(entries({"MLmodel": b"other"}))])
    body = good.web.answers[f"{MODELS}/manifests/{other.partition('@')[2]}"].body
    good.web.says(f"{MODELS}/manifests/12", body, MANIFEST)
    volume = published(good, [packed(entries())])
    assert await false_pins(good, volume) == []
    assert f"{MODELS}/manifests/12" not in good.web.asked


async def test_an_index_or_artifact_of_another_kind_is_refused(good: Plant) -> None:
    index = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": []}).encode()
    name = f"sha256:{digest(index)}"
    good.web.says(f"{MODELS}/manifests/{name}", index, INDEX)
    assert await false_pins(good, f"{REPOSITORY}@{name}") == ["refused"]
