"""Whether a file ends as a zip archive does: zip is read from its end, whatever comes before."""

import struct

TAIL = 20 + 22 + 65_536
"""Bytes in which readers look for a zip's end: a locator, the record and its comment."""
_END = b"PK\x05\x06"
_ENTRY = b"PK\x01\x02"
_LOCATOR = b"PK\x06\x07"
_SMALLEST_ENTRY = 46
_LAST_DISK = 1


def ends_as_zip(tail: bytes, size: int) -> bool:
    """Whether readers would find a central directory in a file of `size` with this tail."""
    at = tail.rfind(_END)
    while at >= 0:
        if len(tail) - at >= 22 and _directory(tail, at, size - len(tail)):
            return True
        at = tail.rfind(_END, 0, at)
    return False


def _directory(tail: bytes, at: int, before: int) -> bool:
    """Whether a reader finds a central directory by the end record at `at`.

    Python's looks in front of the record, and asks a locator there before the record itself;
    PyTorch's (miniz) looks where the record says.
    """
    if tail[max(0, at - 20) : at].startswith(_LOCATOR):
        return True
    disk, first, here, total, length, offset = struct.unpack_from("<4H2I", tail, at + 4)
    if length < _SMALLEST_ENTRY or length > before + at:
        return False
    whole = max(disk, first) <= _LAST_DISK and here == total > 0
    said = whole and offset + length <= before + at and _entry(tail, offset - before)
    return said or _entry(tail, at - length)


def _entry(tail: bytes, at: int) -> bool:
    """Whether an entry begins there; what lies before the tail is taken for one."""
    return at < 0 or tail.startswith(_ENTRY, at)
