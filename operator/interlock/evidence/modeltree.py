"""Which file names and sizes a model may have, whoever serves it: MLflow or an OCI registry.

The names come from strangers and end as paths in a pod: one that climbs out of its folder, hides
a control character or differs from another only in case is refused before a byte is read.
"""

import unicodedata
from dataclasses import dataclass, field

from interlock.api.content import Content
from interlock.api.digests import ModelFile
from interlock.evidence.http import SourceRefused, shown

MAX_FILES = 10_000
MAX_DEPTH = 16
MAX_PATH_BYTES = 1024
MAX_NAME_BYTES = 255
"""What Linux file systems take as one name."""
MAX_BYTES = 64 * 1024**3
_WHITEOUT = ".wh."
"""How an OCI layer says that a lower layer's file is gone (image-spec layer.md)."""


@dataclass(frozen=True, slots=True)
class Tree:
    """All files of a model, by path, and what they are."""

    files: tuple[ModelFile, ...]
    content: Content


def check_path(path: str, where: str) -> None:
    """Raise SourceRefused unless `path` is a plain relative POSIX path."""
    fault = _fault(path)
    if fault:
        raise SourceRefused(
            f"{where}: the file name {shown(path, 120)!r} {fault}. "
            "Register the model again under plain file names."
        )


def _fault(path: str) -> str:
    parts = path.split("/")
    if not path or any(part in ("", ".", "..") for part in parts):
        return "is not a relative path without empty, `.` and `..` parts"
    if "\\" in path or "%" in path or not path.isprintable():
        return "has a backslash, a percent sign or a character that does not print"
    if len(parts) > MAX_DEPTH or len(path.encode()) > MAX_PATH_BYTES:
        return f"is deeper than {MAX_DEPTH} folders or longer than {MAX_PATH_BYTES} bytes"
    if any(len(part.encode()) > MAX_NAME_BYTES for part in parts):
        return f"has a part longer than {MAX_NAME_BYTES} bytes"
    if any(part.startswith(_WHITEOUT) for part in parts):
        return "would delete files of another layer"
    return ""


@dataclass
class Tally:
    """Counts a model's files as they come, so that no server can make us read without end."""

    where: str
    files: list[ModelFile] = field(default_factory=list)
    _bytes: int = 0
    _seen: set[str] = field(default_factory=set)
    _folders: dict[str, str] = field(default_factory=dict)
    """Folder as a case-blind file system sees it, to how it is written."""

    def expect(self, path: str) -> None:
        """Take note of a file to come. Raises SourceRefused for a bad or second name."""
        check_path(path, self.where)
        if len(self._seen) >= MAX_FILES:
            raise SourceRefused(f"{self.where}: more than {MAX_FILES} files. Pack the model.")
        folded = _folded(path)
        if folded in self._seen:
            raise self._twice(path)
        if folded in self._folders:
            raise self._both(path)
        self._seen.add(folded)
        for end, letter in enumerate(path):
            if letter == "/":
                self._within(path[:end])

    def read(self, size: int) -> None:
        """Count bytes that were read. Raises SourceRefused past the cap."""
        self._bytes += size
        if self._bytes > MAX_BYTES:
            raise SourceRefused(
                f"{self.where}: more than {MAX_BYTES >> 30} GiB of files. Split the model."
            )

    def _within(self, folder: str) -> None:
        folded = _folded(folder)
        if folded in self._seen:
            raise self._both(folder)
        if self._folders.setdefault(folded, folder) != folder:
            raise self._twice(folder)

    def _twice(self, path: str) -> SourceRefused:
        return SourceRefused(
            f"{self.where}: the file name {shown(path, 120)!r} occurs twice, or twice but for "
            "case. Rename one of them and register the model again."
        )

    def _both(self, path: str) -> SourceRefused:
        return SourceRefused(
            f"{self.where}: {shown(path, 120)!r} is a file and a folder at once. Rename one of "
            "them and register the model again."
        )


def _folded(path: str) -> str:
    """Return the name as file systems without case see it (Unicode 3.13, canonical caseless)."""
    folded = unicodedata.normalize("NFD", unicodedata.normalize("NFD", path).casefold())
    return unicodedata.normalize("NFC", folded)
