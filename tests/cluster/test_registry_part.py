"""The sandbox's OCI registry, and the small images that tests and the demo push to it."""

import json
import tarfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest

from interlock_sandbox.images import LAYER, MANIFEST, digest, layer, push_blob, push_image
from interlock_sandbox.registry import Registry
from support.parts import running

FILES = {"weights.bin": b"\x00\x01", "MLmodel": b"flavors: {}\n", "data/a.json": b"{}"}


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running(Registry(), tmp_path_factory.mktemp("sandbox")) as outputs:
        yield outputs["registry"]


def get(registry: str, path: str, accept: str = "*/*") -> bytes:
    request = urllib.request.Request(f"http://{registry}/v2/{path}", headers={"Accept": accept})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=10) as answer:
        return bytes(answer.read())


def test_a_pushed_image_is_pulled_by_digest(registry: str) -> None:
    name = push_image(registry, "models/press", FILES, {"Cmd": ["/serve"]}, tag="1")

    content = get(registry, f"models/press/manifests/{name}", MANIFEST)
    assert digest(content) == name
    assert get(registry, "models/press/manifests/1", MANIFEST) == content
    manifest = json.loads(content)
    (part,) = manifest["layers"]
    packed = get(registry, f"models/press/blobs/{part['digest']}")
    config = json.loads(get(registry, f"models/press/blobs/{manifest['config']['digest']}"))
    assert (part["digest"], part["size"]) == (digest(packed), len(packed))
    assert config["rootfs"]["diff_ids"] == [digest(packed)]
    assert config["config"] == {"Cmd": ["/serve"]}
    with tarfile.open(fileobj=BytesIO(packed)) as archive:
        unpacked = {entry.name: archive.extractfile(entry) for entry in archive}
        assert {name: file.read() for name, file in unpacked.items() if file} == FILES


def test_the_same_files_give_the_same_bytes() -> None:
    assert layer(FILES) == layer(dict(reversed(FILES.items())))
    with tarfile.open(fileobj=BytesIO(layer(FILES))) as archive:
        entries = list(archive)
    assert [entry.name for entry in entries] == sorted(FILES)
    assert {(e.mode, e.mtime, e.uid, e.gid, e.uname, e.gname) for e in entries} == {
        (0o444, 0, 0, 0, "", "")
    }


def test_pushing_again_changes_nothing(registry: str) -> None:
    assert push_image(registry, "again", FILES) == push_image(registry, "again", FILES)


def test_a_long_path_survives(registry: str) -> None:
    path = "/".join(["d" * 60] * 5)
    with tarfile.open(fileobj=BytesIO(layer({path: b"x"}))) as archive:
        assert archive.getnames() == [path]


def test_what_was_not_pushed_is_not_there(registry: str) -> None:
    push_blob(registry, "one", b"x", LAYER)
    with pytest.raises(urllib.error.HTTPError, match="404"):
        get(registry, f"other/blobs/{digest(b'x')}")


def test_an_image_can_be_taken_away(registry: str, tmp_path: Path) -> None:
    name = push_image(registry, "gone", FILES)
    url = f"http://{registry}/v2/gone/manifests/{name}"
    request = urllib.request.Request(url, method="DELETE")
    urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request).close()
    with pytest.raises(urllib.error.HTTPError, match="404"):
        get(registry, f"gone/manifests/{name}", MANIFEST)
