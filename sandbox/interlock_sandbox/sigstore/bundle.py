"""The one builder of bundles: honest by default, and each field can be turned into an attack."""

import datetime as dt
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from interlock_sandbox.sigstore import entries
from interlock_sandbox.sigstore.certificates import (
    LEAF_LIFETIME,
    Authority,
    Leaf,
    LeafKey,
    LeafPrivateKey,
    LeafPublicKey,
    Sct,
    der,
)
from interlock_sandbox.sigstore.keys import Key, b64
from interlock_sandbox.sigstore.log import Body, Claims, Log
from interlock_sandbox.sigstore.timestamp import TimestampAuthority

IN_TOTO = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
BUNDLE_V03 = "application/vnd.dev.sigstore.bundle.v0.3+json"


class LogVersion(StrEnum):
    """Which Rekor wrote the entry: v1 promises a time, v2 needs a timestamp authority for it."""

    V1 = "v1"
    V2 = "v2"


@dataclass(frozen=True, slots=True)
class Authorities:
    """Everybody whose signature a bundle carries, save the signer."""

    ca: Authority
    ct: Key
    log: Log
    tsa: TimestampAuthority


@dataclass(frozen=True, slots=True)
class ManagedKey:
    """A key that somebody keeps, as in a KMS: nobody certifies it, and it signs in its own way."""

    public: LeafPublicKey
    sign: Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How to make a bundle. Give `payload` or `artifact_digest`; all else has an honest default.

    What is overridden here is signed as overridden. `mutate` changes the JSON after signing.
    `ca`, `ct`, `log` and `tsa` take another instance's keys in place of one's own.
    """

    payload: bytes | None = None  # DSSE
    payload_type: str = IN_TOTO
    artifact_digest: bytes | None = None  # SHA-256; message signature
    message_digest: bool = True

    identity: str = "https://ci.example/trainer"
    issuer: str = "https://oidc.sigstore.example"
    issuer_v2: str | None = None
    extensions: Mapping[str, str] = field(default_factory=dict)  # certificates.FULCIO_EXTENSIONS
    time: dt.datetime | None = None  # the moment of signing; None is now
    lifetime: dt.timedelta = LEAF_LIFETIME
    key: LeafKey = LeafKey.P256
    managed: ManagedKey | None = None  # signs a payload with this, in place of a certified key
    hint: str = "release"  # what the bundle says of a managed key
    sct: Sct = Sct.PRESENT
    sct_log_id: bytes | None = None

    log_version: LogVersion = LogVersion.V1
    entry: Body | None = None  # logs this in place of the entry for this signature
    integrated_time: dt.datetime | None = None  # None is `time` in v1, none at all in v2
    promise: bool | None = None  # signed entry timestamp (SET); None is yes in v1, no in v2
    log_id: bytes | None = None
    log_index: int | None = None
    checkpoint_origin: str | None = None
    checkpoint_size: int | None = None
    checkpoint_root: bytes | None = None
    timestamps: tuple[dt.datetime, ...] | None = None  # None is none in v1, `time` in v2

    signatures: int = 1
    tlog_entries: int = 1
    media_type: str = BUNDLE_V03
    ca: Authority | None = None
    ct: Key | None = None
    log: Log | None = None
    tsa: TimestampAuthority | None = None
    mutate: Callable[[dict[str, Any]], None] | None = None


def statement(predicate_type: str, predicate: object, subjects: Mapping[str, str]) -> bytes:
    """An in-toto Statement v1 about `subjects` (name: SHA-256 in hex)."""
    named = [{"name": name, "digest": {"sha256": digest}} for name, digest in subjects.items()]
    parts = {"subject": named, "predicateType": predicate_type, "predicate": predicate}
    return json.dumps({"_type": STATEMENT_TYPE, **parts}).encode()


def build(recipe: Recipe, own: Authorities) -> bytes:
    """The bundle's JSON. Raises ValueError unless exactly one kind of content is given."""
    time = recipe.time or dt.datetime.now(dt.UTC)
    tsa = recipe.tsa or own.tsa
    signer, material = _signer(recipe, own, time)
    content, signatures, body = _content(recipe, signer)
    bundle: dict[str, Any] = {
        "mediaType": recipe.media_type,
        "verificationMaterial": {
            **material,
            "tlogEntries": [
                (recipe.log or own.log).add(recipe.entry or body, _claims(recipe, time))
                for _ in range(recipe.tlog_entries)
            ],
        },
        **content,
    }
    if stamped := _stamps(recipe, time, signatures, tsa):
        bundle["verificationMaterial"]["timestampVerificationData"] = {"rfc3161Timestamps": stamped}
    if recipe.mutate:
        recipe.mutate(bundle)
    return json.dumps(bundle).encode()


@dataclass(frozen=True, slots=True)
class _Signer:
    """Signs bytes, and is logged under a certificate or a key; `private` signs digests, too."""

    sign: Callable[[bytes], bytes]
    shown: entries.Signer
    private: LeafPrivateKey | None = None


