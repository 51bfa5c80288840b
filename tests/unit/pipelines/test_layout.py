"""A copy of an image is the image that its digest names, and nothing larger than it says."""

import hashlib
import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from interlock.evidence.oci import MANIFEST
from interlock_pipelines import layout
from interlock_pipelines.errors import BadInput, Refused
from interlock_pipelines.http import Http
from interlock_pipelines.oci import Access, Manifest, Repository, describe
from interlock_pipelines.progress import nobody

CONFIG, LAYER = b'{"os": "linux"}', b"\x00" * 3000
KIND = "application/octet-stream"


def image(*layers: bytes, **changes: Any) -> Manifest:
    body = {
        "mediaType": MANIFEST,
        "config": describe(CONFIG, KIND),
        "layers": [describe(each, KIND) for each in layers],
        **changes,
    }
    content = json.dumps(body).encode()
    return Manifest(describe(content, MANIFEST), body, content)


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


class Blobs:
    """A registry's blobs, served in small pieces, and which of them were asked for."""

    def __init__(self, *blobs: bytes) -> None:
        self.blobs = {digest(each): each for each in blobs}
        self.asked: list[str] = []

    def stream(self, url: str, _: object) -> Iterator[bytes]:
        name = url.rpartition("/")[2]
        self.asked.append(name)
        content = self.blobs[name]
        yield from (content[start : start + 1000] for start in range(0, len(content), 1000))


@pytest.fixture
def blobs(monkeypatch: pytest.MonkeyPatch, server: Any) -> Blobs:
    server.handler = lambda *_: server.answer(200)
    made = Blobs(CONFIG, LAYER)
    monkeypatch.setattr(Http, "stream", made.stream)
    return made


def fetch(folder: Path, which: Manifest, told: Any = nobody) -> None:
    repository = Repository("registry.example/agents/press", Access())
    layout.fetch(repository, which, folder, told)


def test_a_copy_is_a_layout_that_all_may_read(tmp_path: Path, blobs: Blobs) -> None:
    folder, which, seen = tmp_path / "copy", image(LAYER, LAYER), list[int]()
    fetch(folder, which, seen.append)
    index = json.loads((folder / "index.json").read_text())
    assert index["manifests"] == [which.descriptor]
    for content in (CONFIG, LAYER, which.content):
        name = digest(content).removeprefix("sha256:")
        assert (folder / "blobs" / "sha256" / name).read_bytes() == content
    assert sum(seen) == layout.size(which) == len(CONFIG) + len(LAYER)
    for path in (folder, *folder.rglob("*")):
        wanted = 0o005 if path.is_dir() else 0o004
        assert stat.S_IMODE(path.stat().st_mode) & wanted == wanted


def test_what_is_there_is_not_fetched_again(tmp_path: Path, blobs: Blobs) -> None:
    fetch(tmp_path, image())
    fetch(tmp_path, image(LAYER))
    assert blobs.asked == [digest(CONFIG), digest(LAYER)]


@pytest.mark.parametrize("served", [LAYER[:-1] + b"\x01", LAYER[:-1], LAYER + b"\x00", b""])
def test_other_bytes_take_no_name(tmp_path: Path, blobs: Blobs, served: bytes) -> None:
    blobs.blobs[digest(LAYER)] = served
    with pytest.raises(Refused, match="served other bytes"):
        fetch(tmp_path, image(LAYER))
    assert not (tmp_path / "blobs" / "sha256" / digest(LAYER).removeprefix("sha256:")).exists()
    assert not (tmp_path / "index.json").exists()


def test_an_endless_blob_is_not_read_to_its_end(tmp_path: Path, blobs: Blobs) -> None:
    blobs.blobs[digest(LAYER)] = LAYER * 1000
    with pytest.raises(Refused, match="served other bytes"):
        fetch(tmp_path, image(LAYER))
    (draft,) = tmp_path.rglob("*.part")
    assert draft.stat().st_size <= len(LAYER)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"layers": None}, "no list of at most 256 layers"),
        ({"layers": [describe(b"", KIND)] * 257}, "no list of at most 256 layers"),
        ({"layers": [7]}, "expected a descriptor"),
        ({"layers": [{"digest": "sha256:../../etc", "size": 1}]}, "expected a descriptor"),
        ({"layers": [{"digest": digest(b""), "size": -1}]}, "expected a descriptor"),
        ({"layers": [{"digest": digest(b""), "size": 1 << 40}]}, "are scanned"),
        ({"config": None}, "expected a descriptor"),
    ],
)
def test_a_hostile_manifest_is_refused(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        fetch(tmp_path, image(**changes))
