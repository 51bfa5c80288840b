"""A bundle is verified once under one trust; nothing but its bytes and that trust decides."""

from datetime import datetime, timedelta

import pytest

from interlock.evidence import proven
from interlock.evidence.hashing import HashCache
from interlock.evidence.proven import Proven
from interlock.evidence.sigstore import Refusal, SigstoreVerifier, Verified
from support import signed

GOOD = signed.signed_model()


def asked(
    cache: HashCache,
    bundle: bytes = GOOD,
    trust: bytes = b"trust",
    now: datetime | None = None,
) -> tuple[int, Verified | Refusal]:
    """How often a verifier was made for a bundle, and what is said of it."""
    made = []

    def make() -> SigstoreVerifier:
        made.append(1)
        return signed.verifier()

    found = Proven(make, [trust], cache).verify(bundle, now or signed.now())
    return len(made), found


def test_what_was_proven_is_remembered_whole() -> None:
    cache = HashCache()
    first, again = asked(cache), asked(cache)
    assert (first[0], again[0]) == (1, 0)
    assert isinstance(first[1], Verified)
    assert again[1] == first[1]


def test_another_trust_or_another_byte_is_verified_anew() -> None:
    cache = HashCache()
    asked(cache)
    assert asked(cache, trust=b"other")[0] == 1
    assert asked(cache, GOOD + b"\n")[0] == 1


def test_a_refusal_is_not_remembered() -> None:
    cache = HashCache()
    assert isinstance(asked(cache, b"{}")[1], Refusal)
    assert asked(cache, b"{}")[0] == 1


def test_a_time_in_the_future_is_refused_though_it_was_proven() -> None:
    cache = HashCache()
    asked(cache)
    made, found = asked(cache, now=signed.now() - timedelta(days=30))
    assert made == 1
    assert isinstance(found, Refusal)


def test_a_memory_that_is_no_proof_is_not_believed() -> None:
    cache = HashCache()
    asked(cache)
    (key,) = cache.items()
    cache.put(key, '{"identity": "mallory"}')
    assert asked(cache)[0] == 1


def test_a_long_proof_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    cache = HashCache()
    monkeypatch.setattr(proven, "MAX_VALUE", 10)
    asked(cache)
    assert cache.items() == {}
