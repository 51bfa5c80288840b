"""SSH signatures of every kind, made by hand: also those that no honest program would make."""

import base64
import hashlib
import json
import struct
from collections.abc import Callable
from pathlib import Path
from subprocess import run
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from support import policies
from support.facts import CONTENT, NOW, PATH, at
from support.policies import NAMESPACE, REPOSITORY, ssh_key

APPROVAL = "change-approval@interlock.dev"
APPLICATION = b"ssh:"


def string(data: bytes) -> bytes:
    """RFC 4251 `string`."""
    return struct.pack(">I", len(data)) + data


def mpint(number: int) -> bytes:
    """RFC 4251 `mpint` of a positive number."""
    return string(number.to_bytes(number.bit_length() // 8 + 1, "big"))


def ed25519_blob(key: Ed25519PrivateKey) -> bytes:
    """The public key as it stands in signatures and fingerprints."""
    raw = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return string(b"ssh-ed25519") + string(raw)


def fingerprint_of(blob: bytes) -> str:
    """`SHA256:…` of a public key blob."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def sshsig(
    blob: bytes,
    sign: Callable[[bytes], bytes],
    message: bytes,
    *,
    namespace: str = APPROVAL,
    hash_name: str = "sha512",
    magic: bytes = b"SSHSIG",
) -> str:
    """An armored SSHSIG; `sign` returns the wire form of the signature over what it is given."""
    digest = hashlib.new(hash_name, message, usedforsecurity=False).digest()
    head = string(namespace.encode()) + string(b"") + string(hash_name.encode())
    signed = magic + head + string(digest)
    whole = magic + struct.pack(">I", 1) + string(blob) + head + string(sign(signed))
    return armor(whole)


def armor(data: bytes) -> str:
    """OpenSSH's armor, 70 characters a line."""
    text = base64.b64encode(data).decode()
    lines = [text[n : n + 70] for n in range(0, len(text), 70)]
    return "\n".join(["-----BEGIN SSH SIGNATURE-----", *lines, "-----END SSH SIGNATURE-----", ""])


def by_ed25519(key: Ed25519PrivateKey, message: bytes, **options: Any) -> str:
    """An armored SSHSIG by a plain ed25519 key."""

    def sign(signed: bytes) -> bytes:
        return string(b"ssh-ed25519") + string(key.sign(signed))

    return sshsig(ed25519_blob(key), sign, message, **options)


SK_ED25519 = b"sk-ssh-ed25519@openssh.com"


def sk_blob(key: Ed25519PrivateKey) -> bytes:
    """The public key blob of a FIDO key with ed25519."""
    raw = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return string(SK_ED25519) + string(raw) + string(APPLICATION)


def sk_sign(key: Ed25519PrivateKey, signed: bytes, flags: int = 1) -> bytes:
    """The wire form of a FIDO key's signature; flag 1 says that somebody touched it."""
    tail = bytes([flags]) + struct.pack(">I", 7)
    return string(SK_ED25519) + string(key.sign(_u2f(signed, tail))) + tail


def sk_ed25519(key: Ed25519PrivateKey, message: bytes, flags: int = 1) -> tuple[bytes, str]:
    """Public key blob and SSHSIG as a FIDO key with ed25519 makes them."""
    blob = sk_blob(key)
    return blob, sshsig(blob, lambda signed: sk_sign(key, signed, flags), message)


def sk_ecdsa(key: ec.EllipticCurvePrivateKey, message: bytes, flags: int = 1) -> tuple[bytes, str]:
    """Public key blob and SSHSIG as a FIDO key with P-256 makes them."""
    point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    kind = b"sk-ecdsa-sha2-nistp256@openssh.com"
    blob = string(kind) + string(b"nistp256") + string(point) + string(APPLICATION)

    def sign(signed: bytes) -> bytes:
        tail = bytes([flags]) + struct.pack(">I", 7)
        r, s = decode_dss_signature(key.sign(_u2f(signed, tail), ec.ECDSA(hashes.SHA256())))
        return string(kind) + string(mpint(r) + mpint(s)) + tail

    return blob, sshsig(blob, sign, message)


def _u2f(signed: bytes, tail: bytes) -> bytes:
    return hashlib.sha256(APPLICATION).digest() + tail + hashlib.sha256(signed).digest()


def keygen(folder: Path, kind: str, *options: str) -> Path:
    """A new key pair by the real ssh-keygen; the private key's path."""
    path = folder / kind
    run(
        ["ssh-keygen", "-q", "-t", kind, *options, "-N", "", "-C", "", "-f", str(path)],
        check=True,
        capture_output=True,
    )
    return path


def keygen_sign(key: Path, message: bytes, namespace: str = APPROVAL) -> str:
    """What `ssh-keygen -Y sign` makes of a message."""
    done = run(
        ["ssh-keygen", "-q", "-Y", "sign", "-f", str(key), "-n", namespace],
        input=message,
        check=True,
        capture_output=True,
    )
    return done.stdout.decode()


def keygen_accepts(folder: Path, armored: str, message: bytes, namespace: str = APPROVAL) -> bool:
    """Whether the real ssh-keygen finds the signature valid, whoever made it."""
    path = folder / "check.sig"
    path.write_text(armored)
    done = run(
        ["ssh-keygen", "-Y", "check-novalidate", "-n", namespace, "-s", str(path)],
        input=message,
        check=False,
        capture_output=True,
    )
    return done.returncode == 0


def write_private_key(person: str, path: Path) -> Path:
    """A person's key as a file that git and ssh-keygen take."""
    pem = ssh_key(person).private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    path.write_bytes(pem)
    path.chmod(0o600)
    return path


def statement(person: str, role: str, **changes: Any) -> dict[str, Any]:
    """An approval of the good case as an in-toto statement; `changes` are predicate fields."""
    predicate = {
        "decision": "approve",
        "clusters": ["factory"],
        "repository": REPOSITORY,
        "ref": "refs/heads/main",
        "path": PATH,
        "environment": "production",
        "namespace": NAMESPACE,
        "predecessor": "none",
        "policyDigest": "",
        "person": person,
        "role": role,
        "notBefore": at(NOW, hours=-1),
        "notAfter": at(NOW, hours=24),
        "nonce": f"{person}-0123456789",
        "reason": "reviewed",
    }
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "agent-content", "digest": {"sha256": CONTENT}}],
        "predicateType": "https://interlock.dev/attestation/change-approval/v1",
        "predicate": predicate | changes,
    }


def review(person: str, role: str, **changes: Any) -> dict[str, Any]:
    """A review of the good case as a bridge states it; `changes` are predicate fields."""
    forge = {
        "url": policies.FORGE,
        "account": policies.account(person),
        "login": person,
        "pull": 42,
        "review": "1001",
        "commit": "c0" * 20,
        "seen": NOW,
    }
    return statement(person, role, **{"forge": forge} | changes)


def pae(payload: bytes) -> bytes:
    """DSSE's pre-authentication encoding of an in-toto payload."""
    kind = b"application/vnd.in-toto+json"
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def envelope(said: dict[str, Any], key: Ed25519PrivateKey, **options: Any) -> bytes:
    """The DSSE envelope of a statement, signed by `key` (options as `sshsig` takes them)."""
    payload = json.dumps(said).encode()
    armored = by_ed25519(key, pae(payload), **options)
    return json.dumps(
        {
            "payloadType": "application/vnd.in-toto+json",
            "payload": base64.b64encode(payload).decode(),
            "signatures": [{"sig": base64.b64encode(armored.encode()).decode()}],
        }
    ).encode()
