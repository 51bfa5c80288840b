"""Things that a claim names by digest: a suite of tests, a set of data, a file of parameters.

Each is given as a path, which is hashed here, or as `NAME=sha256:…` where somebody else hashed it.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from interlock.evidence.http import shown
from interlock_pipelines.errors import BadInput
from interlock_pipelines.tree import read_file, read_tree

_NAMED = re.compile(r"([^=]{1,256})=sha256:([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Material:
    """A name for people, and the SHA-256 that counts (64 hex digits)."""

    name: str
    sha256: str

    def descriptor(self) -> dict[str, Any]:
        """Return it as an in-toto ResourceDescriptor."""
        return {"name": self.name, "digest": {"sha256": self.sha256}}


def material(text: str) -> Material:
    """Return what a path or `NAME=sha256:…` names. Raises BadInput.

    The digest of a folder is the tree digest of its files, counted as a model's.
    """
    if found := _NAMED.fullmatch(text):
        return Material(found[1], found[2])
    path = Path(text)
    if path.is_dir():
        return Material(path.resolve().name, read_tree(path).digest.removeprefix("sha256:"))
    if path.is_file():
        return Material(path.name, read_file(path).sha256)
    raise BadInput(
        f"{shown(text, 200)!r} is no file or folder, and no NAME=sha256:… with 64 hex digits."
    )


def materials(several: Iterable[str]) -> tuple[Material, ...]:
    """Return several, each digest once, in order of their digests. Raises BadInput."""
    found = {each.sha256: each for each in map(material, several)}
    return tuple(found[digest] for digest in sorted(found))
