"""Reads JSON with one meaning only: what one parser ignores, another one obeys.

Duplicate keys, NaN, numbers that lose digits and bottomless nesting are where JSON readers differ
(RFC 7493), and a verdict must not depend on which of them was used.
"""

import json
import math
from typing import NoReturn

from interlock.policy.strict_text import (
    MAX_DEPTH,
    StrictError,
    check_integer,
    check_string,
    decode,
)

_MAX_DIGITS = 32


def load(data: bytes, *, limit: int) -> object:
    """Return the value of one JSON document of at most `limit` bytes. Raises StrictError."""
    text = decode(data, limit=limit)
    try:
        value = json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=_constant,
            parse_int=_integer,
            parse_float=_float,
        )
    except json.JSONDecodeError as error:
        raise StrictError(f"line {error.lineno}: this is not JSON: {error.msg}") from None
    except RecursionError:
        raise StrictError(_TOO_DEEP) from None
    _check_depth(value)
    return value


_TOO_DEEP = f"lists and objects lie more than {MAX_DEPTH} deep in one another"


def _check_depth(value: object) -> None:
    """Walk level by level, so that no depth of the document is a depth of ours."""
    level: list[object] = [value]
    depth = 0
    while level:
        below: list[object] = []
        for each in level:
            if isinstance(each, str):
                check_string(each, "a string")
            elif isinstance(each, dict | list):
                if depth == MAX_DEPTH:
                    raise StrictError(_TOO_DEEP)
                below.extend(each.values() if isinstance(each, dict) else each)
        level = below
        depth += 1


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for key, value in pairs:
        check_string(key, "a key")
        if key in found:
            raise StrictError(f"the key {key[:64]!r} occurs twice in one object; remove one")
        found[key] = value
    return found


def _constant(word: str) -> NoReturn:
    raise StrictError(f"{word} is no JSON number; write null or leave the field out")


def _integer(digits: str) -> int:
    if len(digits) > _MAX_DIGITS:
        raise StrictError("a number has too many digits; write a string")
    return check_integer(int(digits), "a number")


def _float(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise StrictError(f"the number {digits[:_MAX_DIGITS]} is too large")
    return value
