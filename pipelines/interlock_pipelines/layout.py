"""An image of a registry as an OCI image layout on disk, for a scanner that has no network.

What the scanner reads is what the digest names: every blob is hashed while it is fetched, and none
takes its name before all of it was right. So a fetch that broke off goes on with the next blob.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path

from interlock.evidence.http import shown
from interlock.evidence.oci import INDEX
from interlock_pipelines.errors import BadInput
from interlock_pipelines.oci import Descriptor, Manifest, Repository
from interlock_pipelines.progress import Told

MAX_LAYERS = 256
MAX_IMAGE_BYTES = 64 * 1024**3
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_LAYOUT = b'{"imageLayoutVersion":"1.0.0"}'
_FOR_ALL_FOLDER, _FOR_ALL = 0o755, 0o644


def size(image: Manifest) -> int:
    """Return how many bytes an image has, as its manifest says. Raises BadInput."""
    return sum(int(each["size"]) for each in _parts(image))


def fetch(repository: Repository, image: Manifest, folder: Path, told: Told) -> None:
    """Make `folder` the layout of an image; all may read it. Raises PipelineError."""
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True, exist_ok=True)
    for each in (folder, folder / "blobs", blobs):
        each.chmod(_FOR_ALL_FOLDER)
    for part in _parts(image):
        _fetch(repository, part, blobs, told)
    _write(blobs / image.hex, image.content)
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [image.descriptor]}
    _write(folder / "index.json", json.dumps(index).encode())
    _write(folder / "oci-layout", _LAYOUT)


def _fetch(repository: Repository, part: Descriptor, blobs: Path, told: Told) -> None:
    place = blobs / str(part["digest"]).removeprefix("sha256:")
    if place.exists():
        told(int(part["size"]))
        return
    draft = place.with_suffix(".part")
    with draft.open("wb") as file:
        for chunk in repository.pull(part):
            file.write(chunk)
            told(len(chunk))
    draft.chmod(_FOR_ALL)
    draft.rename(place)


def _write(place: Path, content: bytes) -> None:
    place.write_bytes(content)
    place.chmod(_FOR_ALL)


def _parts(image: Manifest) -> list[Descriptor]:
    """Return config and layers, each once. Raises BadInput for what is no image, or endless."""
    layers = image.body.get("layers")
    if not isinstance(layers, list) or len(layers) > MAX_LAYERS:
        raise BadInput(
            f"The image {image.descriptor['digest']} has no list of at most {MAX_LAYERS} layers."
        )
    parts = {each["digest"]: each for each in map(_part, [image.body.get("config"), *layers])}
    total = sum(int(each["size"]) for each in parts.values())
    if total > MAX_IMAGE_BYTES:
        raise BadInput(
            f"The image {image.descriptor['digest']} has {total} bytes, at most {MAX_IMAGE_BYTES} "
            "are scanned."
        )
    return list(parts.values())


def _part(value: object) -> Descriptor:
    entry = value if isinstance(value, Mapping) else {}
    digest, length = entry.get("digest"), entry.get("size")
    if (
        not isinstance(digest, str)
        or not _DIGEST.fullmatch(digest)
        or not isinstance(length, int)
        or length < 0
    ):
        raise BadInput(
            f"The manifest names {shown(str(value), 120)}, expected a descriptor with SHA-256 "
            "digest and size."
        )
    return dict(entry)
