"""The words of git that the rest of the evidence speaks: trees, commits, refs, and what is refused.

Pure: parsing of git's plumbing output and checks of the names that are handed to git.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from interlock.api.digests import short
from interlock.evidence.http import SourceRefused, SourceUnavailable, shown

_COMMIT = re.compile(r"[0-9a-f]{40}")
_REF = re.compile(r"refs/[A-Za-z0-9][A-Za-z0-9._/-]{0,250}")
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


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a fetch found. A ref that did not continue its old tip keeps it, and is named here."""

    tips: Mapping[str, str | None]
    """Local ref to commit, None where neither side has it."""
    refused: Mapping[str, str] = field(default_factory=dict)
    """Local ref to a sentence that says why its new tip was not taken."""


def entry(line: bytes) -> TreeEntry:
    """Return one record of `git ls-tree -z -l`."""
    head, _, name = line.partition(b"\t")
    mode, _, sha, size = head.decode().split()
    number = int(size) if size.isdigit() else 0
    return TreeEntry(mode, name.decode("utf-8", "backslashreplace"), sha, number)


def commits(ids: Sequence[str], batch: bytes) -> list[CommitInfo]:
    """Return the commits that `git cat-file --batch` printed for `ids`. Raises GitRefused."""
    found: list[CommitInfo] = []
    for commit in ids:
        head, _, rest = batch.partition(b"\n")
        if not head.startswith(f"{commit} commit ".encode()):
            raise GitRefused(f"{short(commit)} is not a commit but {head[:80]!r}")
        size = int(head.split()[2])
        found.append(CommitInfo(commit, rest[:size]))
        batch = rest[size + 1 :]
    return found


def check_ref(ref: str) -> None:
    """Raise GitRefused unless `ref` is a full ref name that no option and no glob can be."""
    if not _REF.fullmatch(ref) or ".." in ref or "//" in ref or ref.endswith(("/", ".", ".lock")):
        raise GitRefused(f"{shown(ref, 200)} is no full ref name such as refs/heads/main")


def check_commit(commit: str) -> None:
    """Raise GitRefused unless `commit` is a full commit id."""
    if not _COMMIT.fullmatch(commit):
        raise GitRefused(f"{shown(commit, 80)} is no commit id of 40 hex digits")


def check_url(url: str, allow_file: bool) -> None:
    """Raise GitRefused unless `url` is plain HTTPS (or, in tests, a local path)."""
    allowed = ("https://", "file:///") if allow_file else ("https://",)
    if not url.startswith(allowed) or "::" in url or not url.isprintable() or " " in url:
        raise GitRefused(f"the URL {shown(url, 200)} is not of the form https://host/path")
    if "@" in urlsplit(url).netloc:
        raise GitRefused("the URL carries a user name; give a tokenFile instead")
