"""An envelope has one signature, over its type and its payload together, in one encoding.

Multi-signature and empty-signature envelopes, and verifiers that still accept an encoding that an
old release got wrong.
"""

from collections.abc import Callable
from dataclasses import replace

import pytest

from interlock.evidence.sigstore import Refusal
from interlock_sandbox.sigstore import LogVersion, ManagedKey, Recipe
from support import managed, signed

KEY = managed.release()
EITHER = pytest.mark.parametrize("key", [None, KEY], ids=["certificate", "key"])
PAYLOAD = signed.image_statement()
TYPE = b"application/vnd.in-toto+json"


def code(recipe: Recipe) -> str:
    answer = managed.verifier(KEY).verify(signed.signed_image(recipe), signed.now())
    return answer.code if isinstance(answer, Refusal) else "Verified"


@EITHER
@pytest.mark.parametrize("version", LogVersion)
@pytest.mark.parametrize("count", [0, 2, 3])
def test_no_signature_or_several(key: ManagedKey | None, version: LogVersion, count: int) -> None:
    assert code(Recipe(managed=key, log_version=version, signatures=count)) != "Verified"
    assert code(Recipe(managed=key, log_version=version)) == "Verified"


@EITHER
def test_an_empty_signature(key: ManagedKey | None) -> None:
    def empty(bundle: dict) -> None:  # type: ignore[type-arg]
        bundle["dsseEnvelope"]["signatures"][0]["sig"] = ""

    assert code(Recipe(managed=key, mutate=empty)) != "Verified"


@pytest.mark.parametrize(
    "encoding",
    [
        lambda pae: pae.replace(b"DSSEv1", b"DSSEV1", 1),
        lambda pae: pae.replace(b"DSSEv1", b"DSSEv0", 1),
        lambda _: PAYLOAD,
        lambda _: b"DSSEv1 " + TYPE + b" " + PAYLOAD,
        lambda _: b"DSSEv1 %d %b %d %b" % (len(PAYLOAD), PAYLOAD, len(TYPE), TYPE),
        lambda pae: pae + b" ",
        lambda pae: pae.lower(),
    ],
    ids=["DSSEV1", "DSSEv0", "none", "no lengths", "swapped", "trailing", "lower case"],
)
def test_another_encoding_of_what_is_signed(encoding: Callable[[bytes], bytes]) -> None:
    """The right key signed it, and the log has it: but it is not what an envelope says."""
    other = replace(KEY, sign=lambda pae: KEY.sign(encoding(pae)))
    assert code(Recipe(managed=other)) == "BadSignature"


@EITHER
@pytest.mark.parametrize("kind", ["text/plain", "application/vnd.in-toto+JSON", "", "é", "x y 3"])
def test_another_type_of_payload(key: ManagedKey | None, kind: str) -> None:
    assert code(Recipe(managed=key, payload_type=kind)) != "Verified"


@EITHER
def test_a_type_changed_after_signing(key: ManagedKey | None) -> None:
    def retype(bundle: dict) -> None:  # type: ignore[type-arg]
        bundle["dsseEnvelope"]["payloadType"] = TYPE.decode()

    assert code(Recipe(managed=key, payload_type="text/plain", mutate=retype)) == "BadSignature"


def test_a_signature_over_bytes_is_no_statement() -> None:
    bundle = signed.instance().sign_blob(PAYLOAD)
    answer = managed.verifier(KEY).verify(bundle, signed.now())
    assert isinstance(answer, Refusal)
    assert answer.code == "NoStatement"
