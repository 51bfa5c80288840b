"""Keys without certificates, as a KMS or a file keeps them, each signing in one of its ways."""

from collections.abc import Callable
from functools import cache, partial

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from interlock.evidence.sigstore import SigstoreVerifier
from interlock_sandbox.sigstore import ManagedKey
from support import signed

_SHA256 = hashes.SHA256()
_PSS = padding.PSS(padding.MGF1(_SHA256), padding.PSS.MAX_LENGTH)


def curve(kind: ec.EllipticCurve, digest: hashes.HashAlgorithm = _SHA256) -> ManagedKey:
    """A key on an elliptic curve that signs with this hash."""
    private = ec.generate_private_key(kind)
    return ManagedKey(private.public_key(), lambda data: private.sign(data, ec.ECDSA(digest)))


def edwards() -> ManagedKey:
    """An Ed25519 key."""
    private = ed25519.Ed25519PrivateKey.generate()
    return ManagedKey(private.public_key(), private.sign)


def rsa_key(
    scheme: padding.AsymmetricPadding, digest: hashes.HashAlgorithm = _SHA256
) -> ManagedKey:
    """The RSA key, which is costly to make, with a padding and a hash."""
    private = _rsa()
    return ManagedKey(private.public_key(), lambda data: private.sign(data, scheme, digest))


KEYS: dict[str, Callable[[], ManagedKey]] = {
    "P-256": partial(curve, ec.SECP256R1()),
    "P-384 with SHA-256": partial(curve, ec.SECP384R1()),
    "P-384 with SHA-384": partial(curve, ec.SECP384R1(), hashes.SHA384()),
    "Ed25519": edwards,
    "RSA, PSS": partial(rsa_key, _PSS),
    "RSA, PKCS#1 v1.5": partial(rsa_key, padding.PKCS1v15()),
}
"""All ways in which a managed key may sign."""


@cache
def release() -> ManagedKey:
    """One key for all tests of a process."""
    return curve(ec.SECP256R1())


def pem(key: ManagedKey) -> str:
    """The public key as `trust.yaml` has it."""
    return key.public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def verifier(*keys: ManagedKey) -> SigstoreVerifier:
    """A verifier that trusts the tests' Sigstore and these keys."""
    return SigstoreVerifier(signed.instance().trusted_root(), [pem(key) for key in keys])


@cache
def _rsa() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 3072)
