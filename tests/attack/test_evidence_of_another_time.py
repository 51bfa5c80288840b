"""When something was signed comes from who was asked to witness it, and must be a time that can be.

Unauthenticated log times: CVE-2024-55655. Keys and leaves past their window: CVE-2026-54787.
"""

import datetime as dt

import pytest

from interlock.evidence.sigstore import Refusal, SigstoreVerifier, Verified
from interlock_sandbox.sigstore import Instance, LogVersion, Recipe
from support import signed

HOUR = dt.timedelta(hours=1)
NOW = signed.now()


def code(recipe: Recipe) -> str:
    answer = signed.verifier().verify(signed.signed_image(recipe), NOW)
    return answer.code if isinstance(answer, Refusal) else "Verified"


@pytest.mark.parametrize("version", LogVersion)
def test_a_time_in_the_future_is_refused_beyond_the_skew(version: LogVersion) -> None:
    assert code(Recipe(time=NOW + 720 * HOUR, log_version=version)) == "FutureTime"
    assert code(Recipe(time=NOW + dt.timedelta(seconds=90), log_version=version)) == "FutureTime"
    assert code(Recipe(time=NOW + dt.timedelta(seconds=30), log_version=version)) == "Verified"


def test_a_leaf_lives_an_hour_at_most() -> None:
    assert code(Recipe(time=NOW, lifetime=HOUR)) == "Verified"
    assert code(Recipe(time=NOW, lifetime=87_600 * HOUR)) == "LongLeaf"


def test_a_time_outside_the_leafs_life_is_refused() -> None:
    assert code(Recipe(time=NOW - 2 * HOUR, integrated_time=NOW)) == "BadSignature"


def test_a_log_time_that_nobody_promised_counts_nothing() -> None:
    assert code(Recipe(time=NOW, promise=False)) != "Verified"
    assert code(Recipe(time=NOW, promise=False, timestamps=(NOW,))) == "NoTime"


def test_two_timestamps_are_one_too_many() -> None:
    """One honest and one backdated: any rule that picks one of them can be played."""
    assert code(Recipe(time=NOW, timestamps=(NOW, NOW - HOUR))) == "NoTime"


def test_a_timestamp_beside_a_promise_does_not_move_the_time() -> None:
    stamped = NOW + dt.timedelta(minutes=5)
    recipe = Recipe(time=NOW, timestamps=(stamped,))
    answer = signed.verifier().verify(signed.signed_image(recipe), NOW)
    assert not isinstance(answer, Verified) or answer.at == NOW.replace(microsecond=0)


def test_a_strangers_timestamp_is_no_time() -> None:
    stranger = Instance.create("other.example").authorities.tsa
    assert code(Recipe(time=NOW, log_version=LogVersion.V2, tsa=stranger)) == "BadTimestamp"


@pytest.mark.parametrize("version", LogVersion)
def test_an_expired_intermediate_signs_nothing_new(version: LogVersion) -> None:
    """CVE-2026-24122: only the leaf's own time was looked at."""
    old = Instance.create("old.example", intermediate_end=NOW - 24 * HOUR)
    verifier = SigstoreVerifier(old.trusted_root())
    bundle = old.bundle(Recipe(payload=b"{}", log_version=version))
    assert isinstance(verifier.verify(bundle, NOW), Refusal)
