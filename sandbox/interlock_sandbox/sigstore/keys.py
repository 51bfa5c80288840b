"""Keys: the long-lived ones of the authorities, and the identifiers that the protocols derive."""

import base64
import hashlib
from dataclasses import dataclass
from functools import cached_property

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


@dataclass(frozen=True)
class Key:
    """A P-256 key that signs with SHA-256, as every authority of this Sigstore has one."""

    private: ec.EllipticCurvePrivateKey

    @classmethod
    def generate(cls) -> "Key":
        """A new key."""
        return cls(ec.generate_private_key(ec.SECP256R1()))

    @classmethod
    def from_pem(cls, text: str) -> "Key":
        """The key that `pem` wrote."""
        private = serialization.load_pem_private_key(text.encode(), password=None)
        if not isinstance(private, ec.EllipticCurvePrivateKey):
            raise TypeError(f"expected an EC private key, got {type(private).__name__}")
        return cls(private)

    def pem(self) -> str:
        """The private key, unencrypted."""
        return self.private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode()

    @cached_property
    def spki(self) -> bytes:
        """The public key as DER SubjectPublicKeyInfo."""
        return self.private.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    @cached_property
    def id(self) -> bytes:
        """What logs call this key: the SHA-256 of its SubjectPublicKeyInfo (RFC 6962, 3.2)."""
        return hashlib.sha256(self.spki).digest()

    def sign(self, data: bytes) -> bytes:
        """A DER-encoded ECDSA signature over the SHA-256 of `data`."""
        return self.private.sign(data, ec.ECDSA(hashes.SHA256()))


def b64(data: bytes) -> str:
    """Standard base64, as protobuf's JSON form writes bytes."""
    return base64.b64encode(data).decode()
