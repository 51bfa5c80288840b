"""When something was signed is what a log promised or an authority stamped; all else is a claim.

CVE-2024-55655, CVE-2026-48816: the integrated time counted without the promise that signs it.
"""

import base64
import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest

from interlock.evidence.sigstore import Refusal
from interlock_sandbox.sigstore import Instance, LogVersion, ManagedKey, Recipe
from support import managed, signed

NOW = signed.now()
KEY = managed.release()
EITHER = pytest.mark.parametrize("key", [None, KEY], ids=["certificate", "key"])


def code(recipe: Recipe) -> str:
    answer = managed.verifier(KEY).verify(signed.signed_image(recipe), signed.now())
    return answer.code if isinstance(answer, Refusal) else "Verified"


def entry(change: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, Any]], None]:
    return lambda bundle: change(bundle["verificationMaterial"]["tlogEntries"][0])


@EITHER
@pytest.mark.parametrize(
    "change",
    [
        lambda one: one.update(integratedTime=str(int(one["integratedTime"]) - 60)),
        lambda one: one.update(logIndex=str(int(one["logIndex"]) + 1)),
        lambda one: one.pop("inclusionPromise"),
        lambda one: one.pop("integratedTime"),
        lambda one: one.update(integratedTime="0"),
        lambda one: one["inclusionPromise"].update(signedEntryTimestamp=""),
        lambda one: one["inclusionPromise"].update(
            signedEntryTimestamp=base64.b64encode(b"0" * 70).decode()
        ),
    ],
    ids=["earlier", "index", "unpromised", "timeless", "zero", "empty promise", "false promise"],
)
def test_a_time_changed_after_the_promise(
    change: Callable[[Any], Any], key: ManagedKey | None
) -> None:
    assert code(Recipe(time=NOW, managed=key, mutate=entry(change))) != "Verified"


@EITHER
def test_a_time_that_the_log_wrote_and_did_not_promise(key: ManagedKey | None) -> None:
    assert code(Recipe(time=NOW, managed=key, promise=False)) != "Verified"
    assert code(Recipe(time=NOW, managed=key, promise=False, timestamps=(NOW,))) == "NoTime"


@EITHER
def test_a_time_written_into_an_entry_of_a_log_that_knows_none(key: ManagedKey | None) -> None:
    """Rekor v2 says no time: the timestamp authority does, and nothing beside it counts."""
    early = str(int((NOW - dt.timedelta(minutes=1)).timestamp()))
    claimed = entry(lambda one: one.update(integratedTime=early))
    assert code(Recipe(time=NOW, managed=key, log_version=LogVersion.V2, mutate=claimed)) == (
        "NoTime"
    )


@EITHER
def test_the_promise_of_another_log(key: ManagedKey | None) -> None:
    other = Instance.create("other.example").authorities.log
    own = signed.instance().authorities.log.key.id
    assert code(Recipe(time=NOW, managed=key, log=other, log_id=own)) != "Verified"
