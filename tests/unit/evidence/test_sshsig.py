import base64
from contextlib import suppress
from pathlib import Path
from subprocess import run

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from interlock.evidence.sshsig import SshsigRefused, fingerprint, verify
from support import sshkeys
from support.policies import ssh_key, ssh_line
from support.sshkeys import APPROVAL, armor, by_ed25519, ed25519_blob, fingerprint_of, string

MESSAGE = b"DSSEv1 what was signed"
KEY = ssh_key("quality-1")
GOOD = by_ed25519(KEY, MESSAGE)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("ed25519", ()),
        ("ecdsa", ("-b", "256")),
        ("ecdsa", ("-b", "384")),
        ("ecdsa", ("-b", "521")),
        ("rsa", ("-b", "2048")),
    ],
)
def test_what_ssh_keygen_signs_is_verified(
    tmp_path: Path, kind: str, options: tuple[str, ...]
) -> None:
    key = sshkeys.keygen(tmp_path, kind, *options)
    line = key.with_suffix(".pub").read_text()
    assert verify(sshkeys.keygen_sign(key, MESSAGE), MESSAGE, APPROVAL) == fingerprint(line)


@pytest.mark.parametrize("hash_name", ["sha256", "sha512"])
def test_what_we_sign_by_hand_ssh_keygen_verifies_too(tmp_path: Path, hash_name: str) -> None:
    armored = by_ed25519(KEY, MESSAGE, hash_name=hash_name)
    assert sshkeys.keygen_accepts(tmp_path, armored, MESSAGE)
    assert verify(armored, MESSAGE, APPROVAL) == fingerprint(ssh_line("quality-1"))


def test_security_keys_are_verified_as_ssh_keygen_does(tmp_path: Path) -> None:
    made = [
        sshkeys.sk_ed25519(KEY, MESSAGE),
        sshkeys.sk_ecdsa(ec.generate_private_key(ec.SECP256R1()), MESSAGE),
    ]
    for blob, armored in made:
        assert sshkeys.keygen_accepts(tmp_path, armored, MESSAGE)
        assert verify(armored, MESSAGE, APPROVAL) == fingerprint_of(blob)


@pytest.mark.parametrize("flags", [0, 4])
def test_a_security_key_that_nobody_touched_signs_nothing(flags: int) -> None:
    for _, armored in (
        sshkeys.sk_ed25519(KEY, MESSAGE, flags),
        sshkeys.sk_ecdsa(ec.generate_private_key(ec.SECP256R1()), MESSAGE, flags),
    ):
        with pytest.raises(SshsigRefused, match="not touched"):
            verify(armored, MESSAGE, APPROVAL)


def test_a_fingerprint_is_the_one_that_ssh_keygen_prints(tmp_path: Path) -> None:
    public = sshkeys.keygen(tmp_path, "ed25519").with_suffix(".pub")
    printed = run(["ssh-keygen", "-lf", str(public)], check=True, capture_output=True).stdout
    assert fingerprint(public.read_text()) == printed.decode().split()[1]


def test_another_message_is_refused() -> None:
    with pytest.raises(SshsigRefused, match="does not match"):
        verify(GOOD, MESSAGE + b".", APPROVAL)


@pytest.mark.parametrize("namespace", ["git", "file", "", "change-approval@interlock.de"])
def test_another_namespace_is_refused(namespace: str) -> None:
    with pytest.raises(SshsigRefused, match="namespace"):
        verify(by_ed25519(KEY, MESSAGE, namespace=namespace), MESSAGE, APPROVAL)


def test_an_empty_namespace_is_none_that_could_be_expected() -> None:
    with pytest.raises(SshsigRefused, match="namespace"):
        verify(by_ed25519(KEY, MESSAGE, namespace=""), MESSAGE, "")


