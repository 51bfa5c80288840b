"""What the service answers: one function an endpoint, from parsed request to parsed response.

Real checks, as the real services make them: tokens, proofs of possession and signatures are
verified before anything is issued or logged.
"""

import base64
import datetime as dt
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from jwt import InvalidTokenError

from interlock_sandbox.sigstore import entries, identity
from interlock_sandbox.sigstore.certificates import Leaf, pem
from interlock_sandbox.sigstore.instance import Instance
from interlock_sandbox.sigstore.log import Body, Claims


class Refused(Exception):
    """A request that is answered with an HTTP error; the message says what was wrong."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Certificate authority, log, timestamps and identities of one instance at one address."""

    instance: Instance
    url: str

    def token(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Mints an identity token for any subject."""
        subject, claims = request["subject"], request.get("claims", {})
        if not isinstance(subject, str) or not isinstance(claims, dict):
            raise Refused(400, "Send JSON {subject: text, claims: object}.")
        token = identity.mint(self.instance.oidc, self.url, subject, claims, _now())
        seconds = int(identity.LIFETIME.total_seconds())
        return {"access_token": token, "token_type": "Bearer", "expires_in": seconds}

    def certificate(self, request: Mapping[str, Any], token: str) -> dict[str, Any]:
        """Fulcio: a signing certificate for the token's subject and the CSR's key."""
        try:
            claims = identity.verify(self.instance.oidc, token)
        except InvalidTokenError as error:
            raise Refused(401, f"The identity token was not accepted: {error}.") from error
        encoded = base64.b64decode(request["certificateSigningRequest"], validate=True)
        csr = x509.load_pem_x509_csr(encoded)
        public_key = csr.public_key()
        if not csr.is_signature_valid or not isinstance(public_key, ec.EllipticCurvePublicKey):
            raise Refused(400, "The signing request must be signed by the EC key that it names.")
        own = self.instance.authorities
        leaf = Leaf(
            identity=claims["sub"],
            issuer=claims["iss"],
            extensions=claims.get("extensions", {}),
            not_before=_now(),
        )
        chain = [own.ca.issue(leaf, public_key, own.ct), own.ca.intermediate, own.ca.root]
        certificates = [pem(certificate) for certificate in chain]
        return {"signedCertificateEmbeddedSct": {"chain": {"certificates": certificates}}}

    def log_v1(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Rekor v1: an entry with its time, promised and proven."""
        kinds: dict[str, Callable[[Mapping[str, Any]], Body]] = {
            "hashedrekord": _blob_v1,
            "dsse": _envelope_v1,
        }
        if request["kind"] not in kinds or request["apiVersion"] != "0.0.1":
            raise Refused(400, "Only hashedrekord 0.0.1 and dsse 0.0.1 are logged here.")
        body = kinds[request["kind"]](request["spec"])
        claims = Claims(integrated_time=int(_now().timestamp()), promise=True)
        return _v1_response(self.instance.authorities.log.add(body, claims))

    def log_v2(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Rekor v2: an entry without a time."""
        asked = request["hashedRekordRequestV002"]
        signed = asked["signature"]
        raw = _decode(signed["verifier"]["x509Certificate"]["rawBytes"])
        certificate = x509.load_der_x509_certificate(raw)
        digest, signature = _decode(asked["digest"]), _decode(signed["content"])
        _check(certificate, signature, digest)
        body = entries.digest_v2(digest, signature, certificate)
        return self.instance.authorities.log.add(body, Claims(integrated_time=None, promise=False))

    def timestamp(self, request: bytes) -> bytes:
        """RFC 3161: a timestamp response."""
        return self.instance.authorities.tsa.answer(request, _now())


def _blob_v1(spec: Mapping[str, Any]) -> Body:
    digest = bytes.fromhex(spec["data"]["hash"]["value"])
    signature = _decode(spec["signature"]["content"])
    certificate = x509.load_pem_x509_certificate(_decode(spec["signature"]["publicKey"]["content"]))
    _check(certificate, signature, digest)
    return entries.blob_v1(digest, signature, certificate)


def _envelope_v1(spec: Mapping[str, Any]) -> Body:
    proposed = spec["proposedContent"]
    certificate = x509.load_pem_x509_certificate(_decode(proposed["verifiers"][0]))
    encoded = proposed["envelope"].encode()
    envelope = json.loads(encoded)
    payload = _decode(envelope["payload"])
    signatures = [_decode(one["sig"]) for one in envelope["signatures"]]
    digest = hashlib.sha256(entries.pae(envelope["payloadType"], payload)).digest()
    for signature in signatures:
        _check(certificate, signature, digest)
    return entries.envelope_v1(encoded, payload, signatures, certificate)


def _check(certificate: x509.Certificate, signature: bytes, digest: bytes) -> None:
    key = certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise Refused(400, "Only signatures of EC keys are logged here.")
    try:
        key.verify(signature, digest, ec.ECDSA(Prehashed(hashes.SHA256())))
    except InvalidSignature as error:
        raise Refused(400, "The certificate's key did not make this signature.") from error


def _v1_response(entry: Mapping[str, Any]) -> dict[str, Any]:
    """The REST form of Rekor v1, which is older than the protobuf form and spells otherwise."""
    proof = entry["inclusionProof"]
    body = _decode(entry["canonicalizedBody"])
    response = {
        "body": entry["canonicalizedBody"],
        "integratedTime": int(entry["integratedTime"]),
        "logID": _decode(entry["logId"]["keyId"]).hex(),
        "logIndex": int(entry["logIndex"]),
        "verification": {
            "signedEntryTimestamp": entry["inclusionPromise"]["signedEntryTimestamp"],
            "inclusionProof": {
                "checkpoint": proof["checkpoint"]["envelope"],
                "hashes": [_decode(node).hex() for node in proof["hashes"]],
                "logIndex": int(proof["logIndex"]),
                "rootHash": _decode(proof["rootHash"]).hex(),
                "treeSize": int(proof["treeSize"]),
            },
        },
    }
    return {hashlib.sha256(b"\0" + body).hexdigest(): response}


def _decode(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
