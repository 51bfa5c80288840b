"""Which of a model's requirements could bring other code tomorrow than today.

Whoever restores a model's environment installs what these files say. One version with its hash
is one set of bytes; a range, a URL, an index of the model's own or a local path is not.
"""

import re
from collections.abc import Callable, Iterator

from interlock.evidence.formats.notes import Place
from interlock.evidence.formats.stream import Bad
from interlock.policy import strict_yaml
from interlock.policy.strict_text import StrictError, decode

MAX_BYTES = 256 * 1024
_LINE_STEPS = 20
_FILE = "requirements.txt"
_PINNED = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9._-]*(\[[A-Za-z0-9._, -]*\])?\s*==\s*[A-Za-z0-9.!+_-]+\s*"
    r"(;[^#]*?)?(\s--hash=sha256:[0-9a-f]{64})+"
)
_COMMENT = re.compile(r"(^|\s)#.*$")


def _pip(document: bytes, place: Place) -> None:
    text = _checked(document).replace("\r\n", "\n").replace("\\\n", " ")
    _take((_COMMENT.sub("", line).strip() for line in text.split("\n")), place)


def _conda(document: bytes, place: Place) -> None:
    value = _yaml(document)
    _take(_dependencies(value.get("dependencies")), place)


def _virtualenv(document: bytes, place: Place) -> None:
    value = _yaml(document)
    for key in ("build_dependencies", "dependencies"):
        named = (each for each in _dependencies(value.get(key)) if each != f"-r {_FILE}")
        _take(named, place)


READERS: dict[str, Callable[[bytes, Place], None]] = {
    _FILE: _pip,
    "conda.yaml": _conda,
    "python_env.yaml": _virtualenv,
}
"""File name to its reader: those that MLflow restores an environment from."""


def _take(lines: Iterator[str], place: Place) -> None:
    for line in filter(None, lines):
        place.notes.step(_LINE_STEPS)
        if not _PINNED.fullmatch(line):
            place.name(place.notes.loose, f"{place.path}: {line[:120]}")


def _dependencies(value: object) -> Iterator[str]:
    for each in value if isinstance(value, list) else [value]:
        if isinstance(each, dict):
            for inner in each.values():
                yield from map(str, inner if isinstance(inner, list) else [inner])
        elif each is not None:
            yield str(each)


def _checked(document: bytes) -> str:
    try:
        return decode(document, limit=MAX_BYTES)
    except StrictError as error:
        raise Bad(f"requirements: {error}") from None


def _yaml(document: bytes) -> dict[str, object]:
    try:
        value = strict_yaml.load(document, limit=MAX_BYTES)
    except StrictError as error:
        raise Bad(f"requirements: {error}") from None
    if not isinstance(value, dict):
        raise Bad("requirements: it is no mapping")
    return value
