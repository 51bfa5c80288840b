"""Images are made from bytes, and the same bytes make the same image."""

import io
import json
import tarfile
from typing import Any

from interlock_sandbox import images

FILES = {"pause": b"\x7fELF"}
ENTRY = {"Entrypoint": ["/pause"]}


def unpacked(archive: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return {
            entry.name: file.read()
            for entry in tar.getmembers()
            if (file := tar.extractfile(entry))
        }


def blob(files: dict[str, bytes], described: dict[str, Any]) -> bytes:
    content = files["blobs/" + described["digest"].replace(":", "/")]
    assert images.digest(content) == described["digest"]
    assert len(content) == described["size"]
    return content


def test_an_archive_names_its_image_and_holds_all_that_it_names() -> None:
    files = unpacked(images.archive("docker.io/local/pause:1", FILES, ENTRY))
    assert json.loads(files["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    [entry] = json.loads(files["index.json"])["manifests"]
    assert entry["annotations"] == {"io.containerd.image.name": "docker.io/local/pause:1"}
    manifest = json.loads(blob(files, entry))
    about = json.loads(blob(files, manifest["config"]))
    assert about["config"] == ENTRY
    layer = blob(files, manifest["layers"][0])
    assert about["rootfs"]["diff_ids"] == [images.digest(layer)]
    assert unpacked(layer) == FILES


def test_the_programs_of_an_archive_can_be_started() -> None:
    files = unpacked(images.archive("local/pause:1", FILES, ENTRY))
    [entry] = json.loads(files["index.json"])["manifests"]
    layer = blob(files, json.loads(blob(files, entry))["layers"][0])
    with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
        assert tar.getmember("pause").mode == 0o555


def test_the_same_files_make_the_same_archive() -> None:
    assert images.archive("a", FILES, ENTRY) == images.archive("a", dict(FILES), ENTRY)
