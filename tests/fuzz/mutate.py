"""Mutations of real inputs: of their bytes, and of the JSON documents that they are."""

import json
from collections.abc import Callable, Sequence
from copy import deepcopy
from random import Random
from typing import Any

MAX_EDITS = 8
MAX_BYTES = 1 << 20
_AS_JSON, _FLIP, _STOP = 0.75, 0.25, 0.25

_TOKENS = (
    *(b"\x00", b"\xff" * 8, b"\x7f\xff\xff\xff", b"\x80\x00\x00\x00\x00\x00\x00\x00"),
    *(b"[" * 40, b'{"a":' * 40, b'"', b"\\ud800", b"\\u0000", b"\xe2\x80\xae", b"\xef\xbb\xbf"),
    *(b"9" * 400, b"1e999", b"-0", b"NaN", b"null", b"\r\n", b"PK\x03\x04", b"PK\x05\x06"),
    *(b"\x1f\x8b\x08", b"\x80\x04", b"cos\nsystem\n", b".", b"..", b"../", b"a: &a [*a]\n", b"! "),
)
_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**31, 2**53, -(2**63), 1.5, "", "a", "x" * 5000, "\u202e"),
    *([], {}, [[]], [{}], {"": ""}, "sha256:" + "0" * 64, "0" * 64, "A" * 64, "../../etc", "NaN"),
    *("2026-11-20T10:00:00Z", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+23:59", "CRITICAL"),
)


def mutated(random: Random, inputs: Sequence[bytes], *, is_json: bool) -> bytes:
    """Return one of the inputs with a few edits."""
    data = random.choice(inputs)
    if is_json and random.random() < _AS_JSON:
        data = _edited_json(random, data)
        if random.random() < _AS_JSON:
            return data
    for _ in range(random.randint(1, MAX_EDITS)):
        data = _edited(random, data, inputs)[:MAX_BYTES]
    return data


def smallest(data: bytes, breaks: Callable[[bytes], bool], tries: int = 2000) -> bytes:
    """Return an input that still breaks, with as many bytes taken away as `tries` allow."""
    size = len(data) // 2
    while size and tries:
        at = 0
        while at < len(data) and tries:
            shorter, tries = data[:at] + data[at + size :], tries - 1
            if breaks(shorter):
                data = shorter
            else:
                at += size
        size //= 2
    return data


def _edited(random: Random, data: bytes, inputs: Sequence[bytes]) -> bytes:
    at = random.randint(0, len(data))
    end = min(len(data), at + random.choice((1, 2, 4, 8, 64, 1024)))
    if at < len(data) and random.random() < _FLIP:
        return data[:at] + bytes([data[at] ^ 1 << random.randrange(8)]) + data[at + 1 :]
    other = random.choice(inputs)
    middle, rest = random.choice(
        (
            (b"", end),  # take away
            (data[at:end] * 2, end),  # repeat
            (random.choice(_TOKENS), at),
            (random.choice(_TOKENS), end),
            (random.randbytes(end - at), end),
            (other[random.randint(0, len(other)) :], len(data)),  # go on as another one
            (b"", len(data)),  # end early
        )
    )
    return data[:at] + middle + data[rest:]


def _edited_json(random: Random, data: bytes) -> bytes:
    try:
        document: Any = [json.loads(data)]
        for _ in range(random.randint(1, MAX_EDITS)):
            _edit_node(random, document)
        return json.dumps(document[0] if document else None).encode()[:MAX_BYTES]
    except (ValueError, RecursionError):
        return data


def _edit_node(random: Random, document: Any) -> None:
    """Replace, remove, repeat or add one value somewhere in a document."""
    parent: Any = document
    while True:
        keys = list(parent) if isinstance(parent, dict) else list(range(len(parent)))
        if not keys:
            return
        key = random.choice(keys)
        below = parent[key]
        if not (isinstance(below, dict | list) and below) or random.random() < _STOP:
            break
        parent = below
    kind = random.randrange(6)
    if kind == 0:
        del parent[key]
    elif kind == 1 and isinstance(parent, list):
        parent.extend([below] * random.choice((1, 2, 100)))
    elif kind == 2 and isinstance(parent, dict):
        parent[random.choice(("", "x", f"{key}", "_type", "digest", "name"))] = below
    elif kind == 3:
        parent[key] = [below]
    else:
        parent[key] = deepcopy(random.choice(_VALUES))
