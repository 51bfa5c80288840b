"""The private keys that sign governance: where they lie, and who may sign what with them.

They are files outside the repository, each with its owner: a person or CI. Nobody needs them all.
"""

import os
import stat
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import load_pem_private_key
from securesystemslib.signer import CryptoSigner, SSlibKey  # type: ignore[attr-defined]

KEYS_OF = {
    "root": ("root",),
    "targets": ("targets",),
    "snapshot": ("ci", "oncall"),
    "timestamp": ("ci", "oncall"),
    "revocations": ("oncall",),
}
"""Which keys may sign a role of a new repository. One is enough."""
KEY_NAME = "x-interlock-name"
"""The field of a public key that says what people call it; for messages only."""

Keys = dict[str, CryptoSigner]
"""Key id to signer."""


class RepositoryRefused(Exception):
    """The repository or the keys do not allow what was asked. The message says why."""


def new_keys(folder: Path) -> Keys:
    """Create the keys of KEYS_OF in a folder, readable by its owner alone.

    Raises RepositoryRefused.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    names = sorted({name for names in KEYS_OF.values() for name in names})
    if there := [name for name in names if (folder / f"{name}.pem").exists()]:
        raise RepositoryRefused(f"{folder / there[0]}.pem exists already; give an empty folder")
    for name in names:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        with os.fdopen(os.open(folder / f"{name}.pem", flags, 0o600), "wb") as file:
            file.write(CryptoSigner.generate_ed25519().private_bytes)
    return load_keys(folder)


def load_keys(folder: Path) -> Keys:
    """Return the keys of a folder, be it one. Raises RepositoryRefused."""
    found: Keys = {}
    for file in sorted(folder.glob("*.pem")):
        if stat.S_IMODE(file.stat().st_mode) & 0o077:
            raise RepositoryRefused(f"{file} is open to others; run chmod 600 on it")
        signer = CryptoSigner(_private(file))
        signer.public_key.unrecognized_fields[KEY_NAME] = file.stem
        found[signer.public_key.keyid] = signer
    if not found:
        raise RepositoryRefused(f"{folder} holds no key (*.pem); give the folder that init made")
    return found


def key_name(key: Any) -> str:
    """Return what people call a public key; the start of its id where nobody named it."""
    public: SSlibKey = key
    return str(public.unrecognized_fields.get(KEY_NAME, public.keyid[:10]))


def _private(file: Path) -> Any:
    try:
        return load_pem_private_key(file.read_bytes(), None)
    except (ValueError, TypeError) as error:
        raise RepositoryRefused(f"{file} is no private key without a password: {error}") from None
