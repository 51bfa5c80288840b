"""A timestamp moves the time of nothing else, and counts by the authority that made it.

CVE-2026-39984 (a token that names one certificate and is verified with another), timestamps of
which one was backdated, the window of one authority used for the stamp of another.
"""

import datetime as dt
from dataclasses import replace

import pytest

from interlock.evidence.sigstore import Refusal, SigstoreVerifier
from interlock_sandbox.sigstore import Instance, LogVersion, ManagedKey, Recipe, Window
from interlock_sandbox.sigstore.certificates import new_authority, timestamping
from interlock_sandbox.sigstore.keys import Key
from interlock_sandbox.sigstore.timestamp import TimestampAuthority
from support import managed, signed

NOW = signed.now()
DAY = dt.timedelta(days=1)
KEY = managed.release()
RETIRED = Instance.create("retired.example")
ROOT = signed.joined(
    signed.instance().trusted_root(),
    RETIRED.trusted_root({role: Window(NOW - 9 * DAY, NOW - DAY) for role in ("ca", "tsa")}),
)
EITHER = pytest.mark.parametrize("key", [None, KEY], ids=["certificate", "key"])


def code(recipe: Recipe, root: bytes = ROOT) -> str:
    stamped = replace(recipe, log_version=LogVersion.V2, time=recipe.time or NOW)
    verifier = SigstoreVerifier(root, [managed.pem(KEY)])
    answer = verifier.verify(signed.signed_image(stamped), signed.now())
    return answer.code if isinstance(answer, Refusal) else "Verified"


@EITHER
def test_two_timestamps_of_which_one_is_backdated(key: ManagedKey | None) -> None:
    assert code(Recipe(managed=key, timestamps=(NOW, NOW - DAY))) == "NoTime"
    assert code(Recipe(managed=key, timestamps=(NOW,))) == "Verified"


@EITHER
def test_a_retired_authority_does_not_borrow_the_window_of_a_serving_one(
    key: ManagedKey | None,
) -> None:
    assert code(Recipe(managed=key, tsa=RETIRED.authorities.tsa)) == "BadTimestamp"
    old = Recipe(managed=key, tsa=RETIRED.authorities.tsa, time=NOW - 2 * DAY)
    assert code(old) == "Verified"


@EITHER
def test_a_false_timestamp_beside_a_good_promise(key: ManagedKey | None) -> None:
    """The library drops what does not hold and goes on; what is shown must hold."""
    stranger = Instance.create("stranger.example").authorities.tsa
    recipe = Recipe(managed=key, time=NOW, timestamps=(NOW,))
    for tsa, expected in ((stranger, "BadTimestamp"), (None, "Verified")):
        verifier = SigstoreVerifier(ROOT, [managed.pem(KEY)])
        answer = verifier.verify(signed.signed_image(replace(recipe, tsa=tsa)), signed.now())
        assert (answer.code if isinstance(answer, Refusal) else "Verified") == expected


@EITHER
def test_the_timestamp_of_another_signature(key: ManagedKey | None) -> None:
    class Other(TimestampAuthority):
        def stamp(self, message: bytes, time: dt.datetime) -> bytes:
            return super().stamp(message + b"!", time)

    own = signed.instance().authorities.tsa
    other = Other(own.key, own.certificate, own.root)
    assert code(Recipe(managed=key, tsa=other)) == "BadTimestamp"


@pytest.mark.parametrize("which", ["another leaf of the root", "a leaf with another's key"])
def test_a_leaf_that_is_not_the_one_the_trusted_root_names(which: str) -> None:
    """One root signs many leaves; only the one that is named stamps."""
    own = Instance.create("tsa.example")
    start, end = NOW - 9 * DAY, NOW + 9 * DAY
    ca, root_key = new_authority("tsa.example", start, end, end)
    keys = Key.generate(), Key.generate()
    leaves = [timestamping("tsa.example", ca.root, root_key, key) for key in keys]
    own = replace(
        own,
        authorities=replace(own.authorities, tsa=TimestampAuthority(keys[0], leaves[0], ca.root)),
    )
    root = own.trusted_root()
    certificate = leaves[1] if which.startswith("another") else leaves[0]
    false = TimestampAuthority(keys[1], certificate, ca.root)
    for tsa, proven in ((own.authorities.tsa, True), (false, False)):
        recipe = Recipe(payload=signed.image_statement(), log_version=LogVersion.V2, tsa=tsa)
        answer = SigstoreVerifier(root).verify(own.bundle(recipe), signed.now())
        assert isinstance(answer, Refusal) is not proven
