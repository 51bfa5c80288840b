"""What the formats of a bill of materials have in common: items, and what they amount to.

A bill of materials is mostly text that nobody checks. What can be checked is kept: how much of it
names a package and its version, which digests it is about, and whether it lists the model's files.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote

from interlock.api.facts import MAX_FILES_NAMED
from interlock.api.proofs import MAX_NAMED, Sbom
from interlock.evidence.http import shown
from interlock.evidence.predicates.base import Told
from interlock.evidence.statement import Refused

MAX_ITEMS = 50_000
_SHA256 = re.compile(r"[0-9a-f]{64}")
_MARK = "sha256:"
_PURL = re.compile(r"pkg:[A-Za-z][A-Za-z0-9.+-]*/.*[^/@]@[^/@]+")


@dataclass(frozen=True, slots=True)
class Item:
    """One entry of a bill of materials, whatever the format calls it."""

    kind: Literal["package", "model", "other"]
    purls: tuple[str, ...] = ()
    version: str = ""
    sha256: frozenset[str] = frozenset()
    root: bool = False
    """Whether it is what the document is about."""


def canonical(digest: str) -> str:
    """Return a SHA-256 as 64 lower-case hex digits. Raises Refused for any other text."""
    if not _SHA256.fullmatch(digest):
        expected = "a SHA-256 of 64 lower-case hex digits"
        raise Refused("BadPredicate", repr(shown(digest, 80)), expected)
    return digest


def summary(
    form: Literal["CycloneDX", "SPDX"], version: str, items: Sequence[Item], told: Told
) -> Sbom:
    """Return what a bill of materials amounts to. Raises Refused for one that is too large."""
    if len(items) > MAX_ITEMS:
        raise Refused("BadPredicate", f"{len(items)} components", f"at most {MAX_ITEMS}")
    parts = [item for item in items if not item.root]
    packages = [item for item in parts if item.kind == "package"]
    listed = {digest for item in items for digest in item.sha256}
    unlisted = sorted(file.path for file in told.files if file.sha256 not in listed)
    return Sbom(
        format=form,
        version=version,
        components=len(parts),
        unidentified=sum(not _identified(item) for item in packages),
        describes=_few(digest for item in items if _is_subject(item) for digest in _named(item)),
        models=_few(digest for item in items if item.kind == "model" for digest in item.sha256),
        unlisted=len(unlisted),
        unlisted_files=[shown(path) for path in unlisted[:MAX_FILES_NAMED]],
    )


def _identified(item: Item) -> bool:
    """Whether a package URL names the package and its version."""
    return any(_PURL.fullmatch(_bare(purl)) for purl in item.purls)


def _is_subject(item: Item) -> bool:
    """Whether its digests must be the image's. A model is many files, each with its own."""
    return item.root and item.kind != "model"


def _bare(purl: str) -> str:
    return purl.partition("#")[0].partition("?")[0]


def _named(item: Item) -> frozenset[str]:
    """Return each SHA-256 that the document's own subject is given: hash, version, package URL."""
    versions = (item.version, *(unquote(_bare(purl).rpartition("@")[2]) for purl in item.purls))
    marked = {text.removeprefix(_MARK) for text in versions if text.startswith(_MARK)}
    return item.sha256 | {canonical(digest) for digest in marked}


def _few(digests: Iterable[str]) -> list[str]:
    found = sorted(set(digests))
    if len(found) > MAX_NAMED:
        got, expected = f"{len(found)} digests of subjects or models", f"at most {MAX_NAMED}"
        raise Refused("BadPredicate", got, expected)
    return found
