"""Verifies the governance repository: a TUF repository (The Update Framework) that lies in git.

Git says where the bytes are, TUF says whether they count: who may sign what, that nothing old is
shown as new, that nothing is mixed, and until when it holds. `tuf.ngclient` does the judging; its
fetcher is given the files of one commit, and its cache is seeded with what was last verified, so
that an older policy or revocation list is refused even by a process that has just started.
"""

import asyncio
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from tuf.api.exceptions import (
    BadVersionNumberError,
    DownloadError,
    DownloadHTTPError,
    ExpiredMetadataError,
    LengthOrHashMismatchError,
    RepositoryError,
    UnsignedMetadataError,
)
from tuf.api.metadata import Metadata
from tuf.ngclient.config import UpdaterConfig
from tuf.ngclient.fetcher import FetcherInterface
from tuf.ngclient.updater import Updater

from interlock.evidence.git import Mirror, TreeEntry
from interlock.evidence.http import shown
from interlock.policy.parse import MAX_TARGET, REVOCATIONS

ROLES = ("root", "timestamp", "snapshot", "targets", "revocations")
METADATA_FOLDER = "metadata/"
TARGETS_FOLDER = "targets/"
MAX_TARGETS = 16
MAX_METADATA = 256 * 1024
"""Bytes of one metadata file."""
MAX_ROTATIONS = 64
"""New roots that one refresh follows."""

_CACHED = re.compile(
    r"(?:[1-9][0-9]{0,6}\.)?root\.json|(?:timestamp|snapshot|targets|revocations)\.json"
)
_TARGET = re.compile(r"[a-z][a-z_-]{0,62}\.(?:yaml|json)")
_NOT_FOUND = 404

Read = Callable[[str], bytes]
"""Returns the bytes of a path such as `metadata/1.root.json`; FileNotFoundError where none is."""


class GovernanceRefused(Exception):
    """What the repository shows is not what governance signed. The message says what and where."""


class GovernanceStale(GovernanceRefused):
    """The signatures hold and their time is over: what was verified last stays in force."""


@dataclass(frozen=True, slots=True)
class Governed:
    """One verified state of governance."""

    versions: dict[str, int]
    """Role to version."""
    expires: datetime
    """When the first of the roles expires."""
    targets: dict[str, bytes]
    metadata: dict[str, bytes]
    """All metadata files; given to the next `load`, they are what nothing older may follow."""


async def fetch(
    mirror: Mirror, commit: str, bootstrap: bytes, last_good: Mapping[str, bytes] | None = None
) -> Governed:
    """Return the governance at a commit of a mirror.

    Raises GovernanceRefused, GovernanceStale, and what reading the mirror raises.
    """
    there = {entry.name: entry for entry in await mirror.tree(commit, recursive=True)}
    read = _reader(mirror, there, asyncio.get_running_loop())
    return await asyncio.to_thread(load, read, bootstrap, last_good)


def _reader(
    mirror: Mirror, there: Mapping[str, TreeEntry], loop: asyncio.AbstractEventLoop
) -> Read:
    def read(path: str) -> bytes:
        if path not in there:
            raise FileNotFoundError(path)
        return asyncio.run_coroutine_threadsafe(mirror.blob(there[path]), loop).result()

    return read


def load(read: Read, bootstrap: bytes, last_good: Mapping[str, bytes] | None = None) -> Governed:
    """Return the governance that `read` shows, verified from the root file `bootstrap` on.

    Raises GovernanceRefused, GovernanceStale, and what `read` raises.
    """
    with tempfile.TemporaryDirectory(prefix="interlock-governance-") as folder:
        cache = Path(folder)
        _seed(cache, last_good or {})
        try:
            return _refreshed(cache, _Fetcher(read), bootstrap)
        except ExpiredMetadataError as error:
            raise GovernanceStale(
                f"governance: {shown(str(error))}; what was verified before stays in force, and "
                "nothing is promoted. Sign it again with `interlock governance sign`."
            ) from None
        except (RepositoryError, DownloadError) as error:
            if isinstance(error, DownloadError) and error.__cause__ is not None:
                raise error.__cause__ from None  # the reader's own words, not TUF's
            raise GovernanceRefused(f"governance: {_sentence(error)}") from None


