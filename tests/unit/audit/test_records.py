"""A record is valid only as it was signed, by a key of ours, as the thing that was signed."""

import base64
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from interlock.api.config import RecordKeys
from interlock.api.names import agent_namespace
from interlock.audit.records import (
    KeyRefused,
    Keyring,
    Signer,
    in_place,
    key_id,
    load_keys,
    read_private_key,
    read_public_key,
    record_digest,
)

SPEC = {"number": 3, "reason": "Unhealthy", "nested": {"list": [1, 2.5, None, True, "ü"]}}
AT = "2026-11-22T10:00:00Z"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def test_a_signed_record_is_valid_and_names_its_key(signer: Signer, keyring: Keyring) -> None:
    signed = signer.sign("AgentTransition", SPEC)
    assert keyring.valid("AgentTransition", signed)
    assert signed == SPEC | {"keyId": key_id(signer.public), "signature": signed["signature"]}


def test_the_same_json_written_otherwise_is_the_same_record(
    signer: Signer, keyring: Keyring
) -> None:
    signed = signer.sign("AgentTransition", {"a": 1.0, "b": 2})
    assert keyring.valid("AgentTransition", dict(reversed(signed.items())) | {"a": 1})


@pytest.mark.parametrize(
    "change",
    [
        {"number": 4},
        {"reason": "unhealthy"},
        {"nested": {}},
        {"more": ""},
        {"keyId": "0" * 16},
        {"keyId": None},
        {"signature": ""},
        {"signature": None},
        {"signature": "ü"},
        {"signature": base64.b64encode(bytes(64)).decode()},
    ],
)
def test_any_change_makes_it_invalid(
    signer: Signer, keyring: Keyring, change: dict[str, Any]
) -> None:
    assert not keyring.valid("AgentTransition", signer.sign("AgentTransition", SPEC) | change)


def test_a_missing_field_makes_it_invalid(signer: Signer, keyring: Keyring) -> None:
    signed = signer.sign("AgentTransition", SPEC)
    for field in signed:
        rest = {key: value for key, value in signed.items() if key != field}
        assert not keyring.valid("AgentTransition", rest), field


def test_another_spelling_of_the_same_signature_is_refused(
    signer: Signer, keyring: Keyring
) -> None:
    signed = signer.sign("AgentTransition", SPEC)
    # The last digit before the padding carries two or four bits that decoders ignore.
    signature = signed["signature"]
    digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    other = signature[:-3] + digits[digits.index(signature[-3]) ^ 1] + "=="
    assert base64.b64decode(other) == base64.b64decode(signature)
    assert not keyring.valid("AgentTransition", signed | {"signature": other})


def test_a_signature_of_one_kind_is_none_of_another(signer: Signer, keyring: Keyring) -> None:
    assert not keyring.valid("GateDecision", signer.sign("AgentTransition", SPEC))


def test_a_strangers_signature_is_none(signer: Signer, stranger: Signer, keyring: Keyring) -> None:
    forged = stranger.sign("AgentTransition", SPEC)
    assert not keyring.valid("AgentTransition", forged)
    assert not keyring.valid("AgentTransition", forged | {"keyId": signer.key_id})


def test_a_former_key_stays_good_for_records_and_their_parts(
    signer: Signer, stranger: Signer
) -> None:
    both = Keyring([signer.public, stranger.public])
    record = stranger.sign("AgentTransition", SPEC)
    digest = record_digest("AgentTransition", record)
    assert both.valid("AgentTransition", record)
    assert both.valid_end(digest, signer.sign_end(digest, "Committed", AT))


@pytest.mark.parametrize("kind", ["", "Agent/end", "A\n", "AgentTransition/end"])
def test_a_kind_that_could_be_taken_for_another_tag_is_refused(signer: Signer, kind: str) -> None:
    with pytest.raises(ValueError, match="letters only"):
        signer.sign(kind, SPEC)


def test_what_json_cannot_hold_is_not_signed(signer: Signer) -> None:
    with pytest.raises(ValueError, match="nan"):
        signer.sign("AgentTransition", {"x": float("nan")})


@given(value=JSON)
def test_malformed_input_is_invalid_and_never_an_exception(
    signer: Signer, keyring: Keyring, value: object
) -> None:
    assert not keyring.valid("AgentTransition", value)
    assert not keyring.valid_end("0" * 64, value)
    assert not keyring.valid_healthy("0" * 64, value)
    framed = {"x": value, "keyId": signer.key_id, "signature": base64.b64encode(bytes(64)).decode()}
    assert not keyring.valid("AgentTransition", framed)


