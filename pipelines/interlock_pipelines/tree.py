"""A model's folder as it will be judged: regular files, plain names, one digest.

The same names that Interlock refuses later are refused here, before anything is sent. Every later
reading of a file is compared with the first, so that all that is published is one and the same.
"""

import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from interlock.api import digests
from interlock.api.digests import ModelFile
from interlock.evidence.http import SourceRefused
from interlock.evidence.modeltree import Tally
from interlock_pipelines.errors import BadInput
from interlock_pipelines.progress import Told, nobody

CHUNK = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Tree:
    """The files of a model's folder, in byte order of their paths."""

    folder: Path
    files: tuple[ModelFile, ...]
    told: Told = field(default=nobody, compare=False, repr=False)

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(file.size for file in self.files)

    @property
    def digest(self) -> str:
        """The tree digest as the pin `model.tree` writes it."""
        return f"sha256:{digests.model_tree(self.files)}"

    def chunks(self, file: ModelFile) -> Iterator[bytes]:
        """Yield a file's bytes again. Raises BadInput if they are not those of before."""
        digest, size = hashlib.sha256(), 0
        for chunk in _read(self.folder / file.path):
            digest.update(chunk)
            size += len(chunk)
            if size > file.size:
                break
            self.told(len(chunk))
            yield chunk
        if (size, digest.hexdigest()) != (file.size, file.sha256):
            raise BadInput(
                f"{self.folder / file.path} changed while it was published. "
                "Publish a copy that nobody writes to."
            )


def read_tree(folder: Path, told: Told = nobody) -> Tree:
    """Return the tree of a folder, every file hashed. Raises BadInput."""
    tally = Tally(f"model folder {folder}")
    for path in sorted(_paths(folder), key=str.encode):
        try:
            tally.expect(path)
        except SourceRefused as refused:
            raise BadInput(str(refused)) from None
        tally.files.append(_hashed(folder / path, path, told))
    if not tally.files:
        raise BadInput(f"Model folder {folder} holds no file. Name the folder of the model.")
    return Tree(folder, tuple(tally.files))


def size_of(folder: Path) -> int:
    """Return the bytes that `read_tree` would read. Raises BadInput."""
    return sum((folder / path).lstat().st_size for path in _paths(folder))


def read_file(path: Path) -> ModelFile:
    """Return one file, hashed. Raises BadInput."""
    return _hashed(path, path.name)


def _paths(folder: Path) -> Iterator[str]:
    if not folder.is_dir():
        raise BadInput(f"Model folder {folder} is not there. Name the folder of the model.")
    for base, folders, names in os.walk(folder, onerror=_unreadable):
        for name in (*folders, *names):
            path = Path(base, name)
            mode = path.lstat().st_mode
            if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                raise BadInput(
                    f"{path} is a link or a device. A model is regular files only: "
                    "put the file itself there, or take it away."
                )
            if stat.S_ISREG(mode):
                yield path.relative_to(folder).as_posix()


def _unreadable(error: OSError) -> None:
    raise BadInput(f"{error.filename} cannot be read: {error.strerror}.") from error


def _hashed(place: Path, path: str, told: Told = nobody) -> ModelFile:
    digest, size = hashlib.sha256(), 0
    for chunk in _read(place):
        digest.update(chunk)
        size += len(chunk)
        told(len(chunk))
    return ModelFile(path, size, digest.hexdigest())


def _read(place: Path) -> Iterator[bytes]:
    try:
        with _opened(place) as file:
            while chunk := file.read(CHUNK):
                yield chunk
    except OSError as error:
        raise BadInput(f"{place} cannot be read: {error.strerror}.") from error


def _opened(place: Path) -> BinaryIO:
    """Open a file that may not have become a link meanwhile."""
    return os.fdopen(os.open(place, os.O_RDONLY | os.O_NOFOLLOW), "rb")
