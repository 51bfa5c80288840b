"""The user's SSH key: found as git finds it, used through ssh-keygen.

Agents, security keys and passphrases are OpenSSH's business; no private key is read here.
"""

import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from interlock.cli.exits import BadInput, Failed
from interlock.evidence import sshsig

DEFAULTS = ("id_ed25519", "id_ed25519_sk", "id_ecdsa", "id_ecdsa_sk", "id_rsa")


class Key(NamedTuple):
    """A key that may sign."""

    file: Path
    """The private key, or the public key of one that an agent or a security key holds."""
    public: str
    """Its public line."""

    @property
    def fingerprint(self) -> str:
        """`SHA256:…`, by which governance knows it."""
        try:
            return sshsig.fingerprint(self.public)
        except sshsig.SshsigRefused as error:
            raise BadInput(f"{self.file} cannot sign approvals: {error}") from None


def find(named: Path | None, configured: str, scratch: Path) -> Key:
    """Return the key that was named, or git's `user.signingKey`, or the usual file.

    A key that git's configuration spells out is written to the folder `scratch`.
    """
    if named:
        return _at(named)
    literal = configured.removeprefix("key::")
    if literal.startswith(("ssh-", "ecdsa-", "sk-")):
        file = scratch / "key.pub"
        file.write_text(literal + "\n")
        return Key(file, literal)
    if configured:
        return _at(Path(configured))
    home = Path.home() / ".ssh"
    found = next((home / name for name in DEFAULTS if (home / name).exists()), None)
    if found is None:
        raise BadInput(
            f"there is no SSH key in {home}. Name one with --key, or in git's user.signingKey."
        )
    return _at(found)


def sign(key: Key, message: bytes, namespace: str) -> str:
    """Return the armored SSHSIG of a message. ssh-keygen may ask for a passphrase or a touch."""
    with tempfile.TemporaryFile() as file:
        file.write(message)
        file.seek(0)
        words = ["ssh-keygen", "-q", "-Y", "sign", "-n", namespace, "-f", str(key.file)]
        try:
            done = subprocess.run(words, stdin=file, stdout=subprocess.PIPE, check=False)
        except FileNotFoundError:
            raise BadInput("ssh-keygen was not found. Install OpenSSH 8.2 or newer.") from None
    if done.returncode != 0:
        raise Failed(f"ssh-keygen could not sign with {key.file}; it said why above.")
    return done.stdout.decode()


def _at(file: Path) -> Key:
    public = file if file.suffix == ".pub" else file.with_name(f"{file.name}.pub")
    with suppress(OSError):
        return Key(file, public.read_text().strip())
    done = subprocess.run(
        ["ssh-keygen", "-y", "-f", str(file)], stdout=subprocess.PIPE, check=False
    )
    if done.returncode != 0:
        raise BadInput(f"{file} is no SSH key that can be read. Name one with --key.")
    return Key(file, done.stdout.decode().strip())
