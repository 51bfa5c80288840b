"""Reads the approvals of one content from git: each a signed statement in a file of its own.

`refs/approvals/<content>` holds a flat tree of files. File names, authors and committers there
prove nothing and are ignored; only what was signed in our own namespace, or with an identity,
counts. A file that is anything else is denied with its reason, and the others are still read.
"""

import asyncio
from collections.abc import Mapping

from interlock.api import digests
from interlock.api.facts import Approval, Denied
from interlock.evidence import git
from interlock.evidence.approvalfile import (
    FORGE_NAMESPACE,
    MAX_BYTES,
    NAMESPACE,
    Proofs,
    pae,
    parse,
)
from interlock.evidence.git import GitRefused, Mirror, TreeEntry
from interlock.evidence.http import shown
from interlock.evidence.statement import Refused

__all__ = [
    "FORGE_NAMESPACE",
    "MAX_BYTES",
    "MAX_FILES",
    "NAMESPACE",
    "Proofs",
    "pae",
    "parse",
    "read",
    "ref_of",
]

MAX_FILES = 64


def ref_of(content: str) -> str:
    """Return the ref that holds the approvals of a content digest (64 hex)."""
    return f"{git.APPROVALS}{content}"


async def read(mirror: Mirror, content: str, proofs: Proofs) -> tuple[list[Approval], list[Denied]]:
    """Return the approvals of `content` whose signatures hold, and what was denied.

    Reads the mirror's own `ref_of(content)`; fetching it is the caller's business.
    """
    tip = await mirror.tip(ref_of(content))
    if tip is None:
        return [], []
    try:
        entries = await mirror.tree(tip)
        if len(entries) > MAX_FILES:
            raise GitRefused(f"{len(entries)} files, at most {MAX_FILES}")
    except GitRefused as error:
        refused = Refused("TooMany", str(error), f"a flat tree of at most {MAX_FILES} files")
        return [], [_denied(tip.encode(), ref_of(content), refused)]
    return await _all(mirror, content, entries, proofs)


async def _all(
    mirror: Mirror, content: str, entries: list[TreeEntry], proofs: Proofs
) -> tuple[list[Approval], list[Denied]]:
    files = [entry for entry in entries if _unfit(entry) is None]
    blobs = dict(zip(files, await mirror.blobs(files, MAX_BYTES), strict=True))
    # Milliseconds of arithmetic for a bundle: other jobs wait for none of it.
    found = await asyncio.to_thread(lambda: [_one(e, blobs, content, proofs) for e in entries])
    approvals = {one.envelope: one for one in found if isinstance(one, Approval)}
    denied = [one for one in found if isinstance(one, Denied)]
    ordered = sorted(denied, key=lambda item: (item.bundle, item.location))
    return [approvals[key] for key in sorted(approvals)], ordered


def _one(
    entry: TreeEntry, blobs: Mapping[TreeEntry, bytes | GitRefused], content: str, proofs: Proofs
) -> Approval | Denied:
    data: bytes = f"{entry.mode} {entry.sha}".encode()
    try:
        if unfit := _unfit(entry):
            raise unfit
        blob = blobs[entry]
        if isinstance(blob, GitRefused):
            raise Refused("NotAFile", str(blob), "a plain file")
        data = blob
        return parse(data, content, proofs)
    except Refused as refused:
        return _denied(data, f"{ref_of(content)}:{shown(entry.name, 128)}", refused)


def _unfit(entry: TreeEntry) -> Refused | None:
    if entry.mode != "100644":
        return Refused("NotAFile", f"mode {entry.mode}", "a plain file, mode 100644")
    if entry.size > MAX_BYTES:
        return Refused("TooLarge", f"{entry.size} bytes", f"at most {MAX_BYTES} bytes")
    return None


def _denied(data: bytes, location: str, why: Refused) -> Denied:
    return Denied(
        bundle=digests.sha256(data),
        location=location,
        code=why.code,
        got=why.got,
        expected=why.expected,
    )
