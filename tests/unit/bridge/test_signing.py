"""The bridge's key signs as ssh-keygen does, and a bad key is said to be one."""

from pathlib import Path
from subprocess import run

import pytest

from interlock.bridge.signing import Key, KeyRefused
from interlock.evidence import approvals, sshsig
from support import policies
from support.sshkeys import keygen, keygen_accepts, write_private_key


def test_a_signature_is_one_for_ssh_keygen_and_for_the_reader(tmp_path: Path) -> None:
    key = Key.read(write_private_key("bridge", tmp_path / "key"))
    made = key.sign(b"seen", approvals.FORGE_NAMESPACE)
    assert key.fingerprint == policies.fingerprint("bridge")
    assert sshsig.verify(made, b"seen", approvals.FORGE_NAMESPACE) == key.fingerprint
    assert keygen_accepts(tmp_path, made, b"seen", approvals.FORGE_NAMESPACE)
    assert not keygen_accepts(tmp_path, made, b"unseen", approvals.FORGE_NAMESPACE)


def test_a_key_as_ssh_keygen_writes_it_is_read(tmp_path: Path) -> None:
    assert Key.read(keygen(tmp_path, "ed25519")).fingerprint.startswith("SHA256:")


def test_a_key_of_another_type_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyRefused, match="not of the type ed25519"):
        Key.read(keygen(tmp_path, "ecdsa"))


def test_a_key_with_a_passphrase_is_refused(tmp_path: Path) -> None:
    path = keygen(tmp_path, "ed25519")
    words = ["ssh-keygen", "-q", "-p", "-P", "", "-N", "a passphrase", "-f", str(path)]
    run(words, check=True, capture_output=True)
    with pytest.raises(KeyRefused, match="without a passphrase"):
        Key.read(path)


@pytest.mark.parametrize("data", [b"", b"no key", b"\xff" * 64])
def test_what_is_no_key_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "key").write_bytes(data)
    with pytest.raises(KeyRefused, match="cannot be read"):
        Key.read(tmp_path / "key")


def test_a_key_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyRefused, match="No such file"):
        Key.read(tmp_path / "none")
