"""A timestamp authority (RFC 3161): signs that a digest existed at a time.

Rekor v2 says no time, so its bundles need one from here. The client library that verifies such
timestamps cannot make them; hence the CMS structures (RFC 5652) are put together here.
"""

import datetime as dt
import hashlib
import secrets
from dataclasses import dataclass
from functools import cached_property

from asn1crypto import tsp
from cryptography import x509

from interlock_sandbox.sigstore import asn1
from interlock_sandbox.sigstore.certificates import der
from interlock_sandbox.sigstore.keys import Key

_POLICY = asn1.oid("1.3.6.1.4.1.57264.2")  # the policy of Sigstore's own timestamp authority
_SHA256 = asn1.sequence(asn1.oid("2.16.840.1.101.3.4.2.1"), asn1.NULL)
_ECDSA_SHA256 = asn1.sequence(asn1.oid("1.2.840.10045.4.3.2"))
_SIGNED_DATA = asn1.oid("1.2.840.113549.1.7.2")
_TST_INFO = asn1.oid("1.2.840.113549.1.9.16.1.4")
_CONTENT_TYPE = asn1.oid("1.2.840.113549.1.9.3")
_MESSAGE_DIGEST = asn1.oid("1.2.840.113549.1.9.4")
_SIGNING_CERTIFICATE_V2 = asn1.oid("1.2.840.113549.1.9.16.2.47")
_GRANTED = asn1.sequence(asn1.integer(0))


class BadRequest(ValueError):
    """A timestamp request that cannot be answered."""


@dataclass(frozen=True)
class TimestampAuthority:
    """The authority's key, its certificate, and the root above it."""

    key: Key
    certificate: x509.Certificate
    root: x509.Certificate

    def stamp(self, message: bytes, time: dt.datetime) -> bytes:
        """A DER TimeStampResp over the SHA-256 of `message`."""
        return self._respond(hashlib.sha256(message).digest(), time, nonce=None)

    def answer(self, request: bytes, time: dt.datetime) -> bytes:
        """The DER TimeStampResp to a DER TimeStampReq; the nonce is echoed."""
        try:
            asked = tsp.TimeStampReq.load(request, strict=True).native
        except (ValueError, TypeError) as error:
            raise BadRequest(f"expected a DER TimeStampReq: {error}") from error
        imprint, nonce = asked["message_imprint"], asked["nonce"]
        digest = imprint["hashed_message"]
        if imprint["hash_algorithm"]["algorithm"] != "sha256" or len(digest) != 32:
            raise BadRequest("expected a message imprint made with SHA-256")
        if nonce is not None and nonce < 0:
            raise BadRequest(f"expected a nonce that is not negative, got {nonce}")
        return self._respond(digest, time, nonce)

    def _respond(self, digest: bytes, time: dt.datetime, nonce: int | None) -> bytes:
        info = asn1.sequence(
            asn1.integer(1),
            _POLICY,
            asn1.sequence(_SHA256, asn1.octets(digest)),
            asn1.integer(secrets.randbits(63)),
            asn1.time(f"{time.astimezone(dt.UTC):%Y%m%d%H%M%SZ}"),
            b"" if nonce is None else asn1.integer(nonce),
        )
        token = asn1.sequence(_SIGNED_DATA, asn1.context(0, self._signed_data(info)))
        return asn1.sequence(_GRANTED, token)

    def _signed_data(self, info: bytes) -> bytes:
        return asn1.sequence(
            asn1.integer(3),
            asn1.set_of(_SHA256),
            asn1.sequence(_TST_INFO, asn1.context(0, asn1.octets(info))),
            asn1.context(0, der(self.certificate)),
            asn1.set_of(self._signer_info(info)),
        )

    def _signer_info(self, info: bytes) -> bytes:
        digest = asn1.octets(hashlib.sha256(info).digest())
        attributes = sorted(
            (
                asn1.sequence(_CONTENT_TYPE, asn1.set_of(_TST_INFO)),
                asn1.sequence(_MESSAGE_DIGEST, asn1.set_of(digest)),
                asn1.sequence(_SIGNING_CERTIFICATE_V2, asn1.set_of(self._own_digest)),
            )
        )
        return asn1.sequence(
            asn1.integer(1),
            self._issuer_and_serial,
            _SHA256,
            asn1.context(0, *attributes),
            _ECDSA_SHA256,
            # Signed as a SET OF, sent with a context tag (RFC 5652, 5.4).
            asn1.octets(self.key.sign(asn1.set_of(*attributes))),
        )

    @cached_property
    def _own_digest(self) -> bytes:
        digest = asn1.octets(hashlib.sha256(der(self.certificate)).digest())
        return asn1.sequence(asn1.sequence(asn1.sequence(digest)))

    @cached_property
    def _issuer_and_serial(self) -> bytes:
        issuer = self.certificate.issuer.public_bytes()
        return asn1.sequence(issuer, asn1.integer(self.certificate.serial_number))