@pytest.mark.parametrize("hash_name", ["md5", "sha1", "sha384"])
def test_another_hash_is_refused(hash_name: str) -> None:
    with pytest.raises(SshsigRefused, match="hash algorithm"):
        verify(by_ed25519(KEY, MESSAGE, hash_name=hash_name), MESSAGE, APPROVAL)


def test_another_format_is_refused() -> None:
    with pytest.raises(SshsigRefused, match="version 1"):
        verify(by_ed25519(KEY, MESSAGE, magic=b"SSHGIS"), MESSAGE, APPROVAL)


def test_a_short_rsa_key_is_refused(tmp_path: Path) -> None:
    key = sshkeys.keygen(tmp_path, "rsa", "-b", "1024")
    with pytest.raises(SshsigRefused, match="1024 bits"):
        fingerprint(key.with_suffix(".pub").read_text())


def test_rsa_with_sha1_is_refused(tmp_path: Path) -> None:
    """The old `ssh-rsa` signature algorithm, over the same key."""
    public = sshkeys.keygen(tmp_path, "rsa", "-b", "2048").with_suffix(".pub").read_text()
    blob = base64.b64decode(public.split()[1])
    armored = sshkeys.sshsig(blob, lambda _: string(b"ssh-rsa") + string(b"x" * 256), MESSAGE)
    with pytest.raises(SshsigRefused, match="rsa-sha2"):
        verify(armored, MESSAGE, APPROVAL)


@pytest.mark.parametrize(
    "blob",
    [
        string(b"ssh-dss") + string(b"x"),
        string(b"ssh-ed25519-cert-v01@openssh.com") + string(b"x"),
        string(b"ssh-ed25519") + string(b"x" * 31),
        ed25519_blob(KEY) + b"\0",
        string(b"ecdsa-sha2-nistp256") + string(b"nistp384") + string(b"\x04" + b"1" * 64),
        string(b"ecdsa-sha2-nistp256") + string(b"nistp256") + string(b"\x04" + b"1" * 64),
        b"\xff\xff\xff\xff",
        b"",
    ],
)
def test_what_is_no_key_of_ours_is_refused(blob: bytes) -> None:
    armored = sshkeys.sshsig(blob, lambda _: string(b"x"), MESSAGE)
    with pytest.raises(SshsigRefused):
        verify(armored, MESSAGE, APPROVAL)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        GOOD + GOOD,
        "x" + GOOD,
        GOOD.replace("BEGIN SSH", "BEGIN PGP"),
        GOOD[:120] + "!" + GOOD[121:],
        armor(b""),
        armor(b"SSHSIG"),
        "-----BEGIN SSH SIGNATURE-----\n" + "A" * 20_000 + "\n-----END SSH SIGNATURE-----\n",
    ],
)
def test_what_is_no_armored_signature_is_refused(text: str) -> None:
    with pytest.raises(SshsigRefused):
        verify(text, MESSAGE, APPROVAL)


def test_bytes_after_the_signature_are_refused() -> None:
    body = "".join(GOOD.splitlines()[1:-1])
    with pytest.raises(SshsigRefused, match="follow the end"):
        verify(armor(base64.b64decode(body) + b"\0"), MESSAGE, APPROVAL)


@pytest.mark.parametrize(
    "line", ["", "ssh-ed25519", "ssh-ed25519 !!", "ssh-rsa " + ssh_line("x").split()[1]]
)
def test_a_line_that_is_no_public_key_is_refused(line: str) -> None:
    with pytest.raises(SshsigRefused):
        fingerprint(line)


def test_every_flipped_bit_is_refused_or_another_key() -> None:
    """Whatever one bit changes, the signature never counts for the key that made it."""
    body = bytearray(base64.b64decode("".join(GOOD.splitlines()[1:-1])))
    mine = fingerprint(ssh_line("quality-1"))
    for n in range(len(body) * 8):
        body[n // 8] ^= 1 << n % 8
        with suppress(SshsigRefused):
            assert verify(armor(bytes(body)), MESSAGE, APPROVAL) != mine, n
        body[n // 8] ^= 1 << n % 8
