"""Verifies each bundle once: what its bytes prove under one trust does not change with time.

A verification costs milliseconds and an agent is judged again and again. The key is the bundle's
bytes and the targets of governance that say whom to trust. What was refused is not remembered: a
time in the future is refused today and not tomorrow.
"""

import hashlib
import math
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

from pydantic import TypeAdapter, ValidationError

from interlock.evidence.hashing import HashCache
from interlock.evidence.sigstore import MAX_SKEW, Refusal, SigstoreVerifier, Verified

MAX_VALUE = 256 * 1024
"""Characters of what a bundle proved; more is verified anew each time."""
_VERIFIED = TypeAdapter(Verified)


class Verifies(Protocol):
    """Says what a bundle proves."""

    def verify(self, bundle: bytes, now: datetime) -> Verified | Refusal:
        """Return what `bundle` proves, or why it proves nothing. Never raises."""


class Proven:
    """A verifier that is made when a bundle comes that `cache` does not know."""

    def __init__(
        self, make: Callable[[], SigstoreVerifier], trust: Sequence[bytes], cache: HashCache
    ) -> None:
        hashed = hashlib.sha256()
        for part in trust:
            hashed.update(len(part).to_bytes(8) + part)
        self._trust = hashed.hexdigest()
        self._make = make
        self._cache = cache
        self._verifier: SigstoreVerifier | None = None

    def verify(self, bundle: bytes, now: datetime) -> Verified | Refusal:
        """Return what `bundle` proves, or why it proves nothing."""
        key = f"bundle {self._trust} {hashlib.sha256(bundle).hexdigest()}"
        if known := _read(self._cache.get(key, math.inf), now):
            return known
        self._verifier = self._verifier or self._make()
        found = self._verifier.verify(bundle, now)
        if isinstance(found, Verified):
            text = _VERIFIED.dump_json(found).decode()
            if len(text) <= MAX_VALUE:
                self._cache.put(key, text)
        return found


def _read(text: str | None, now: datetime) -> Verified | None:
    try:
        known = _VERIFIED.validate_json(text) if text else None
    except ValidationError:
        return None
    return known if known and known.at <= now + MAX_SKEW else None
