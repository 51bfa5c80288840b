"""Signatures made with keys that somebody keeps: in a KMS, an HSM or a file, without certificates.

Such a key has no authority that says whose it is and no end of its own, so policy names it outright
and time still comes from a log or a timestamp authority. The bundle's hint says nothing: the key is
the one that the signature holds with.
"""

import base64
import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding

from interlock.evidence.statement import MAX_STATEMENT_BYTES, Refused
from interlock.policy import strict_json
from interlock.policy.signers import ManagedKey, key_identity, managed_key, spki

_HASHES: Mapping[str, Callable[[bytes], Any]] = {
    "SHA2_256": hashlib.sha256,
    "SHA2_384": hashlib.sha384,
    "SHA2_512": hashlib.sha512,
}
_V1 = ("dsse", "0.0.1")
_V2 = ("hashedrekord", "0.0.2")


class ManagedKeys:
    """The keys that policy names. Raises ValueError for one that may not sign."""

    def __init__(self, pems: Iterable[str]) -> None:
        self._keys = {key_identity(pem): managed_key(pem) for pem in pems}

    def signer(self, signed: bytes, signature: bytes) -> tuple[str, ManagedKey]:
        """Return with whose key the signature holds, as identity and key. Raises Refused."""
        for identity, key in self._keys.items():
            if _holds(key, signature, signed):
                return identity, key
        got = "a signature that holds with none of the keys"
        raise Refused("BadSignature", got, f"one of the {len(self._keys)} keys of trust.yaml")


@dataclass(frozen=True, slots=True)
class Logged:
    """A log entry: its kind as the bundle has it, and the body that is proven to be in the log."""

    kind: Mapping[str, str]
    body: bytes

    def check(self, key: ManagedKey, signed: bytes, payload: bytes, signature: bytes) -> None:
        """Refuse an entry of another signature, key or statement (CVE-2022-36056)."""
        entry: Any = strict_json.load(self.body, limit=MAX_STATEMENT_BYTES)
        said = (entry["kind"], entry["apiVersion"])
        if said != (self.kind["kind"], self.kind["version"]) or said not in (_V1, _V2):
            raise Refused("BadEntry", f"a log entry {said}"[:100], f"{_V1} or {_V2}")
        if said == _V1:
            same = _same_v1(entry["spec"], key, payload, signature)
        else:
            same = _same_v2(entry["spec"]["hashedRekordV002"], key, signed, signature)
        if not same:
            raise Refused("BadEntry", "an entry of something else", "the entry of this signature")


def _same_v1(spec: Any, key: ManagedKey, payload: bytes, signature: bytes) -> bool:
    """Compare what Rekor v1 logs; the hash of the envelope's JSON is nobody's to check."""
    (one,) = spec["signatures"]
    verifier = base64.b64decode(one["verifier"], validate=True).decode()
    hashed = {"algorithm": "sha256", "value": hashlib.sha256(payload).hexdigest()}
    return bool(
        spec["payloadHash"] == hashed
        and one["signature"] == _b64(signature)
        and spki(managed_key(verifier)) == spki(key)
    )


def _same_v2(said: Any, key: ManagedKey, signed: bytes, signature: bytes) -> bool:
    """Compare what Rekor v2 logs: a digest over what was signed."""
    digest = _HASHES[said["data"]["algorithm"]](signed).digest()
    return bool(
        said["data"]["digest"] == _b64(digest)
        and said["signature"]["content"] == _b64(signature)
        and said["signature"]["verifier"]["publicKey"]["rawBytes"] == _b64(spki(key))
    )


def _holds(key: ManagedKey, signature: bytes, signed: bytes) -> bool:
    """Whether a signature holds in one of the ways in which a key of this kind may sign."""
    if isinstance(key, ed25519.Ed25519PublicKey):
        return _valid(lambda: key.verify(signature, signed))
    if isinstance(key, ec.EllipticCurvePublicKey):
        wide = (hashes.SHA384(),) if isinstance(key.curve, ec.SECP384R1) else ()
        ways = (ec.ECDSA(algorithm) for algorithm in (hashes.SHA256(), *wide))
        return any(_valid(partial(key.verify, signature, signed, way)) for way in ways)
    sha256 = hashes.SHA256()
    paddings = (padding.PSS(padding.MGF1(sha256), padding.PSS.AUTO), padding.PKCS1v15())
    return any(_valid(partial(key.verify, signature, signed, one, sha256)) for one in paddings)


def _valid(verify: Callable[[], None]) -> bool:
    try:
        verify()
    except InvalidSignature:
        return False
    return True


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()
