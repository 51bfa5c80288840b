"""The bridge's key: an Ed25519 SSH key in a file, with which it signs without any other program.

A service has no agent, no passphrase and often no entry in the passwd file, without which
ssh-keygen does not start. Format: OpenSSH's PROTOCOL.sshsig; `evidence/sshsig.py` reads it back.
"""

import base64
import hashlib
import struct
import textwrap
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_ssh_private_key,
)

from interlock.evidence import sshsig

MAX_KEY = 16 * 1024
_KIND, _HASH = b"ssh-ed25519", b"sha512"
_MAGIC, _VERSION = b"SSHSIG", struct.pack(">I", 1)


class KeyRefused(ValueError):
    """The file holds no key that a bridge may use; the sentence says why."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key and the fingerprint by which governance knows it."""

    private: Ed25519PrivateKey
    fingerprint: str

    @classmethod
    def read(cls, path: Path) -> "Key":
        """Return the key in a file. Raises KeyRefused."""
        wanted = "write one with `ssh-keygen -t ed25519 -N '' -f FILE`"
        try:
            private = load_ssh_private_key(path.read_bytes()[:MAX_KEY], password=None)
        except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
            why = error.strerror if isinstance(error, OSError) else "no key without a passphrase"
            raise KeyRefused(f"the bridge's key {path} cannot be read: {why}; {wanted}") from None
        if not isinstance(private, Ed25519PrivateKey):
            raise KeyRefused(f"the bridge's key {path} is not of the type ed25519; {wanted}")
        line = private.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
        return cls(private, sshsig.fingerprint(line.decode()))

    def sign(self, message: bytes, namespace: str) -> str:
        """Return the armored SSHSIG of a message."""
        raw = self.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        digest = hashlib.sha512(message).digest()
        head = b"".join(map(_string, (namespace.encode(), b"", _HASH)))
        made = self.private.sign(_MAGIC + head + _string(digest))
        key = _string(_string(_KIND) + _string(raw))
        whole = _MAGIC + _VERSION + key + head + _string(_string(_KIND) + _string(made))
        lines = textwrap.wrap(base64.b64encode(whole).decode(), 70)
        begin, end = "-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----"
        return "\n".join([begin, *lines, end, ""])


def _string(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data
