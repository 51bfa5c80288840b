"""Certificates in Fulcio's profile, with an embedded signed certificate timestamp (SCT).

The verifying client takes the SCT extension out and rebuilds the precertificate (RFC 6962, 3.2).
So the leaf is built twice from one builder, and the SCT extension is the last one.
"""

import datetime as dt
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from interlock_sandbox.sigstore import asn1
from interlock_sandbox.sigstore.keys import Key

LEAF_LIFETIME = dt.timedelta(minutes=10)  # Fulcio's
_FULCIO_ARC = "1.3.6.1.4.1.57264.1"
_SCT_LIST = x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")

# Fulcio's certificate extensions (docs/oid-info.md of sigstore/fulcio); all are UTF8String.
FULCIO_EXTENSIONS: Mapping[str, int] = {
    "build_signer_uri": 9,
    "build_signer_digest": 10,
    "runner_environment": 11,
    "source_repository_uri": 12,
    "source_repository_digest": 13,
    "source_repository_ref": 14,
    "source_repository_identifier": 15,
    "source_repository_owner_uri": 16,
    "source_repository_owner_identifier": 17,
    "build_config_uri": 18,
    "build_config_digest": 19,
    "build_trigger": 20,
    "run_invocation_uri": 21,
    "source_repository_visibility": 22,
}

LeafPrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey
LeafPublicKey = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey


class LeafKey(StrEnum):
    """Key types of a signing certificate; the sigstore client knows the EC ones only."""

    P256 = "PKIX_ECDSA_P256_SHA_256"
    P384 = "PKIX_ECDSA_P384_SHA_384"
    ED25519 = "PKIX_ED25519"
    RSA2048 = "PKIX_RSA_PKCS1V15_2048_SHA256"

    def generate(self) -> LeafPrivateKey:
        """A new key of this type."""
        if self is LeafKey.P256:
            return ec.generate_private_key(ec.SECP256R1())
        if self is LeafKey.P384:
            return ec.generate_private_key(ec.SECP384R1())
        if self is LeafKey.ED25519:
            return ed25519.Ed25519PrivateKey.generate()
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)


class Sct(StrEnum):
    """What becomes of the certificate timestamp."""

    PRESENT = "present"
    ABSENT = "absent"
    WRONG_KEY = "wrong-key"  # claims the CT log's id, signed by a key that nobody trusts


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """What a signing certificate says."""

    identity: str
    issuer: str
    not_before: dt.datetime
    issuer_v2: str | None = None  # the .1.8 extension where it is to differ from .1.1
    extensions: Mapping[str, str] = field(default_factory=dict)  # names of FULCIO_EXTENSIONS
    lifetime: dt.timedelta = LEAF_LIFETIME
    sct: Sct = Sct.PRESENT
    sct_log_id: bytes | None = None  # where the SCT is to name another log than its signer


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority: an intermediate that signs leaves, below a root kept offline."""

    key: Key
    intermediate: x509.Certificate
    root: x509.Certificate

    def issue(self, leaf: Leaf, public_key: LeafPublicKey, ct: Key) -> x509.Certificate:
        """A leaf certificate for `public_key`, with an SCT by the CT log's key `ct`."""
        builder = self._builder(leaf, public_key)
        if leaf.sct is Sct.ABSENT:
            return builder.sign(self.key.private, hashes.SHA256())
        precertificate = builder.sign(self.key.private, hashes.SHA256())
        signer = Key.generate() if leaf.sct is Sct.WRONG_KEY else ct
        sct = self._sct(precertificate, leaf.not_before, signer, leaf.sct_log_id or ct.id)
        listed = asn1.octets(struct.pack("!HH", len(sct) + 2, len(sct)) + sct)
        extension = x509.UnrecognizedExtension(_SCT_LIST, listed)
        builder = builder.add_extension(extension, critical=False)
        return builder.sign(self.key.private, hashes.SHA256())

    def _builder(self, leaf: Leaf, public_key: LeafPublicKey) -> x509.CertificateBuilder:
        end = leaf.not_before + leaf.lifetime
        builder = _start(x509.Name([]), self.intermediate.subject, leaf.not_before, end)
        builder = (
            builder.public_key(public_key)
            .add_extension(_usage(digital_signature=True), critical=True)
            .add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False
            )
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
            .add_extension(_authority_key_id(self.key), critical=False)
            .add_extension(
                x509.SubjectAlternativeName([_general_name(leaf.identity)]), critical=True
            )
        )
        for extension in _fulcio_extensions(leaf):
            builder = builder.add_extension(extension, critical=False)
        return builder

    def _sct(
        self, precertificate: x509.Certificate, time: dt.datetime, signer: Key, log_id: bytes
    ) -> bytes:
        milliseconds = int(time.timestamp() * 1000)
        tbs = precertificate.tbs_certificate_bytes
        signed = struct.pack("!BBQH", 0, 0, milliseconds, 1) + self.key.id
        signed += len(tbs).to_bytes(3, "big") + tbs + b"\0\0"
        signature = signer.sign(signed)
        head = struct.pack("!B32sQHBBH", 0, log_id, milliseconds, 0, 4, 3, len(signature))
        return head + signature


