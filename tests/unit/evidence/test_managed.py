"""Signatures with keys of one's own: what they prove, and that time still comes from witnesses."""

import base64
import datetime as dt
import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding

from interlock.api import facts
from interlock.evidence.sigstore import Refusal, SigstoreVerifier, Verified
from interlock.policy.signers import key_identity
from interlock_sandbox.sigstore import Instance, LogVersion, ManagedKey, Recipe, Window
from interlock_sandbox.sigstore.entries import envelope_v1, pae
from interlock_sandbox.sigstore.log import Body
from support import managed, signed

NOW = signed.now()
KEY = managed.release()
OTHER = managed.curve(ec.SECP256R1())


def judge(recipe: Recipe, *keys: ManagedKey) -> Verified | Refusal:
    return managed.verifier(*(keys or (KEY,))).verify(signed.signed_image(recipe), signed.now())


def code(recipe: Recipe, *keys: ManagedKey) -> str:
    answer = judge(recipe, *keys)
    return answer.code if isinstance(answer, Refusal) else "Verified"


@pytest.mark.parametrize("version", LogVersion)
@pytest.mark.parametrize("make", managed.KEYS.values(), ids=managed.KEYS)
def test_a_key_s_signature_proves_what_was_signed_with_it_and_when(
    make: Any, version: LogVersion
) -> None:
    key = make()
    recipe = Recipe(managed=key, time=NOW - dt.timedelta(days=1), log_version=version)
    assert judge(recipe, OTHER, key) == Verified(
        identity=key_identity(managed.pem(key)),
        issuer="",
        at=(NOW - dt.timedelta(days=1)).replace(microsecond=0),
        statement=hashlib.sha256(signed.image_statement()).hexdigest(),
        predicate_type=facts.COSIGN,
        subjects=(("oci-manifest", signed.IMAGE),),
        predicate={},
        extensions={},
    )


def test_a_timestamp_is_time_enough_where_nothing_is_logged() -> None:
    answer = judge(Recipe(managed=KEY, tlog_entries=0, timestamps=(NOW,)))
    assert isinstance(answer, Verified)
    assert answer.at == NOW.replace(microsecond=0)


def test_a_root_without_certificate_authorities_serves_keys() -> None:
    root = json.loads(signed.instance().trusted_root())
    root |= {"certificateAuthorities": [], "ctlogs": [], "tlogs": []}
    verifier = SigstoreVerifier(json.dumps(root).encode(), [managed.pem(KEY)])
    stamped = Recipe(managed=KEY, tlog_entries=0, timestamps=(NOW,))
    assert isinstance(verifier.verify(signed.signed_image(stamped), signed.now()), Verified)
    answer = verifier.verify(signed.signed_image(), signed.now())
    assert isinstance(answer, Refusal)
    assert answer.code == "OutsideTrust"


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe(managed=KEY, tlog_entries=0),
        Recipe(managed=KEY, promise=False),
        Recipe(managed=KEY, log_version=LogVersion.V2, timestamps=()),
        Recipe(managed=KEY, timestamps=(NOW, NOW)),
    ],
    ids=["nothing", "no promise", "no timestamp", "two timestamps"],
)
def test_a_key_alone_proves_no_time(recipe: Recipe) -> None:
    assert code(recipe) == "NoTime"


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe(managed=OTHER),
        Recipe(managed=replace(KEY, sign=OTHER.sign)),
        Recipe(managed=managed.curve(ec.SECP256R1(), hashes.SHA1())),  # noqa: S303
    ],
    ids=["unknown", "claimed", "unknown and weak"],
)
def test_a_key_that_policy_does_not_name_proves_nothing(recipe: Recipe) -> None:
    assert code(recipe) == "BadSignature"


@pytest.mark.parametrize(
    "key",
    [
        managed.curve(ec.SECP256R1(), hashes.SHA1()),  # noqa: S303
        managed.rsa_key(padding.PKCS1v15(), hashes.SHA1()),  # noqa: S303
    ],
    ids=["ECDSA", "RSA"],
)
def test_a_weak_hash_proves_nothing(key: ManagedKey) -> None:
    assert code(Recipe(managed=key), key) == "BadSignature"


