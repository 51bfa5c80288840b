"""Bodies of log entries: what exactly Rekor v1 and v2 write into their trees (RFC 8785 bytes)."""

import hashlib
from collections.abc import Sequence
from typing import Any

import rfc8785
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from interlock_sandbox.sigstore.certificates import LeafKey, LeafPublicKey, der, pem
from interlock_sandbox.sigstore.keys import b64
from interlock_sandbox.sigstore.log import Body

Signer = x509.Certificate | LeafPublicKey
"""With what a signature is verified: a certificate, or a key that somebody keeps."""


def blob_v1(digest: bytes, signature: bytes, signer: Signer) -> Body:
    """A signature over a file, in Rekor v1."""
    public_key = {"content": b64(_pem(signer))}
    spec = {
        "data": {"hash": {"algorithm": "sha256", "value": digest.hex()}},
        "signature": {"content": b64(signature), "publicKey": public_key},
    }
    return _body("hashedrekord", "0.0.1", spec)


def envelope_v1(
    envelope: bytes, payload: bytes, signatures: Sequence[bytes], signer: Signer
) -> Body:
    """A DSSE envelope, in Rekor v1."""
    verifier = b64(_pem(signer))
    spec = {
        "envelopeHash": _sha256(envelope),
        "payloadHash": _sha256(payload),
        "signatures": [{"signature": b64(one), "verifier": verifier} for one in signatures],
    }
    return _body("dsse", "0.0.1", spec)


def digest_v2(digest: bytes, signature: bytes, signer: Signer, key: LeafKey = LeafKey.P256) -> Body:
    """A signature over anything, in Rekor v2; of a DSSE envelope the digest is of its PAE."""
    field = "x509Certificate" if isinstance(signer, x509.Certificate) else "publicKey"
    verifier = {"keyDetails": str(key), field: {"rawBytes": b64(_der(signer))}}
    algorithm = {32: "SHA2_256", 48: "SHA2_384"}[len(digest)]
    entry = {
        "data": {"algorithm": algorithm, "digest": b64(digest)},
        "signature": {"content": b64(signature), "verifier": verifier},
    }
    return _body("hashedrekord", "0.0.2", {"hashedRekordV002": entry})


def pae(payload_type: str, payload: bytes) -> bytes:
    """DSSE's pre-authentication encoding: what is really signed."""
    encoded = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(encoded), encoded, len(payload), payload)


def _body(kind: str, version: str, spec: dict[str, Any]) -> Body:
    content = rfc8785.dumps({"apiVersion": version, "kind": kind, "spec": spec})
    return Body(kind, version, content)


def _pem(signer: Signer) -> bytes:
    if isinstance(signer, x509.Certificate):
        return pem(signer).encode()
    return signer.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def _der(signer: Signer) -> bytes:
    if isinstance(signer, x509.Certificate):
        return der(signer)
    return signer.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _sha256(data: bytes) -> dict[str, str]:
    return {"algorithm": "sha256", "value": hashlib.sha256(data).hexdigest()}
