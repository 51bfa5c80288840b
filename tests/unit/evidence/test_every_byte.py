"""Whoever changes one byte of a good bundle has a refusal, or has changed nothing that counts.

Every 7th byte each time; all of them, in more ways, with INTERLOCK_EVERY_BYTE=1 (minutes).
"""

import datetime as dt
import os
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interlock.evidence.sigstore import Refusal, Verified
from interlock_sandbox.sigstore import LogVersion, Recipe
from support import managed, signed

EVERY = bool(os.environ.get("INTERLOCK_EVERY_BYTE"))
NOW = signed.now()
VERIFIER = managed.verifier(managed.release())
RECIPES = {
    "certificate, Rekor v1": Recipe(time=NOW),
    "certificate, Rekor v2": Recipe(time=NOW, log_version=LogVersion.V2),
    "key, Rekor v1": Recipe(time=NOW, managed=managed.release()),
    "key, Rekor v2": Recipe(time=NOW, managed=managed.release(), log_version=LogVersion.V2),
    "key, timestamp": Recipe(
        time=NOW, managed=managed.release(), tlog_entries=0, timestamps=(NOW,)
    ),
}
GOOD = {name: signed.signed_image(recipe) for name, recipe in RECIPES.items()}
PROVEN = {name: VERIFIER.verify(bundle, NOW) for name, bundle in GOOD.items()}


def ways(bundle: bytes, place: int) -> Iterator[bytes]:
    head, here, tail = bundle[:place], bundle[place : place + 1], bundle[place + 1 :]
    yield from (head + bytes([here[0] ^ 1 << bit]) + tail for bit in range(8))
    yield head + tail
    yield from (head + more + here + tail for more in (b" ", here))
    yield from (head + other + tail for other in (b"0", b"\0", b'"'))


def changed(bundle: bytes) -> Iterator[bytes]:
    if EVERY:
        for place in range(len(bundle)):
            yield from ways(bundle, place)
        return
    shift = dt.date.today().toordinal()  # other places, and other changes, each day
    for place in range(shift % 7, len(bundle), 7):
        every = list(ways(bundle, place))
        yield every[(place + shift) % len(every)]


@pytest.mark.parametrize("name", RECIPES)
def test_a_changed_byte_is_a_refusal_or_changes_nothing(name: str) -> None:
    proven = PROVEN[name]
    assert isinstance(proven, Verified)
    refused = 0
    for bundle in changed(GOOD[name]):
        answer = VERIFIER.verify(bundle, NOW)
        refused += isinstance(answer, Refusal)
        assert isinstance(answer, Refusal) or answer == proven, bundle
    assert refused > 100


@settings(max_examples=100, deadline=None)
@given(
    name=st.sampled_from(sorted(RECIPES)),
    first=st.integers(0, 20_000),
    second=st.integers(0, 20_000),
    piece=st.binary(max_size=8),
)
def test_a_moved_or_replaced_piece_is_a_refusal_or_changes_nothing(
    name: str, first: int, second: int, piece: bytes
) -> None:
    good = GOOD[name]
    start, end = sorted((first % len(good), second % len(good)))
    for bundle in (
        good[:start] + piece + good[start + len(piece) :],
        good[:start] + good[end:],
        good[:start] + good[start:end] * 2 + good[end:],
    ):
        answer = VERIFIER.verify(bundle, NOW)
        assert isinstance(answer, Refusal) or answer == PROVEN[name]