def test_the_hint_says_nothing() -> None:
    assert code(Recipe(managed=KEY, hint="another")) == "Verified"
    assert code(Recipe(managed=OTHER, hint=key_identity(managed.pem(KEY)))) == "BadSignature"


def _own(payload: bytes, **changes: Any) -> tuple[ManagedKey, Body]:
    """A key that signs as it did before, and the entry of that, changed."""
    signature = KEY.sign(pae("application/vnd.in-toto+json", payload))
    entry = envelope_v1(b"{}", payload, [signature], KEY.public)
    body = json.loads(entry.content)
    body["spec"] |= changes
    return replace(KEY, sign=lambda _: signature), entry._replace(content=json.dumps(body).encode())


def test_the_entry_of_this_very_signature_is_one_however_it_came_about() -> None:
    key, entry = _own(signed.image_statement())
    assert code(Recipe(managed=key, entry=entry)) == "Verified"


def _signature(**changes: Any) -> dict[str, Any]:
    signature = base64.b64encode(KEY.sign(b"")).decode()
    verifier = base64.b64encode(managed.pem(KEY).encode()).decode()
    return {"signatures": [{"signature": signature, "verifier": verifier} | changes]}


@pytest.mark.parametrize(
    "changes",
    [
        {"payloadHash": {"algorithm": "sha256", "value": "0" * 64}},
        {"payloadHash": {"algorithm": "sha512", "value": "0" * 64}},
        {"signatures": []},
        {"signatures": _signature()["signatures"] * 2},
        _signature(),
        _signature(verifier="AAAA"),
    ],
)
def test_each_part_of_an_entry_is_compared(changes: dict[str, Any]) -> None:
    key, entry = _own(signed.image_statement(), **changes)
    assert code(Recipe(managed=key, entry=entry)) in {"BadEntry", "Malformed"}


def test_an_entry_is_read_in_one_way_only() -> None:
    key, entry = _own(signed.image_statement())
    twice = entry._replace(content=entry.content.replace(b'"spec"', b'"spec": {}, "spec"'))
    assert code(Recipe(managed=key, entry=twice)) == "Malformed"
    other = entry._replace(kind="intoto")
    assert code(Recipe(managed=key, entry=other)) == "BadEntry"


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe(managed=KEY, tlog_entries=2),
        Recipe(managed=KEY, tlog_entries=2, log_version=LogVersion.V2),
        Recipe(managed=KEY, signatures=2),
        Recipe(managed=KEY, signatures=0),
        Recipe(managed=KEY, payload_type="text/plain"),
        Recipe(managed=KEY, checkpoint_size=9999),
        Recipe(managed=KEY, checkpoint_origin="rekor.other.example"),
        Recipe(managed=KEY, checkpoint_root=b"\0" * 32),
        Recipe(managed=KEY, time=NOW + dt.timedelta(days=1)),
        Recipe(managed=KEY, log=Instance.create("other.example").authorities.log),
        Recipe(
            managed=KEY,
            log_version=LogVersion.V2,
            tsa=Instance.create("other.example").authorities.tsa,
        ),
        Recipe(
            managed=KEY,
            mutate=lambda bundle: bundle["verificationMaterial"].update(publicKey={"hint": None}),
        ),
    ],
)
def test_all_else_is_asked_as_of_every_bundle(recipe: Recipe) -> None:
    assert code(recipe) != "Verified"


@pytest.mark.parametrize(("version", "role"), [(LogVersion.V1, "log"), (LogVersion.V2, "tsa")])
def test_a_retired_witness_vouches_for_nothing_new(version: LogVersion, role: Any) -> None:
    window = Window(NOW - dt.timedelta(days=30), NOW - dt.timedelta(days=1))
    root = signed.instance().trusted_root({role: window})
    verifier = SigstoreVerifier(root, [managed.pem(KEY)])
    for time, proven in ((NOW, False), (NOW - dt.timedelta(days=2), True)):
        recipe = Recipe(managed=KEY, time=time, log_version=version)
        answer = verifier.verify(signed.signed_image(recipe), signed.now())
        assert isinstance(answer, Verified) is proven


def test_a_key_that_may_not_sign_is_an_error_at_once() -> None:
    with pytest.raises(ValueError, match="P-256"):
        managed.verifier(managed.curve(ec.SECP521R1()))
