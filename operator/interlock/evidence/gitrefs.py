"""What a ref may become: pure words of the fetch, which git carries out in `git.py`.

A server can move a branch back, delete it, or show each reader another one. Whoever saw a tip
holds the server to it: what comes later continues it, or is refused and said aloud. What others
saw (`Seen`) counts like our own, because a mirror is a cache and may be new.
"""

import re
from collections.abc import Collection, Container, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from interlock.api.digests import short
from interlock.evidence.gitobjects import GitRefused
from interlock.evidence.http import shown

APPROVALS = "refs/approvals/"
"""Refs below here may only gain files; all other refs may only move forward."""
TIP_FORMAT = "%(refname) %(objecttype) %(objectname) %(*objecttype) %(*objectname)"
"""What `git for-each-ref` prints for `tips`; the starred are what an annotated tag is about."""

_REF = re.compile(r"refs/[A-Za-z0-9][A-Za-z0-9._/-]{0,250}")
_OBJECT = re.compile(rb"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a fetch found. A ref that did not continue its old tip keeps it, and is named here."""

    tips: Mapping[str, str | None]
    """Local ref to commit, None where neither side has it."""
    refused: Mapping[str, str] = field(default_factory=dict)
    """Local ref to a sentence that says why its new tip was not taken."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What somebody remembers of a repository, who forgets later than a mirror."""

    tips: Mapping[str, str] = field(default_factory=dict)
    """Local ref to the commit that it was at."""
    rewritten: Collection[str] = ()
    """Commits that may be taken though they continue nothing: a person named them."""

    def moved(self, ref: str, new: str, old: str) -> str:
        """Say that a ref does not continue what was seen."""
        return f"{ref} was moved to {short(new)}, which does not continue it; {_kept(old)}"

    def gone(self, ref: str, old: str) -> str:
        """Say that a ref is no longer there."""
        return f"{ref} is gone from the server; {_kept(old)}"


NOTHING_SEEN = Seen()


def _kept(old: str) -> str:
    return f"commit {short(old)}, seen before, stays in force"


def remote_refs(listing: bytes, wanted: Container[str]) -> dict[str, str]:
    """Return name to object of what was asked for, of all that `git ls-remote` printed."""
    found: dict[str, str] = {}
    for line in listing.splitlines():
        sha, _, name = line.partition(b"\t")
        ref = name.decode("utf-8", "replace")
        if ref in wanted and _OBJECT.fullmatch(sha):
            found[ref] = sha.decode()
    return found


def tips(listing: bytes, plain: Container[str] = ()) -> dict[str, str]:
    """Return ref to commit of what `git for-each-ref` printed; others than commits are left out.

    Of refs that are to be `plain`, so are tags of commits: who adds to a ref adds to a commit.
    """
    found: dict[str, str] = {}
    for line in listing.decode().splitlines():
        ref, *described = line.split(" ")
        pairs = zip(described[::2], described[1::2], strict=False)
        for kind, sha in [*pairs][: 1 if ref in plain else 2]:
            if kind == "commit":
                found[ref] = sha
    return found


def update(ref: str, new: str, old: str | None) -> str:
    """Return what `git update-ref --stdin -z` reads to move a ref, if it is still at `old`."""
    return f"update {ref}\0{new}\0{old or '0' * 40}\0"


def removal(ref: str) -> str:
    """Return what `git update-ref --stdin -z` reads to delete a ref."""
    return f"delete {ref}\0\0"


def check_ref(ref: str) -> None:
    """Raise GitRefused unless `ref` is a full ref name that no option and no glob can be."""
    parts = ref.split("/")
    odd = any(not part or part.startswith(".") or part.endswith((".", ".lock")) for part in parts)
    if not _REF.fullmatch(ref) or odd or ".." in ref:
        raise GitRefused(f"{shown(ref, 200)} is no full ref name such as refs/heads/main")


def check_url(url: str, allow_file: bool) -> None:
    """Raise GitRefused unless `url` is plain HTTPS (or, in tests, a local path)."""
    if url.startswith("ssh://"):
        raise GitRefused(
            f"the URL {shown(url, 200)} is for git over SSH, which is not built; use https:// "
            "with a tokenFile"
        )
    allowed = ("https://", "file:///") if allow_file else ("https://",)
    if not url.startswith(allowed) or "::" in url or not url.isprintable() or " " in url:
        raise GitRefused(f"the URL {shown(url, 200)} is not of the form https://host/path")
    if "@" in urlsplit(url).netloc:
        raise GitRefused("the URL carries a user name; give a tokenFile instead")
