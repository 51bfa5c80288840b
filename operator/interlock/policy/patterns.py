"""Texts with `*` in them: the one place that says what a pattern of policy matches.

Verifiers that took a pattern for a substring, or ignored it, let strangers in (CVE-2025-29778).
Here a pattern covers the whole text or nothing, a `*` never leaves its path segment, and where a
host is named no `*` may stand in it.
"""

import re

_ESCAPES = frozenset("%\\")
_URL = re.compile(r"[a-z][a-z0-9+.-]*://[^/*?#]+/")
_MAIL = re.compile(r"[^/@]+@[^/@*]+")


def matches(pattern: str, text: str) -> bool:
    """Whether `pattern` covers the whole of `text`; each `*` is any characters but `/`."""
    if "*" not in pattern:
        return pattern == text
    wanted, found = pattern.split("/"), text.split("/")
    return len(wanted) == len(found) and all(map(_segment, wanted, found))


def open_host(pattern: str) -> bool:
    """Whether a pattern over URLs or e-mail addresses leaves open whose they are."""
    return "*" in pattern and not (_URL.match(pattern) or _MAIL.fullmatch(pattern))


def _segment(pattern: str, text: str) -> bool:
    """Match one path segment, leftmost first: linear, whatever the text."""
    if "*" not in pattern:
        return pattern == text
    if text in {".", ".."} or not text.isprintable() or not _ESCAPES.isdisjoint(text):
        return False
    first, *middle, last = pattern.split("*")
    if not text.startswith(first):
        return False
    place = len(first)
    for part in middle:
        place = text.find(part, place) + len(part)
        if place < len(part):
            return False
    return text.endswith(last) and len(text) - len(last) >= place
