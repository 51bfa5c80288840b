"""Verifies SSHSIG signatures from their bytes, so that no program and no clock but ours decides.

`git verify-commit` and `ssh-keygen -Y verify` answer other questions than ours: the first takes
its time from the signed object, the second wants a file of principals. Here a signature yields
the fingerprint of the key that made it; whose key that is, and since when, is policy's business.
Format: OpenSSH's PROTOCOL.sshsig, PROTOCOL.u2f and RFC 4253, 5656, 8332, 8709. Read strictly:
one encoding, nothing trailing, SHA-2 only, no certificates.
"""

import base64
import binascii
import hashlib
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

MAX_ARMOR = 16 * 1024
MIN_RSA_BITS = 2048
MAX_RSA_BITS = 16384
_MAGIC = b"SSHSIG"
_VERSION = 1
_USER_PRESENT = 0x01
_ARMOR = re.compile(
    r"\s*-----BEGIN SSH SIGNATURE-----\r?\n([A-Za-z0-9+/=\r\n]+)-----END SSH SIGNATURE-----\s*"
)
_DIGESTS: dict[str, Callable[[bytes], bytes]] = {
    "sha256": lambda data: hashlib.sha256(data).digest(),
    "sha512": lambda data: hashlib.sha512(data).digest(),
}
_CURVES: dict[str, tuple[ec.EllipticCurve, hashes.HashAlgorithm]] = {
    "nistp256": (ec.SECP256R1(), hashes.SHA256()),
    "nistp384": (ec.SECP384R1(), hashes.SHA384()),
    "nistp521": (ec.SECP521R1(), hashes.SHA512()),
}
_RSA_HASHES: dict[str, hashes.HashAlgorithm] = {
    "rsa-sha2-256": hashes.SHA256(),
    "rsa-sha2-512": hashes.SHA512(),
}


class SshsigRefused(ValueError):
    """The signature or the key proves nothing; the message says why."""


@dataclass(slots=True)
class _Reader:
    """Takes RFC 4251 values from the front of a buffer."""

    data: bytes

    def take(self, size: int) -> bytes:
        if size > len(self.data):
            raise SshsigRefused(f"the data ends {size - len(self.data)} bytes too early")
        head, self.data = self.data[:size], self.data[size:]
        return head

    def number(self) -> int:
        return int.from_bytes(self.take(4), "big")

    def string(self) -> bytes:
        return self.take(self.number())

    def text(self) -> str:
        try:
            return self.string().decode("ascii")
        except UnicodeDecodeError:
            raise SshsigRefused("a name in the signature is not ASCII") from None

    def mpint(self) -> int:
        raw = self.string()
        redundant = len(raw) > 1 and raw[0] == 0 and raw[1] < 0x80
        if not raw or raw[0] >= 0x80 or raw == b"\0" or redundant:
            raise SshsigRefused("a number in the signature is not positive in its shortest form")
        return int.from_bytes(raw, "big")

    def end(self) -> None:
        if self.data:
            raise SshsigRefused(f"{len(self.data)} bytes follow the end of the data")


def fingerprint(line: str) -> str:
    """Return `SHA256:…` of a public key line (`type base64 [comment]`).

    Raises SshsigRefused if the line is no key of a type that `verify` accepts.
    """
    words = line.split()
    if len(words) < 2:
        raise SshsigRefused("a public key is written as `type base64 [comment]`")
    blob = _base64(words[1])
    if _Reader(blob).text() != words[0]:
        raise SshsigRefused(f"the key's data is not of the type {words[0]!r} that its line names")
    _verifier(blob)
    return _fingerprint(blob)


def verify(armored: str, message: bytes, namespace: str) -> str:
    """Return the fingerprint of the key that signed `message` for `namespace`.

    Raises SshsigRefused. An expected namespace is what keeps a signature made for one purpose,
    such as a commit, from being shown for another, such as an approval.
    """
    blob = _opened(armored)
    key, got_namespace, reserved = blob.string(), blob.string(), blob.string()
    hash_name, signature = blob.text(), blob.string()
    blob.end()
    if not namespace or got_namespace != namespace.encode():
        got = got_namespace.decode("ascii", "replace")[:64]
        raise SshsigRefused(f"signed for the namespace {got!r}, expected {namespace!r}")
    if hash_name not in _DIGESTS:
        raise SshsigRefused(f"hash algorithm {hash_name[:32]!r}, expected sha256 or sha512")
    parts = (got_namespace, reserved, hash_name.encode(), _DIGESTS[hash_name](message))
    try:
        _verifier(key)(signature, _MAGIC + b"".join(_string(part) for part in parts))
    except InvalidSignature:
        raise SshsigRefused("the signature does not match what was signed") from None
    return _fingerprint(key)


def purpose(armored: str) -> str:
    """Return what a signature says that it was made for, unverified. Raises SshsigRefused."""
    blob = _opened(armored)
    blob.string()
    return blob.text()


def _opened(armored: str) -> _Reader:
    blob = _Reader(_dearmor(armored))
    if blob.take(len(_MAGIC)) != _MAGIC or blob.number() != _VERSION:
        raise SshsigRefused("this is not an SSHSIG of version 1")
    return blob