class _Fetcher(FetcherInterface):
    """Answers TUF's requests with files of the repository; a path is its own URL."""

    def __init__(self, read: Read) -> None:
        self._read = read

    def _fetch(self, url: str) -> Iterator[bytes]:
        try:
            return iter((self._read(url),))
        except FileNotFoundError:
            raise DownloadHTTPError(f"there is no file {url}", _NOT_FOUND) from None


def _seed(cache: Path, last_good: Mapping[str, bytes]) -> None:
    (cache / "root_history").mkdir()
    for name, data in last_good.items():
        if not _CACHED.fullmatch(name):
            raise GovernanceRefused(f"governance: {shown(name)} is no name of a metadata file")
        folder = "root_history" if "root" in name else "."
        (cache / folder / name).write_bytes(data)


def _refreshed(cache: Path, fetcher: _Fetcher, bootstrap: bytes) -> Governed:
    config = UpdaterConfig(
        max_root_rotations=MAX_ROTATIONS,
        max_delegations=2,
        root_max_length=MAX_METADATA,
        snapshot_max_length=MAX_METADATA,
        targets_max_length=MAX_METADATA,
    )
    updater = Updater(
        metadata_dir=str(cache),
        metadata_base_url=METADATA_FOLDER,
        target_dir=str(cache),
        target_base_url=TARGETS_FOLDER,
        fetcher=fetcher,
        config=config,
        bootstrap=bootstrap,
    )
    updater.refresh()
    names = _names(cache)
    targets = {name: _target(updater, name, cache / "target") for name in names}
    signed: dict[str, Any] = {role: _signed(cache, role) for role in ROLES}
    return Governed(
        versions={role: signed[role].version for role in ROLES},
        expires=min(each.expires for each in signed.values()),
        targets=targets,
        metadata=_metadata(cache),
    )


def _names(cache: Path) -> list[str]:
    """Return the targets to read: all that the role `targets` lists, and the revocations.

    TUF would take a revocation list from `targets` before it asks the role that owns it.
    """
    listed = _signed(cache, "targets").targets
    if REVOCATIONS in listed:
        raise RepositoryError(f"the role targets signs {REVOCATIONS}, the role revocations owns it")
    if len(listed) > MAX_TARGETS:
        raise RepositoryError(f"{len(listed)} targets are listed, at most {MAX_TARGETS}")
    for name in listed:
        if not _TARGET.fullmatch(name):
            raise RepositoryError(f"{shown(name)} is no name of a target")
    return [*sorted(listed), REVOCATIONS]


def _target(updater: Updater, name: str, file: Path) -> bytes:
    info = updater.get_targetinfo(name)
    if info is None:
        raise RepositoryError(f"no role signs {name}; sign it with `interlock governance sign`")
    if info.length > MAX_TARGET:
        raise RepositoryError(f"{name} has {info.length} bytes, at most {MAX_TARGET} are read")
    updater.download_target(info, str(file))
    return file.read_bytes()


def _signed(cache: Path, role: str) -> Any:
    return Metadata.from_bytes((cache / f"{role}.json").read_bytes()).signed


def _metadata(cache: Path) -> dict[str, bytes]:
    roots = {file.name: file.read_bytes() for file in (cache / "root_history").iterdir()}
    others = {f"{role}.json": (cache / f"{role}.json").read_bytes() for role in ROLES[1:]}
    return roots | others


def _sentence(error: RepositoryError | DownloadError) -> str:
    said = shown(str(error))
    if isinstance(error, UnsignedMetadataError):
        return f"{said}: not signed by enough of the keys that may. Sign it with one of them."
    if isinstance(error, BadVersionNumberError):
        return (
            f"{said}: an older file was put in its place. What was verified before stays in force."
        )
    if isinstance(error, LengthOrHashMismatchError):
        return f"{said}: a file is not the one that was signed. Sign it, or restore the file."
    return f"{said}. What was verified before stays in force."
