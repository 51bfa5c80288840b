"""The volume's layer is what the operator's own reader takes, and always the same bytes."""

import hashlib
import os
import tarfile
from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path

from interlock.evidence.layer import read_layer
from interlock_pipelines import volume
from interlock_pipelines.tree import read_tree


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def test_the_operator_reads_the_same_tree(model: Path) -> None:
    tree = read_tree(model)
    blob = volume.layer_descriptor(tree)
    packed = b"".join(volume.layer(tree))
    assert blob["digest"] == f"sha256:{hashlib.sha256(packed).hexdigest()}"
    assert blob["size"] == len(packed)
    found = await read_layer(_once(packed), blob["digest"], blob["size"], "test")
    assert tuple(found) == tree.files


def test_owners_times_and_modes_leave_no_trace(model: Path) -> None:
    before = b"".join(volume.layer(read_tree(model)))
    os.utime(model / "a.json", (1, 1))
    (model / "a.json").chmod(0o700)
    assert b"".join(volume.layer(read_tree(model))) == before
    with tarfile.open(fileobj=BytesIO(before)) as archive:
        said = [(e.name, e.mode, e.uid, e.gid, e.mtime, e.isreg()) for e in archive]
    assert said == [("a.json", 0o444, 0, 0, 0, True), ("a/weights.bin", 0o444, 0, 0, 0, True)]
