"""Signatures of records: Ed25519 over a domain tag and RFC 8785, so that any JSON writer agrees.

The tag names the kind and the part, so that a signature of one thing is never one of another. All
checks are total: what is malformed is not valid, and never an exception.
"""

import base64
import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from interlock.api import digests
from interlock.api.config import RecordKeys
from interlock.api.names import agent_namespace, decision_name, revision_name, transition_name

KEY_ID_HEX = 16
MAX_KEY_BYTES = 16 * 1024
REMEMBERED = 200_000
"""Good signatures that are remembered, 32 bytes each."""
_END = "AgentTransition/end"
_HEALTHY = "AgentTransition/healthy"
Part = Mapping[str, Any]


def key_id(key: Ed25519PublicKey) -> str:
    """Return the name of a key: the first 16 hex digits of the SHA-256 of its raw bytes."""
    return digests.sha256(key.public_bytes_raw())[:KEY_ID_HEX]


def record_digest(kind: str, spec: Part) -> str:
    """Return the digest of a whole record, its signature included.

    Raises ValueError for what JSON cannot hold.
    """
    return digests.sha256(_message(f"{kind}/record", spec))


class KeyRefused(ValueError):
    """A key file that cannot be used; the message names the file and never its content."""


class Signer:
    """Signs records with the key in force."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public = key.public_key()
        self.key_id = key_id(self.public)

    def sign(self, kind: str, spec: Part) -> dict[str, Any]:
        """Return the spec with `keyId` and `signature`. Raises ValueError for what is no JSON."""
        if not kind.isalpha():
            raise ValueError(f"the kind {kind!r} of a record has letters only")
        body = {**_unsigned(spec), "keyId": self.key_id}
        return body | {"signature": self._signature(kind, body)}

    def sign_end(self, record: str, outcome: str, at: str) -> dict[str, str]:
        """Return `status.end` of the transition whose record digest is `record`."""
        body = {"outcome": outcome, "at": at}
        return body | {"signature": self._signature(_END, _about(record, body))}

    def sign_healthy(self, record: str, at: str) -> dict[str, str]:
        """Return `status.healthy` of the transition whose record digest is `record`."""
        body = {"at": at}
        return body | {"signature": self._signature(_HEALTHY, _about(record, body))}

    def _signature(self, domain: str, value: Part) -> str:
        message = _message(domain, value)
        signature = base64.b64encode(self._key.sign(message)).decode()
        _KNOWN.add(
            _fingerprint(self.public, message, signature)
        )  # what we just signed need not be checked
        return signature


class Keyring:
    """The public keys whose signatures count: the one in force and those before it."""

    def __init__(self, keys: Iterable[Ed25519PublicKey]) -> None:
        self._keys = {key_id(key): key for key in keys}

    def valid(self, kind: str, spec: object) -> bool:
        """Whether one of our keys, the one that the spec names, signed this spec as this kind."""
        if not isinstance(spec, Mapping):
            return False
        key = self._keys.get(str(spec.get("keyId")))
        return key is not None and _holds(key, kind, _unsigned(spec), spec.get("signature"))

    def valid_end(self, record: str, end: object) -> bool:
        """Whether one of our keys signed this end of the record with digest `record`."""
        return self._valid_part(_END, record, end)

    def valid_healthy(self, record: str, healthy: object) -> bool:
        """Whether one of our keys signed that the record with digest `record` served healthy."""
        return self._valid_part(_HEALTHY, record, healthy)

    def _valid_part(self, domain: str, record: str, part: object) -> bool:
        # A part names no key: it may have been signed after a change of key.
        if not isinstance(part, Mapping):
            return False
        value, signature = _about(record, _unsigned(part)), part.get("signature")
        return any(_holds(key, domain, value, signature) for key in self._keys.values())


def in_place(kind: str, namespace: str, name: str, spec: Part) -> bool:
    """Whether a record stands where its signed content says: in that namespace, by that name.

    A signature covers the spec alone; without this a valid record could be copied elsewhere.
    """
    try:
        agent = spec["agent"]
        named = {
            "AgentRevision": lambda: revision_name(agent["name"], spec["digest"]),
            "GateDecision": lambda: decision_name(spec["revision"], spec["number"]),
            "AgentTransition": lambda: transition_name(agent["name"], spec["number"]),
        }
        home = agent_namespace(agent["namespace"], agent["name"])
        return bool(home == namespace and named[kind]() == name)
    except (KeyError, TypeError, AttributeError):
        return False


def load_keys(keys: RecordKeys) -> tuple[Signer, Keyring]:
    """Return the signer of the configured key, and the ring of it and its predecessors."""
    signer = Signer(read_private_key(keys.key_file))
    former = [read_public_key(path) for path in keys.former_public_keys]
    return signer, Keyring([signer.public, *former])


def read_private_key(path: Path) -> Ed25519PrivateKey:
    """Return the Ed25519 private key (PKCS#8 PEM, no password) in a file. Raises KeyRefused."""
    data = _read(path)
    try:
        key = load_pem_private_key(data, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # The parser's own words might quote the key.
        raise _refused(path, "private key as unencrypted PKCS#8 PEM") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise _refused(path, "private key; it holds a key of another type")
    return key


def read_public_key(path: Path) -> Ed25519PublicKey:
    """Return the Ed25519 public key (PEM) in a file. Raises KeyRefused."""
    data = _read(path)
    try:
        key = load_pem_public_key(data)
    except (ValueError, UnsupportedAlgorithm):
        raise _refused(path, "public key as PEM") from None
    if not isinstance(key, Ed25519PublicKey):
        raise _refused(path, "public key; it holds a key of another type")
    return key


def _unsigned(part: Part) -> dict[str, Any]:
    return {key: value for key, value in part.items() if key != "signature"}


def _about(record: str, body: Part) -> dict[str, Any]:
    return {"record": record, "part": body}


def _message(domain: str, value: object) -> bytes:
    return f"interlock/{domain}/v1\n".encode() + digests.canonical(value)


class _Known:
    """Signatures that were found good: checking one costs more than the rest of a look."""

    def __init__(self) -> None:
        self._good: set[bytes] = set()

    def add(self, fingerprint: bytes) -> None:
        """Remember a good signature."""
        if len(self._good) >= REMEMBERED:
            self._good.clear()
        self._good.add(fingerprint)

    def __contains__(self, fingerprint: bytes) -> bool:
        return fingerprint in self._good


def _fingerprint(key: Ed25519PublicKey, message: bytes, signature: str) -> bytes:
    """Return what stands for exactly this signature of this message by this key."""
    said = signature.encode()
    parts = (key.public_bytes_raw(), len(said).to_bytes(8, "big"), said, message)
    return hashlib.sha256(b"".join(parts)).digest()


_KNOWN = _Known()


def _holds(key: Ed25519PublicKey, domain: str, value: object, signature: object) -> bool:
    try:
        message = _message(domain, value)
        fingerprint = _fingerprint(key, message, str(signature))
        if isinstance(signature, str) and fingerprint in _KNOWN:
            return True
        raw = base64.b64decode(str(signature), validate=True)
        # Base64 has several spellings of the same bytes; only one of them was written.
        if base64.b64encode(raw).decode() != signature:
            return False
        key.verify(raw, message)
        _KNOWN.add(fingerprint)
    except (InvalidSignature, ValueError, TypeError, RecursionError):
        return False
    return True


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_KEY_BYTES)
    except OSError as error:
        raise KeyRefused(
            f"the record key {path} cannot be read: {error.strerror}; mount it, or correct "
            "`records` in the configuration."
        ) from error


def _refused(path: Path, expected: str) -> KeyRefused:
    return KeyRefused(
        f"{path} is no Ed25519 {expected}; make one with `openssl genpkey -algorithm ed25519`."
    )
