"""What in a Keras configuration runs code when the model is loaded.

A `Lambda` layer carries marshalled bytecode, and any object may name the Python module that it is
to be made from (CVE-2024-3660, CVE-2025-1550). JSON may write each letter as an escape.
"""

import json
import re

MAX_BYTES = 1024 * 1024
_SPACE = b" \t\r\n"
_CARRIED = 256
_LAMBDAS = frozenset({"Lambda", "__lambda__", "function"})
_MODULES = ("keras.", "tensorflow.", "tf_keras.")


def _letters(word: str) -> str:
    return "".join(f"(?:{re.escape(c)}|\\\\u{ord(c):04x})" for c in word)


def _pattern(value: str) -> re.Pattern[bytes]:
    return re.compile(f'"{_letters("class_name")}":"{value}'.encode(), re.IGNORECASE)


_ANY = _pattern("")
_RUNS = _pattern(f'(?:{"|".join(map(_letters, sorted(_LAMBDAS)))})"')


class Scan:
    """Looks for a Keras object in JSON that streams by, or for one that runs code."""

    def __init__(self, *, any_object: bool) -> None:
        self.found = False
        self._pattern = _ANY if any_object else _RUNS
        self._carried = b""

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes."""
        text = self._carried + chunk.translate(None, _SPACE)
        self._carried = text[-_CARRIED:]
        if not self.found and (b'class_name":"' in text or b"\\u00" in text):
            self.found = self._pattern.search(text) is not None


def runs(document: bytes) -> str:
    """Return what a whole configuration would run; empty for nothing."""
    level: list[object] = [json.loads(document)]
    while level:
        below: list[object] = []
        for each in level:
            if isinstance(each, dict):
                if why := _object(each):
                    return why
                below.extend(each.values())
            elif isinstance(each, list):
                below.extend(each)
        level = below
    return ""


def _object(value: dict[str, object]) -> str:
    name, module = value.get("class_name"), value.get("module")
    if name in _LAMBDAS:
        return f"it is a Keras model with a {name}, which is Python code"
    if not isinstance(name, str) or not isinstance(module, str):
        return ""
    known = module == "keras" or module.startswith(_MODULES)
    return "" if known else f"it has Keras import {module[:64]!r}"
