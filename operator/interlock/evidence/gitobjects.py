"""The words of git that the rest of the evidence speaks: trees, commits, and what is refused.

Pure: parsing of git's plumbing output and checks of the ids that are handed to git.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from interlock.api.digests import short
from interlock.evidence.http import SourceRefused, SourceUnavailable, shown

_COMMIT = re.compile(r"[0-9a-f]{40}")
_REGULAR = frozenset({"100644", "100755"})


class GitUnavailable(SourceUnavailable):
    """The git server, or git itself, did not answer in time; ask again later."""


class GitRefused(SourceRefused):
    """What was asked for, or what was answered, is not acceptable; asking again changes nothing."""


@dataclass(frozen=True, slots=True)
class TreeEntry:
    """One entry of a tree, its name relative to the tree that was asked for."""

    mode: str
    name: str
    sha: str
    size: int

    @property
    def regular(self) -> bool:
        """Whether it is a plain file: no folder, symbolic link or submodule."""
        return self.mode in _REGULAR


@dataclass(frozen=True, slots=True)
class CommitInfo:
    """A commit and its raw bytes, over which its signature is made."""

    id: str
    raw: bytes


def entry(line: bytes) -> TreeEntry:
    """Return one record of `git ls-tree -z -l`."""
    head, _, name = line.partition(b"\t")
    mode, _, sha, size = head.decode().split()
    number = int(size) if size.isdigit() else 0
    return TreeEntry(mode, name.decode("utf-8", "backslashreplace"), sha, number)


def objects(ids: Sequence[str], batch: bytes, kind: str) -> list[bytes]:
    """Return the objects that `git cat-file --batch` printed for `ids`. Raises GitRefused."""
    found: list[bytes] = []
    at = 0
    for sha in ids:
        end = batch.find(b"\n", at)
        head = batch[at : max(end, at)]
        if not head.startswith(f"{sha} {kind} ".encode()):
            raise GitRefused(f"{short(sha)} is not a {kind} but {head[:80]!r}")
        size = int(head.split()[2])
        found.append(batch[end + 1 : end + 1 + size])
        at = end + size + 2
    return found


def check_commit(commit: str) -> None:
    """Raise GitRefused unless `commit` is a full commit id."""
    if not _COMMIT.fullmatch(commit):
        raise GitRefused(f"{shown(commit, 80)} is no commit id of 40 hex digits")