def new_authority(
    name: str, start: dt.datetime, end: dt.datetime, intermediate_end: dt.datetime
) -> tuple[Authority, Key]:
    """A new certificate authority and the key of its root, for what else the root signs."""
    root_key, key = Key.generate(), Key.generate()
    subject = _name(name, "root")
    root = (
        _ca(_start(subject, subject, start, end), root_key, path_length=1)
        .add_extension(_authority_key_id(root_key), critical=False)
        .sign(root_key.private, hashes.SHA256())
    )
    intermediate = (
        _ca(_start(_name(name, "intermediate"), subject, start, intermediate_end), key, 0)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
        .add_extension(_authority_key_id(root_key), critical=False)
        .sign(root_key.private, hashes.SHA256())
    )
    return Authority(key, intermediate, root), root_key


def timestamping(name: str, root: x509.Certificate, root_key: Key, key: Key) -> x509.Certificate:
    """A certificate for a timestamp authority (RFC 3161, 2.3: one critical key purpose)."""
    purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
    return (
        _start(
            _name(name, "timestamps"),
            root.subject,
            root.not_valid_before_utc,
            root.not_valid_after_utc,
        )
        .public_key(key.private.public_key())
        .add_extension(_usage(digital_signature=True), critical=True)
        .add_extension(purpose, critical=True)
        .add_extension(_key_id(key), critical=False)
        .add_extension(_authority_key_id(root_key), critical=False)
        .sign(root_key.private, hashes.SHA256())
    )


def der(certificate: x509.Certificate) -> bytes:
    """The certificate as DER."""
    return certificate.public_bytes(serialization.Encoding.DER)


def pem(certificate: x509.Certificate) -> str:
    """The certificate as PEM."""
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _ca(builder: x509.CertificateBuilder, key: Key, path_length: int) -> x509.CertificateBuilder:
    constraints = x509.BasicConstraints(ca=True, path_length=path_length)
    return (
        builder.public_key(key.private.public_key())
        .add_extension(constraints, critical=True)
        .add_extension(_usage(digital_signature=False), critical=True)
        .add_extension(_key_id(key), critical=False)
    )


def _start(
    subject: x509.Name, issuer: x509.Name, start: dt.datetime, end: dt.datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
    )


def _fulcio_extensions(leaf: Leaf) -> list[x509.UnrecognizedExtension]:
    texts = {FULCIO_EXTENSIONS[name]: text for name, text in leaf.extensions.items()}
    texts[8] = leaf.issuer if leaf.issuer_v2 is None else leaf.issuer_v2
    values = {1: leaf.issuer.encode()}  # the deprecated one holds raw bytes, not DER
    values |= {arc: asn1.text(texts[arc]) for arc in sorted(texts)}
    return [
        x509.UnrecognizedExtension(x509.ObjectIdentifier(f"{_FULCIO_ARC}.{arc}"), value)
        for arc, value in values.items()
    ]


def _general_name(identity: str) -> x509.GeneralName:
    if "@" in identity and "://" not in identity:
        return x509.RFC822Name(identity)
    return x509.UniformResourceIdentifier(identity)


def _name(organization: str, common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _key_id(key: Key) -> x509.SubjectKeyIdentifier:
    return x509.SubjectKeyIdentifier.from_public_key(key.private.public_key())


def _authority_key_id(key: Key) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(key.private.public_key())


def _usage(*, digital_signature: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=not digital_signature,
        crl_sign=not digital_signature,
        encipher_only=False,
        decipher_only=False,
    )
