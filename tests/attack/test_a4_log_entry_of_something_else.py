"""A log proves that this signature was made in the open, not that some signature was.

CVE-2022-36056, CVE-2026-22703: any entry that was really in the log was good enough.
"""

import hashlib
import json
from dataclasses import replace

import pytest

from interlock.evidence.sigstore import Refusal, Verified
from interlock_sandbox.sigstore import LogVersion, ManagedKey, Recipe, entries
from interlock_sandbox.sigstore.log import Body
from support import managed, signed

KEY = managed.release()
PAYLOAD = signed.image_statement()
SIGNED = entries.pae("application/vnd.in-toto+json", PAYLOAD)
SIGNATURE = KEY.sign(SIGNED)
SAME = replace(KEY, sign=lambda _: SIGNATURE)
OTHER = managed.curve(KEY.public.curve)  # type: ignore[union-attr]


def code(recipe: Recipe) -> str:
    bundle = signed.instance().sign_statement(PAYLOAD, recipe)
    answer = managed.verifier(KEY, OTHER).verify(bundle, signed.now())
    return answer.code if isinstance(answer, Refusal) else "Verified"


@pytest.mark.parametrize("version", LogVersion)
def test_an_entry_that_is_in_the_log_and_of_another_certificate(version: LogVersion) -> None:
    recipe = Recipe(log_version=version)
    first, second = (json.loads(signed.signed_image(recipe)) for _ in range(2))
    second["verificationMaterial"]["tlogEntries"] = first["verificationMaterial"]["tlogEntries"]
    answer = signed.verifier().verify(json.dumps(second).encode(), signed.now())
    assert isinstance(answer, Refusal)


V1 = entries.envelope_v1(b"{}", PAYLOAD, [SIGNATURE], KEY.public)
V2 = entries.digest_v2(hashlib.sha256(SIGNED).digest(), SIGNATURE, KEY.public)


@pytest.mark.parametrize("entry", [V1, V2], ids=["v1", "v2"])
def test_the_entry_of_this_signature_is_the_one(entry: Body) -> None:
    assert code(Recipe(managed=SAME, entry=entry)) == "Verified"


@pytest.mark.parametrize(
    "entry",
    [
        entries.envelope_v1(b"{}", b"{}", [SIGNATURE], KEY.public),
        entries.envelope_v1(b"{}", PAYLOAD, [KEY.sign(SIGNED)], KEY.public),
        entries.envelope_v1(b"{}", PAYLOAD, [SIGNATURE], OTHER.public),
        entries.envelope_v1(b"{}", PAYLOAD, [SIGNATURE, SIGNATURE], KEY.public),
        entries.digest_v2(hashlib.sha256(PAYLOAD).digest(), SIGNATURE, KEY.public),
        entries.digest_v2(hashlib.sha256(SIGNED).digest(), KEY.sign(SIGNED), KEY.public),
        entries.digest_v2(hashlib.sha256(SIGNED).digest(), SIGNATURE, OTHER.public),
        entries.blob_v1(hashlib.sha256(SIGNED).digest(), SIGNATURE, KEY.public),
        V1._replace(kind=V2.kind, version=V2.version),
    ],
    ids=[
        "v1: statement",
        "v1: signature",
        "v1: key",
        "v1: two signatures",
        "v2: statement",
        "v2: signature",
        "v2: key",
        "a file's",
        "v1 as v2",
    ],
)
def test_an_entry_that_is_in_the_log_and_of_something_else(entry: Body) -> None:
    """A managed key: the library knows none, so the comparison is ours alone."""
    assert code(Recipe(managed=SAME, entry=entry)) != "Verified"


@pytest.mark.parametrize("managed_key", [None, KEY], ids=["certificate", "key"])
def test_an_entry_that_is_not_in_the_tree(managed_key: ManagedKey | None) -> None:
    recipe = Recipe(managed=managed_key, checkpoint_root=b"\0" * 32)
    assert code(recipe) == "BadSignature"
    honest = signed.instance().sign_statement(PAYLOAD, replace(recipe, checkpoint_root=None))
    assert isinstance(managed.verifier(KEY).verify(honest, signed.now()), Verified)
