"""What a signing certificate says, and what one of Fulcio's must look like.

The library checks that a certificate chains up; whether a certificate authority would have issued
such a one, and what it says of the build that asked for it, is read here, in one way.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.certificate_transparency import SignedCertificateTimestamp

from interlock.evidence.statement import Refused

MAX_LIFETIME = timedelta(hours=1)
"""Fulcio issues for ten minutes; a leaf that lives for years lets a stolen key sign for years."""

_FULCIO = "1.3.6.1.4.1.57264.1."
_ISSUER = f"{_FULCIO}8"
CLAIMS = {
    f"{_FULCIO}{number}": name
    for number, name in {
        9: "buildSignerURI",
        10: "buildSignerDigest",
        11: "runnerEnvironment",
        12: "sourceRepositoryURI",
        13: "sourceRepositoryDigest",
        14: "sourceRepositoryRef",
        15: "sourceRepositoryIdentifier",
        16: "sourceRepositoryOwnerURI",
        17: "sourceRepositoryOwnerIdentifier",
        18: "buildConfigURI",
        19: "buildConfigDigest",
        20: "buildTrigger",
        21: "runInvocationURI",
        22: "sourceRepositoryVisibility",
    }.items()
}
"""Fulcio's certificate extensions (fulcio docs/oid-info.md), by the names given there."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """Who a certificate is for, and which log was told of it when."""

    identity: str
    issuer: str
    claims: Mapping[str, str]
    begins: datetime
    log: bytes
    """Identifier of the certificate transparency log."""
    logged: datetime


def read(cert: x509.Certificate) -> Leaf:
    """Return what a certificate says, refusing one that Fulcio would not have issued."""
    key = cert.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise Refused("BadCertificate", type(key).__name__, "an elliptic curve key")
    lifetime = cert.not_valid_after_utc - cert.not_valid_before_utc
    if lifetime > MAX_LIFETIME:
        raise Refused("LongLeaf", f"a lifetime of {lifetime}", f"at most {MAX_LIFETIME}")
    claims = _claims(cert)
    if not claims.get(_ISSUER):
        raise Refused("NoIssuer", "no issuer extension", f"an issuer in extension {_ISSUER}")
    identity, sct = _identity(cert), _sct(cert)
    return Leaf(
        identity=identity,
        issuer=claims.pop(_ISSUER),
        claims={CLAIMS[oid]: value for oid, value in sorted(claims.items())},
        begins=cert.not_valid_before_utc,
        log=sct.log_id,
        logged=sct.timestamp.replace(tzinfo=UTC),
    )


def _claims(cert: x509.Certificate) -> dict[str, str]:
    return {
        extension.oid.dotted_string: _utf8(extension.value.value)
        for extension in cert.extensions
        if isinstance(extension.value, x509.UnrecognizedExtension)
        and extension.oid.dotted_string in (_ISSUER, *CLAIMS)
    }


def _sct(cert: x509.Certificate) -> SignedCertificateTimestamp:
    kind = x509.PrecertificateSignedCertificateTimestamps
    found = [one.value for one in cert.extensions if isinstance(one.value, kind)]
    if len(found) != 1 or len(found[0]) != 1:
        got = "no certificate timestamp, or several"
        raise Refused("BadCertificate", got, "exactly one signed certificate timestamp")
    first: SignedCertificateTimestamp = found[0][0]
    return first


def _identity(cert: x509.Certificate) -> str:
    names = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    found = [
        name.value
        for name in names
        if isinstance(name, x509.RFC822Name | x509.UniformResourceIdentifier)
    ]
    if len(names) != 1 or len(found) != 1:
        raise Refused("NoIdentity", f"{len(names)} subject names", "exactly one e-mail or URI")
    return found[0]


def _utf8(der: bytes) -> str:
    """Return the text of a DER UTF8String (ITU-T X.690); anything else raises."""
    long_form = {0x81: 1, 0x82: 2}
    width = long_form.get(der[1], 0)
    size = int.from_bytes(der[2 : 2 + width], "big") if width else der[1]
    text = der[2 + width :]
    if der[0] != 0x0C or len(text) != size or (width == 0 and size > 0x7F):
        raise Refused("BadCertificate", der[:32].hex(), "a DER UTF8String in each extension")
    return text.decode()
