"""A model's tree as an OCI image of one layer, which the pod mounts as it was verified.

The same files give the same digest on every machine: paths in byte order, no times, no owners,
mode 0444, no compression. The headers are made by the code that will check them.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from interlock.evidence.layer import BLOCK, header
from interlock.evidence.oci import LAYER, MANIFEST
from interlock_pipelines.oci import Descriptor, Repository, canonical, describe, descriptor
from interlock_pipelines.tree import Tree

CONFIG = "application/vnd.oci.image.config.v1+json"
_PLATFORM = {"architecture": "amd64", "os": "linux"}
"""Container runtimes refuse an image without a platform, although files have none."""


@dataclass(frozen=True, slots=True)
class Volume:
    """A model's tree in an OCI repository."""

    repository: Repository
    manifest: Mapping[str, object]
    reference: str
    """What `model.volume` pins."""

    def tag(self, name: str) -> None:
        """Give it a name: what has none, registries clean away. Raises PipelineError."""
        self.repository.push_manifest(self.manifest, name)


def layer(tree: Tree) -> Iterator[bytes]:
    """Yield the layer's bytes; the files are read as it goes."""
    for file in tree.files:
        yield header(file.path, file.size)
        yield from tree.chunks(file)
        yield bytes(-file.size % BLOCK)
    yield bytes(2 * BLOCK)


def layer_descriptor(tree: Tree) -> Descriptor:
    """Return the descriptor of the layer, without keeping its bytes."""
    digest, size = hashlib.sha256(), 0
    for chunk in layer(tree):
        digest.update(chunk)
        size += len(chunk)
    return descriptor(f"sha256:{digest.hexdigest()}", size, LAYER)


@dataclass(frozen=True, slots=True)
class Packed:
    """What a volume would be: known before anything is sent."""

    layer: Descriptor
    config: bytes
    manifest: Mapping[str, object]
    digest: str
    """Of the manifest, `sha256:…`."""


def pack(tree: Tree) -> Packed:
    """Return what the volume of a tree is; the files are read once for it."""
    packed = layer_descriptor(tree)
    rootfs = {"type": "layers", "diff_ids": [packed["digest"]]}
    config = json.dumps({**_PLATFORM, "config": {}, "rootfs": rootfs}, sort_keys=True).encode()
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": describe(config, CONFIG),
        "layers": [packed],
    }
    return Packed(packed, config, manifest, describe(canonical(manifest), MANIFEST)["digest"])


def push_volume(tree: Tree, repository: Repository) -> Volume:
    """Push a tree. Raises PipelineError."""
    packed = pack(tree)
    repository.push(packed.layer, lambda: layer(tree))
    repository.push_bytes(packed.config, CONFIG)
    repository.push_manifest(packed.manifest)
    return Volume(repository, packed.manifest, f"{repository.name}@{packed.digest}")
