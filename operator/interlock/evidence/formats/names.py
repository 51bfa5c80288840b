"""Which names members of an archive may have: those that a model's own files may have."""

import unicodedata

from interlock.evidence.formats.stream import Bad
from interlock.evidence.http import SourceRefused, shown
from interlock.evidence.modeltree import check_path


def plain(path: str) -> bool:
    """Whether this is a relative path that stays in its folder."""
    try:
        check_path(path, "archive")
    except SourceRefused:
        return False
    return True


class Names:
    """The names of one archive, each of which may occur once."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def take(self, name: bytes) -> str:
        """Return a member's name. Raises Bad where it leads out, or comes a second time."""
        try:
            text = name.decode()
        except UnicodeDecodeError:
            text = ""
        if not plain(text.removeprefix("./").removesuffix("/")) and text != "./":
            raise Bad(f"{shown(repr(name), 80)} is no plain name for a file in it")
        folded = unicodedata.normalize("NFC", text).casefold()
        if folded in self._seen:
            raise Bad(f"{shown(text, 80)} lies in it twice, or twice but for case")
        self._seen.add(folded)
        return text