def _verifier(blob: bytes) -> Callable[[bytes, bytes], None]:
    """Return the check (signature, signed bytes) of a public key; it raises InvalidSignature."""
    reader = _Reader(blob)
    kind = reader.text()
    try:
        if kind == "ssh-ed25519":
            return _ed25519(reader)
        if kind == "ssh-rsa":
            return _rsa(reader)
        if kind.startswith("ecdsa-sha2-"):
            return _ecdsa(reader, kind)
        if kind == "sk-ssh-ed25519@openssh.com":
            return _sk_ed25519(reader)
        if kind == "sk-ecdsa-sha2-nistp256@openssh.com":
            return _sk_ecdsa(reader)
    except SshsigRefused:
        raise
    except (ValueError, UnsupportedAlgorithm) as error:
        raise SshsigRefused(f"the public key is malformed: {error}") from None
    raise SshsigRefused(
        f"key type {kind[:64]!r}, expected ed25519, ecdsa, rsa or their sk- forms; no certificates"
    )


def _ed25519(reader: _Reader) -> Callable[[bytes, bytes], None]:
    key = ed25519.Ed25519PublicKey.from_public_bytes(reader.string())
    reader.end()

    def check(signature: bytes, signed: bytes) -> None:
        key.verify(_plain(signature, "ssh-ed25519"), signed)

    return check


def _rsa(reader: _Reader) -> Callable[[bytes, bytes], None]:
    exponent, modulus = reader.mpint(), reader.mpint()
    reader.end()
    if not MIN_RSA_BITS <= modulus.bit_length() <= MAX_RSA_BITS:
        raise SshsigRefused(f"an RSA key of {modulus.bit_length()} bits, expected {MIN_RSA_BITS}+")
    key = rsa.RSAPublicNumbers(exponent, modulus).public_key()

    def check(signature: bytes, signed: bytes) -> None:
        parts = _Reader(signature)
        name, value = parts.text(), parts.string()
        parts.end()
        if name not in _RSA_HASHES:
            raise SshsigRefused(f"signature algorithm {name[:32]!r}, expected rsa-sha2-256 or -512")
        key.verify(value, signed, padding.PKCS1v15(), _RSA_HASHES[name])

    return check


def _ecdsa(reader: _Reader, kind: str) -> Callable[[bytes, bytes], None]:
    name = reader.text()
    if kind != f"ecdsa-sha2-{name}" or name not in _CURVES:
        raise SshsigRefused(f"key type {kind[:64]!r} over curve {name[:32]!r}")
    curve, digest = _CURVES[name]
    key = ec.EllipticCurvePublicKey.from_encoded_point(curve, reader.string())
    reader.end()

    def check(signature: bytes, signed: bytes) -> None:
        key.verify(_dss(_plain(signature, kind)), signed, ec.ECDSA(digest))

    return check


def _sk_ed25519(reader: _Reader) -> Callable[[bytes, bytes], None]:
    key = ed25519.Ed25519PublicKey.from_public_bytes(reader.string())
    application = reader.string()
    reader.end()

    def check(signature: bytes, signed: bytes) -> None:
        value, covered = _touched(signature, "sk-ssh-ed25519@openssh.com", application, signed)
        key.verify(value, covered)

    return check


def _sk_ecdsa(reader: _Reader) -> Callable[[bytes, bytes], None]:
    if reader.text() != "nistp256":
        raise SshsigRefused("an sk-ecdsa key over another curve than nistp256")
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), reader.string())
    application = reader.string()
    reader.end()

    def check(signature: bytes, signed: bytes) -> None:
        kind = "sk-ecdsa-sha2-nistp256@openssh.com"
        value, covered = _touched(signature, kind, application, signed)
        key.verify(_dss(value), covered, ec.ECDSA(hashes.SHA256()))

    return check


def _plain(signature: bytes, kind: str) -> bytes:
    """Return the value of a signature that must be of `kind`."""
    parts = _Reader(signature)
    name, value = parts.text(), parts.string()
    parts.end()
    if name != kind:
        raise SshsigRefused(f"signature algorithm {name[:64]!r}, the key wants {kind!r}")
    return value


def _touched(signature: bytes, kind: str, application: bytes, signed: bytes) -> tuple[bytes, bytes]:
    """Return a security key's signature and what it covers; without a touch it is refused."""
    parts = _Reader(signature)
    name, value = parts.text(), parts.string()
    flags, counter = parts.take(1), parts.take(4)
    parts.end()
    if name != kind:
        raise SshsigRefused(f"signature algorithm {name[:64]!r}, the key wants {kind!r}")
    if not flags[0] & _USER_PRESENT:
        raise SshsigRefused("the security key was not touched when it signed")
    digest = _DIGESTS["sha256"]
    return value, digest(application) + flags + counter + digest(signed)


def _dss(value: bytes) -> bytes:
    numbers = _Reader(value)
    r, s = numbers.mpint(), numbers.mpint()
    numbers.end()
    return encode_dss_signature(r, s)


def _dearmor(armored: str) -> bytes:
    if len(armored) > MAX_ARMOR:
        raise SshsigRefused(f"a signature of {len(armored)} characters, at most {MAX_ARMOR}")
    found = _ARMOR.fullmatch(armored)
    if found is None:
        raise SshsigRefused("the text is not one armored SSH signature")
    return _base64("".join(found[1].split()))


def _base64(text: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise SshsigRefused("the text is not base64") from None
    if base64.b64encode(data).decode() != text:
        raise SshsigRefused("the text is not base64 in its one canonical form")
    return data


def _fingerprint(blob: bytes) -> str:
    digest = base64.b64encode(_DIGESTS["sha256"](blob)).decode().rstrip("=")
    return f"SHA256:{digest}"


def _string(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data