def test_depth_without_end_is_invalid_and_never_an_exception(
    signer: Signer, keyring: Keyring
) -> None:
    deep: object = 0
    for _ in range(100_000):
        deep = [deep]
    framed = {"x": deep, "keyId": signer.key_id, "signature": base64.b64encode(bytes(64)).decode()}
    assert not keyring.valid("AgentTransition", framed)


def test_the_digest_of_a_record_covers_kind_content_and_signature(
    signer: Signer, stranger: Signer
) -> None:
    one, other = (who.sign("AgentTransition", SPEC) for who in (signer, stranger))
    digests = {
        record_digest("AgentTransition", one),
        record_digest("AgentTransition", one | {"signature": other["signature"]}),
        record_digest("AgentTransition", one | {"number": 4}),
        record_digest("GateDecision", one),
    }
    assert len(digests) == 4


def test_an_end_belongs_to_its_record_and_says_what_was_signed(
    signer: Signer, keyring: Keyring
) -> None:
    end = signer.sign_end("1" * 64, "Committed", AT)
    assert keyring.valid_end("1" * 64, end)
    assert not keyring.valid_end("2" * 64, end)
    for change in ({"outcome": "Failed"}, {"at": AT[:-1]}, {"more": 1}, {"record": "1" * 64}):
        assert not keyring.valid_end("1" * 64, end | change)


def test_an_end_is_no_health_and_health_no_end(signer: Signer, keyring: Keyring) -> None:
    healthy = signer.sign_healthy("1" * 64, AT)
    assert keyring.valid_healthy("1" * 64, healthy)
    assert not keyring.valid_healthy("2" * 64, healthy)
    assert not keyring.valid_end("1" * 64, healthy)
    same = {"at": AT, "signature": signer.sign_end("1" * 64, "Committed", AT)["signature"]}
    assert not keyring.valid_healthy("1" * 64, same)


AGENT = {"namespace": "line-4", "name": "press", "uid": "u"}
HOME = agent_namespace("line-4", "press")


@pytest.mark.parametrize(
    ("kind", "name", "spec"),
    [
        ("AgentRevision", "press-ababababab", {"digest": "ab" * 32}),
        ("GateDecision", "press-ababababab-2", {"revision": "press-ababababab", "number": 2}),
        ("AgentTransition", "press-2", {"number": 2}),
    ],
)
def test_a_record_is_in_place_only_in_its_namespace_by_its_name(
    kind: str, name: str, spec: dict[str, Any]
) -> None:
    body = {"agent": AGENT, **spec}
    assert in_place(kind, HOME, name, body)
    assert not in_place(kind, agent_namespace("line-4", "other"), name, body)
    assert not in_place(kind, HOME, f"{name}0", body)
    assert not in_place(kind, HOME, name, {"agent": AGENT})
    assert not in_place(kind, HOME, name, {**body, "agent": 3})
    assert not in_place("Pod", HOME, name, body)


def write(path: Path, key: Any, *, public: bool = False) -> Path:
    data = (
        key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        if public
        else key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    path.write_bytes(data)
    return path


def test_keys_are_loaded_from_the_configured_files(tmp_path: Path) -> None:
    key, former = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    config = RecordKeys(
        key_file=write(tmp_path / "key.pem", key),
        former_public_keys=[write(tmp_path / "former.pem", former, public=True)],
    )
    signer, keyring = load_keys(config)
    assert keyring.valid("AgentTransition", signer.sign("AgentTransition", SPEC))
    assert keyring.valid("AgentTransition", Signer(former).sign("AgentTransition", SPEC))


def test_a_key_file_of_another_sort_is_refused_without_showing_it(tmp_path: Path) -> None:
    curve = ec.generate_private_key(ec.SECP256R1())
    junk = tmp_path / "junk.pem"
    junk.write_text("-----BEGIN PRIVATE KEY-----\nc2VjcmV0LXRleHQ=\n-----END PRIVATE KEY-----\n")
    private = write(tmp_path / "curve.pem", curve)
    public = write(tmp_path / "curve.pub", curve, public=True)
    for path in (private, public, junk):
        with pytest.raises(KeyRefused, match="is no Ed25519 private key") as refused:
            read_private_key(path)
        assert "c2VjcmV0" not in str(refused.value)
        with pytest.raises(KeyRefused, match="is no Ed25519 public key"):
            read_public_key(path)


def test_a_missing_key_file_is_a_sentence_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(KeyRefused, match=r"absent.pem cannot be read: No such file.*; mount it"):
        read_private_key(tmp_path / "absent.pem")
