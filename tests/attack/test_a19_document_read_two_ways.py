"""What is verified and what is used are one document with one meaning.

Where one parser takes the first of two keys and another the last, where one drops what is no
base64 and another stops there, a signature covers what nobody reads.
"""

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from interlock.evidence.sigstore import Refusal, Verified
from interlock_sandbox.sigstore import LogVersion, ManagedKey, Recipe
from interlock_sandbox.sigstore.log import Body
from support import managed, signed

KEY = managed.release()
EITHER = pytest.mark.parametrize("key", [None, KEY], ids=["certificate", "key"])
VERIFIER = managed.verifier(KEY)


def code(bundle: bytes) -> str:
    answer = VERIFIER.verify(bundle, signed.now())
    return answer.code if isinstance(answer, Refusal) else "Verified"


def respelled(key: ManagedKey | None, old: str, new: str) -> str:
    text = signed.signed_image(Recipe(managed=key)).decode()
    assert code(text.encode()) == "Verified"
    assert old in text
    return code(text.replace(old, new, 1).encode())


def entry(bundle: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = bundle["verificationMaterial"]["tlogEntries"][0]
    return found


@EITHER
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"payloadType"', '"payloadType": "text/plain", "payloadType"'),
        ('"payloadType"', '"payload\\u0054ype": "text/plain", "payloadType"'),
        ('"verificationMaterial"', '"verificationMaterial": {}, "verificationMaterial"'),
        ('"logIndex"', '"logIndex": NaN, "logIndex"'),
    ],
    ids=["twice", "twice, escaped", "whole part twice", "not a number"],
)
def test_a_key_that_is_there_twice(key: ManagedKey | None, old: str, new: str) -> None:
    assert respelled(key, old, new) == "Malformed"


@EITHER
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"payloadType"', '"payload_type"'),
        ('"logIndex": "', '"logIndex": " '),
        ('"treeSize": "', '"treeSize": "0'),
        ('"integratedTime": "', '"integratedTime": "+'),
        ('"payload": "', '"payload": "!'),
        ('"sig": "', '"sig": "\\n'),
        ('"canonicalizedBody": "', '"canonicalizedBody": " '),
        ('"mediaType"', '"messageSignature": null, "mediaType"'),
    ],
    ids=[
        "another name",
        "a blank in a number",
        "a leading zero",
        "a sign",
        "no base64",
        "a line in base64",
        "a blank in base64",
        "null",
    ],
)
def test_a_spelling_that_the_library_forgives(key: ManagedKey | None, old: str, new: str) -> None:
    assert respelled(key, old, new) in {"Ambiguous", "Malformed"}


@EITHER
def test_base64_of_two_spellings(key: ManagedKey | None) -> None:
    """The last digit has bits that decode to nothing: two texts, one value."""
    payload = signed.image_statement()
    payload += b" " * (4 - len(payload) % 3)
    honest = signed.instance().sign_statement(payload, Recipe(managed=key))
    text = base64.b64encode(payload).decode()
    loose = text[:-3] + chr(ord(text[-3]) + 1) + "=="
    assert base64.b64decode(loose) == payload
    assert code(honest) == "Verified"
    assert code(honest.replace(text.encode(), loose.encode(), 1)) == "Ambiguous"


def test_spaces_and_the_order_of_keys_mean_nothing() -> None:
    """A bundle may be written anew; that is why its digest alone revokes nothing for good."""
    bundle = signed.signed_image()
    value = json.loads(bundle)
    again = json.dumps(dict(reversed(value.items())), indent=2).encode()
    now = signed.now()
    first, second = (VERIFIER.verify(each, now) for each in (bundle, again))
    assert isinstance(first, Verified)
    assert first == second


@EITHER
def test_a_log_entry_with_two_specs(key: ManagedKey | None) -> None:
    """It is really in the log, and says one thing to those who read the first of two keys."""
    seen: list[bytes] = []

    def twice(bundle: dict[str, Any]) -> None:
        seen.append(base64.b64decode(entry(bundle)["canonicalizedBody"]))

    signed.signed_image(Recipe(managed=key, mutate=twice))
    body = seen[0].replace(b'"spec"', b'"spec":{},"spec"')
    recipe = Recipe(managed=key, entry=Body("dsse", "0.0.1", body))
    assert code(signed.signed_image(recipe)) == "Malformed"


@EITHER
@pytest.mark.parametrize("version", LogVersion)
@pytest.mark.parametrize(
    "change",
    [
        lambda bundle: bundle.update(x=1),
        lambda bundle: bundle["dsseEnvelope"].update(x=1),
        lambda bundle: entry(bundle).update(x=1),
        lambda bundle: bundle.update(messageSignature={"signature": "AAAA"}),
        lambda bundle: bundle["verificationMaterial"].update(x509CertificateChain={}),
    ],
    ids=["field", "in the envelope", "in the entry", "two contents", "two materials"],
)
def test_a_part_that_nobody_asked_for(
    change: Callable[[Any], None], version: LogVersion, key: ManagedKey | None
) -> None:
    recipe = Recipe(managed=key, log_version=version, mutate=change)
    assert code(signed.signed_image(recipe)) != "Verified"
