"""The files of a governance repository in memory, so that a command changes all of them or none.

The tree may be a working copy, somebody's branch or an old commit: what is read is bounded and
plain, and nothing is written before all that a command wants to write has held together.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from interlock.cli.tufkeys import RepositoryRefused
from interlock.evidence.governance import MAX_METADATA
from interlock.policy.parse import MAX_TARGET

METADATA = "metadata/"
"""What counts."""
PENDING = "pending/"
"""What waits for more signatures. Interlock does not read it."""
TARGETS = "targets/"
FOLDERS = (METADATA, PENDING, TARGETS)
MAX_FILES = 256
"""Files of one folder."""
_COPY = re.compile(r"[0-9a-f]{64}\.(.+)")


class Tree:
    """Paths such as `metadata/1.root.json` to bytes."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._before = dict(files)
        self.files = dict(files)

    @classmethod
    def at(cls, directory: Path) -> "Tree":
        """Read a working copy. Raises RepositoryRefused."""
        found: dict[str, bytes] = {}
        for folder in FOLDERS:
            for file in _plain(directory / folder):
                found[f"{folder}{file.name}"] = _bounded(file)
        return cls(found)

    def read(self, path: str) -> bytes:
        """Return a file's bytes. Raises FileNotFoundError."""
        try:
            return self.files[path]
        except KeyError:
            raise FileNotFoundError(path) from None

    def names(self, folder: str) -> list[str]:
        """Return the names of the files in a folder."""
        start = len(folder)
        return sorted(path[start:] for path in self.files if path.startswith(folder))

    def write(self, path: str, data: bytes) -> None:
        """Put a file there."""
        self.files[path] = data

    def remove(self, path: str) -> None:
        """Take a file away, if it is there."""
        self.files.pop(path, None)

    def sources(self) -> dict[str, bytes]:
        """Return the plain files of `targets/`: known names, and unknown ones to be refused."""
        names = self.names(TARGETS)
        return {name: self.files[TARGETS + name] for name in names if not _COPY.fullmatch(name)}

    def copies(self) -> list[str]:
        """Return the names of the signed copies."""
        return [name for name in self.names(TARGETS) if _COPY.fullmatch(name)]

    def save(self, directory: Path) -> None:
        """Write what changed, the timestamp last, then remove what went."""
        changed = [path for path, data in self.files.items() if self._before.get(path) != data]
        for path in sorted(changed, key=lambda one: (one == f"{METADATA}timestamp.json", one)):
            _write(directory / path, self.files[path])
        for path in self._before.keys() - self.files.keys():
            (directory / path).unlink(missing_ok=True)
        self._before = dict(self.files)


def _plain(folder: Path) -> Iterable[Path]:
    """Yield a folder's files. A link is refused: it would bring bytes of whoever signs.

    Through a folder that is one, files would be written wherever it leads.
    """
    if folder.is_symlink():
        raise RepositoryRefused(f"{folder} is a symbolic link; put a folder there")
    there = sorted(folder.iterdir()) if folder.is_dir() else []
    if len(there) > MAX_FILES:
        raise RepositoryRefused(f"{folder} has {len(there)} files; at most {MAX_FILES} are read")
    for file in there:
        if file.is_symlink():
            raise RepositoryRefused(f"{file} is a symbolic link; put a plain file there")
        if file.is_file() and not file.name.startswith("."):
            yield file


def _bounded(file: Path) -> bytes:
    limit = max(MAX_METADATA, MAX_TARGET)
    with file.open("rb") as opened:
        data = opened.read(limit + 1)
    if len(data) > limit:
        raise RepositoryRefused(f"{file} has more than {limit} bytes; no file of governance has")
    return data


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.new")
    scratch.write_bytes(data)
    scratch.replace(path)