def _signer(recipe: Recipe, own: Authorities, time: dt.datetime) -> tuple[_Signer, dict[str, Any]]:
    """Who signs, and what the bundle holds to verify it with."""
    if recipe.managed:
        material = {"publicKey": {"hint": recipe.hint}}
        return _Signer(recipe.managed.sign, recipe.managed.public), material
    private = recipe.key.generate()
    ca, ct = recipe.ca or own.ca, recipe.ct or own.ct
    certificate = ca.issue(_leaf(recipe, time), private.public_key(), ct)
    signer = _Signer(partial(_sign, private), certificate, private)
    return signer, {"certificate": {"rawBytes": b64(der(certificate))}}


def _leaf(recipe: Recipe, time: dt.datetime) -> Leaf:
    return Leaf(
        identity=recipe.identity,
        issuer=recipe.issuer,
        issuer_v2=recipe.issuer_v2,
        extensions=recipe.extensions,
        not_before=time,
        lifetime=recipe.lifetime,
        sct=recipe.sct,
        sct_log_id=recipe.sct_log_id,
    )


def _content(recipe: Recipe, signer: _Signer) -> tuple[dict[str, Any], list[bytes], Body]:
    if (recipe.payload is None) == (recipe.artifact_digest is None):
        raise ValueError("A recipe takes either a payload or an artifact_digest.")
    if recipe.payload is not None:
        return _envelope(recipe, recipe.payload, signer)
    if signer.private is None:
        raise ValueError("A managed key signs payloads only.")
    return _message(recipe, recipe.artifact_digest or b"", signer.private, signer.shown)


def _envelope(
    recipe: Recipe, payload: bytes, signer: _Signer
) -> tuple[dict[str, Any], list[bytes], Body]:
    signed = entries.pae(recipe.payload_type, payload)
    signatures = [signer.sign(signed) for _ in range(recipe.signatures)]
    envelope = {
        "payload": b64(payload),
        "payloadType": recipe.payload_type,
        "signatures": [{"sig": b64(signature)} for signature in signatures],
    }
    if recipe.log_version is LogVersion.V1:
        encoded = json.dumps(envelope).encode()
        body = entries.envelope_v1(encoded, payload, signatures, signer.shown)
    else:
        # Rekor v2 hashes with the key's own algorithm, though DSSE signs with SHA-256.
        algorithm = hashlib.sha384 if recipe.key is LeafKey.P384 else hashlib.sha256
        first = signatures[0] if signatures else b""
        body = entries.digest_v2(algorithm(signed).digest(), first, signer.shown, recipe.key)
    return {"dsseEnvelope": envelope}, signatures, body


def _message(
    recipe: Recipe, digest: bytes, private: LeafPrivateKey, signer: entries.Signer
) -> tuple[dict[str, Any], list[bytes], Body]:
    signature = _sign_digest(private, digest)
    message: dict[str, Any] = {"signature": b64(signature)}
    if recipe.message_digest:
        message["messageDigest"] = {"algorithm": "SHA2_256", "digest": b64(digest)}
    if recipe.log_version is LogVersion.V1:
        body = entries.blob_v1(digest, signature, signer)
    else:
        body = entries.digest_v2(digest, signature, signer, recipe.key)
    return {"messageSignature": message}, [signature], body


def _claims(recipe: Recipe, time: dt.datetime) -> Claims:
    v1 = recipe.log_version is LogVersion.V1
    integrated = recipe.integrated_time or (time if v1 else None)
    return Claims(
        integrated_time=None if integrated is None else int(integrated.timestamp()),
        promise=v1 if recipe.promise is None else recipe.promise,
        log_id=recipe.log_id,
        log_index=recipe.log_index,
        origin=recipe.checkpoint_origin,
        size=recipe.checkpoint_size,
        root=recipe.checkpoint_root,
    )


def _stamps(
    recipe: Recipe, time: dt.datetime, signatures: list[bytes], tsa: TimestampAuthority
) -> list[dict[str, str]]:
    default = (time,) if recipe.log_version is LogVersion.V2 else ()
    times = default if recipe.timestamps is None else recipe.timestamps
    first = signatures[0] if signatures else b""
    return [{"signedTimestamp": b64(tsa.stamp(first, when))} for when in times]


def _sign(private: LeafPrivateKey, data: bytes) -> bytes:
    if isinstance(private, ed25519.Ed25519PrivateKey):
        return private.sign(data)
    return _sign_digest(private, hashlib.sha256(data).digest())


def _sign_digest(private: LeafPrivateKey, digest: bytes) -> bytes:
    prehashed = Prehashed(hashes.SHA256())
    if isinstance(private, ec.EllipticCurvePrivateKey):
        return private.sign(digest, ec.ECDSA(prehashed))
    if isinstance(private, ed25519.Ed25519PrivateKey):
        raise ValueError("Ed25519 cannot sign a digest: give the recipe a payload instead.")
    return private.sign(digest, padding.PKCS1v15(), prehashed)
