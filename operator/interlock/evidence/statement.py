"""in-toto statements, read strictly: the bytes that were signed mean one thing or nothing.

The library's own parser takes any payload type, upper-case or cut digests, thousands of subjects
and duplicate JSON keys; what is signed by a trusted signer must still not be read two ways.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from interlock.policy import strict_json

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
MAX_SUBJECTS = 64
MAX_STATEMENT_BYTES = 4 * 1024 * 1024
_SHA256 = re.compile(r"[0-9a-f]{64}")


class Refused(Exception):
    """Evidence that proves nothing: what was got, and what was expected."""

    def __init__(self, code: str, got: str, expected: str) -> None:
        super().__init__(f"{code}: got {got}, expected {expected}")
        self.code, self.got, self.expected = code, got, expected


@dataclass(frozen=True, slots=True)
class Statement:
    """An in-toto Statement v1: something is said about some subjects."""

    predicate_type: str
    subjects: tuple[tuple[str, str], ...]
    """(name, SHA-256 as 64 lower-case hex digits)."""
    predicate: Mapping[str, Any]


def parse(payload_type: str, payload: bytes) -> Statement:
    """Return the statement in a DSSE payload. Raises Refused or what the strict parser raises."""
    if payload_type != PAYLOAD_TYPE:
        raise Refused("WrongPayloadType", payload_type, PAYLOAD_TYPE)
    value = strict_json.load(payload, limit=MAX_STATEMENT_BYTES)
    if not isinstance(value, dict) or value.get("_type") != STATEMENT_TYPE:
        raise Refused("BadStatement", "another kind of document", STATEMENT_TYPE)
    predicate_type, predicate = value.get("predicateType"), value.get("predicate")
    if not isinstance(predicate_type, str) or not isinstance(predicate, dict):
        raise Refused("BadStatement", "no predicate", "a predicateType and a predicate object")
    return Statement(predicate_type, _subjects(value.get("subject")), predicate)


def _subjects(value: object) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_SUBJECTS:
        got = f"{len(value)} subjects" if isinstance(value, list) else "no list of subjects"
        raise Refused("BadStatement", got, f"1 to {MAX_SUBJECTS} subjects")
    return tuple(_subject(each) for each in value)


def _subject(value: object) -> tuple[str, str]:
    digest = value.get("digest") if isinstance(value, dict) else None
    name = value.get("name", "") if isinstance(value, dict) else None
    if not isinstance(name, str) or not isinstance(digest, dict) or list(digest) != ["sha256"]:
        raise Refused("BadStatement", "a subject without", "a name and exactly a sha256 digest")
    sha256 = digest["sha256"]
    if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
        raise Refused("BadStatement", repr(sha256)[:80], "a SHA-256 of 64 lower-case hex digits")
    return name, sha256
