"""Certificate authorities of the sandbox: own keys for each, nothing shared, nothing old."""

import datetime as dt
import ipaddress
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_LIFETIME = dt.timedelta(days=30)
_PEM = serialization.Encoding.PEM
_PRIVATE = (_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
_PUBLIC = (_PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its private key, as PEM files."""

    cert: Path
    key: Path


class Authority:
    """A certificate authority that keeps its files in one folder, as `<name>.crt` and `.key`."""

    def __init__(self, folder: Path, name: str = "ca") -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._subject = _subject(f"sandbox {name}")
        self._constraints = x509.BasicConstraints(ca=True, path_length=0)
        usage = _key_usage(sign_certs=True)
        builder = self._builder(self._subject, self._key.public_key())
        builder = builder.add_extension(self._constraints, critical=True)
        builder = builder.add_extension(usage, critical=True)
        self.pair = self._write(name, builder.sign(self._key, hashes.SHA256()), self._key)

    def server(self, name: str, hosts: Sequence[str]) -> Pair:
        """A certificate for a TLS server with these host names and IP addresses."""
        names = x509.SubjectAlternativeName([_general_name(host) for host in hosts])
        return self._issue(name, _subject(name), ExtendedKeyUsageOID.SERVER_AUTH, names)

    def client(self, name: str, user: str, groups: Sequence[str] = ()) -> Pair:
        """A client certificate as Kubernetes reads it: user in the CN, groups in the O."""
        return self._issue(name, _subject(user, groups), ExtendedKeyUsageOID.CLIENT_AUTH)

    def _issue(
        self,
        name: str,
        subject: x509.Name,
        purpose: x509.ObjectIdentifier,
        names: x509.SubjectAlternativeName | None = None,
    ) -> Pair:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = (
            self._builder(subject, key.public_key())
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(sign_certs=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        )
        if names:
            builder = builder.add_extension(names, critical=False)
        return self._write(name, builder.sign(self._key, hashes.SHA256()), key)

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey
    ) -> x509.CertificateBuilder:
        now = dt.datetime.now(dt.UTC)
        own = x509.SubjectKeyIdentifier.from_public_key(key)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._subject)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(minutes=5))
            .not_valid_after(now + _LIFETIME)
            .add_extension(own, critical=False)
            .add_extension(issuer, critical=False)
        )

    def _write(self, name: str, cert: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Pair:
        pair = Pair(self._folder / f"{name}.crt", self._folder / f"{name}.key")
        pair.cert.write_bytes(cert.public_bytes(_PEM))
        write_secret(pair.key, key.private_bytes(*_PRIVATE))
        return pair


def token_key(folder: Path) -> tuple[Path, Path]:
    """A new key for service account tokens: (private, public) PEM files."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private, public = folder / "service-accounts.key", folder / "service-accounts.pub"
    write_secret(private, key.private_bytes(*_PRIVATE))
    public.write_bytes(key.public_key().public_bytes(*_PUBLIC))
    return private, public


def write_secret(path: Path, content: bytes) -> None:
    """Writes a file that only its owner can read, from its first byte on."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)


def _subject(common_name: str, organizations: Sequence[str] = ()) -> x509.Name:
    groups = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in organizations]
    return x509.Name([*groups, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _key_usage(*, sign_certs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=sign_certs,
        crl_sign=sign_certs,
        encipher_only=False,
        decipher_only=False,
    )
