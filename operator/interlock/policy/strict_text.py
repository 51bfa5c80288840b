"""What strict YAML and strict JSON share: one reading of the bytes, the same for man and machine.

Characters that reorder or hide text make a reviewer read another file than the parser does
(CVE-2021-42574), so they are refused in every document that somebody approves or signs.
"""

import re

MAX_DEPTH = 32
"""How deep lists and mappings may lie in one another."""
MAX_INTEGER = 2**53 - 1
"""The largest whole number that every JSON reader keeps exactly (RFC 7493, 2.2)."""

_HIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"  # control characters but tab and line ends
    "\u061c\u200e\u200f\u202a-\u202e"  # Bidi_Control; its isolates are below
    "\u2028\u2029\ufeff\ud800-\udfff"  # line ends that only some readers see; marks; surrogates
    # Default_Ignorable_Code_Point: no reader sees it, tags and selectors carry text unseen
    "\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u2060-\u206f\u3164\ufe00-\ufe0d"
    "\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
    # joiners and emoji style shape what is seen before them; more of them, or alone, hide bits
    "|(?<![^\x00-\x7f])[\u200c\u200d]|(?<![^\x00-\x7f]|[0-9#*])[\ufe0e\ufe0f]"
    "|[\u200c\u200d\ufe0e\ufe0f]{3}"
)
_LONE_RETURN = re.compile(r"\r(?!\n)")


class StrictError(ValueError):
    """A document that is not read, and why. The message is a sentence."""


def decode(data: bytes, *, limit: int) -> str:
    """Return the text of a document. Raises StrictError."""
    if len(data) > limit:
        raise StrictError(f"the document has {len(data)} bytes; at most {limit} are read")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise StrictError(f"line {line}: the bytes are not UTF-8") from None
    found = _HIDDEN.search(text) or _LONE_RETURN.search(text)
    if found:
        line = text.count("\n", 0, found.start()) + 1
        raise StrictError(f"line {line}: {_named(found.group())}")
    return text


def check_string(value: str, where: str) -> None:
    """Refuse what an escape sequence smuggled into a string. Raises StrictError."""
    if found := _HIDDEN.search(value):
        raise StrictError(f"{where}: {_named(found.group())}")


def check_integer(value: int, where: str) -> int:
    """Return a whole number that every reader keeps exactly. Raises StrictError."""
    if abs(value) > MAX_INTEGER:
        raise StrictError(f"{where}: a number beyond {MAX_INTEGER} loses digits; write a string")
    return value


def _named(characters: str) -> str:
    code = f"U+{ord(characters[0]):04X}"
    return f"the character {code} hides or reorders text and is not allowed; remove it"
