"""Which file names and sizes a model may have, whoever serves it: MLflow or an OCI registry.

The names come from strangers and end as paths in a pod: one that climbs out of its folder, hides
a control character or differs from another only in case is refused before a byte is read.
"""

import unicodedata
from dataclasses import dataclass, field

from interlock.api.digests import ModelFile
from interlock.evidence.http import SourceRefused, shown

MAX_FILES = 10_000
MAX_DEPTH = 16
MAX_PATH_BYTES = 1024
MAX_BYTES = 64 * 1024**3
_WHITEOUT = ".wh."
"""How an OCI layer says that a lower layer's file is gone (image-spec layer.md)."""


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

    def expect(self, path: str) -> None:
        """Take note of a file to come. Raises SourceRefused for a bad or second name."""
        check_path(path, self.where)
        if len(self._seen) >= MAX_FILES:
            raise SourceRefused(f"{self.where}: more than {MAX_FILES} files. Pack the model.")
        folded = unicodedata.normalize("NFC", path).casefold()
        if folded in self._seen:
            raise SourceRefused(
                f"{self.where}: the file name {shown(path, 120)!r} occurs twice, or twice but for "
                "case. Rename one of them and register the model again."
            )
        self._seen.add(folded)

    def read(self, size: int) -> None:
        """Count bytes that were read. Raises SourceRefused past the cap."""
        self._bytes += size
        if self._bytes > MAX_BYTES:
            raise SourceRefused(
                f"{self.where}: more than {MAX_BYTES >> 30} GiB of files. Split the model."
            )
