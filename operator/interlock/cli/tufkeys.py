"""The private keys that sign governance: where they lie, and what people call them.

They are outside the repository, each with its owner: a person or CI. Nobody needs them all, and
where several people must sign, each makes a key of their own and shows its public half only.
"""

import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from securesystemslib.signer import CryptoSigner, Key, Signer, SSlibKey  # type: ignore[attr-defined]

KEY_NAME = "x-interlock-name"
"""The field of a public key that says what people call it; for messages only."""
MAX_KEY = 16 * 1024
"""Bytes of a public key's file."""
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")

Keys = dict[str, Signer]
"""Key id to signer."""
Ask = Callable[[str], str]
"""Asks whoever types for a password or a PIN, by what it is of."""


class RepositoryRefused(Exception):
    """The repository or the keys do not allow what was asked. The message says why."""


def new_keys(folder: Path, names: Iterable[str]) -> Keys:
    """Create Ed25519 keys in a folder, readable by its owner alone.

    Raises RepositoryRefused; no key is then made.
    """
    wanted = sorted(set(names))
    for name in wanted:
        if not _NAME.fullmatch(name):
            raise RepositoryRefused(
                f"a key cannot be called {name[:64]!r}; use lower-case letters, digits, . - and _"
            )
        if (folder / f"{name}.pem").exists():
            raise RepositoryRefused(f"{folder / name}.pem exists already; give an empty folder")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for name in wanted:
        signer = CryptoSigner.generate_ed25519()
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        with os.fdopen(os.open(folder / f"{name}.pem", flags, 0o600), "wb") as file:
            file.write(signer.private_bytes)
    made = (_from_file(folder / f"{name}.pem", None) for name in wanted)
    return {signer.public_key.keyid: signer for signer in made}


def show_key(folder: Path, name: str) -> Path:
    """Write the public half of a key beside it, to be given away; return its file."""
    private: Any = load_pem_private_key((folder / f"{name}.pem").read_bytes(), None)
    file = folder / f"{name}.pub"
    file.write_bytes(
        private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    return file


def load_keys(
    folder: Path, known: Mapping[str, Key] = MappingProxyType({}), ask: Ask | None = None
) -> Keys:
    """Return the signers of a folder, be it one.

    `NAME.pem` is a private key; `NAME.uri` says in one line where one is that cannot be read, as
    securesystemslib writes it (`hsm:2`, `awskms:…`), and `known` has its public half by name.
    `ask` is asked for passwords and PINs; without it keys that need one are refused.
    Raises RepositoryRefused.
    """
    found = dict(_load(folder, ask))
    for file in sorted(folder.glob("*.uri")):
        if file.stem in known:
            signer = _elsewhere(file, known[file.stem], ask)
            found[signer.public_key.keyid] = signer
    if not found:
        raise RepositoryRefused(
            f"{folder} holds no key of this repository (*.pem, *.uri); give the folder that has one"
        )
    return found


def own_key(folder: Path, name: str, ask: Ask | None = None) -> SSlibKey:
    """Return the public half of a private key. Raises RepositoryRefused."""
    return _from_file(folder / f"{name}.pem", ask).public_key


def public_key(name: str, file: Path) -> SSlibKey:
    """Return a holder's public key, which is a PEM file. Raises RepositoryRefused."""
    if not _NAME.fullmatch(name):
        raise RepositoryRefused(
            f"a key cannot be called {name[:64]!r}; use lower-case letters, digits, . - and _"
        )
    with file.open("rb") as opened:
        data = opened.read(MAX_KEY)
    try:
        key = SSlibKey.from_crypto(load_pem_public_key(data))
    except (ValueError, UnsupportedAlgorithm):
        raise RepositoryRefused(
            f"{file} is no public key in PEM. Make one with `interlock governance key {name}`."
        ) from None
    key.unrecognized_fields[KEY_NAME] = name
    return key


def key_name(key: Any) -> str:
    """Return what people call a public key; the start of its id where nobody named it."""
    public: SSlibKey = key
    return str(public.unrecognized_fields.get(KEY_NAME, public.keyid[:10]))


def _load(folder: Path, ask: Ask | None = None) -> Iterator[tuple[str, Signer]]:
    for file in sorted(folder.glob("*.pem")):
        signer = _from_file(file, ask)
        yield signer.public_key.keyid, signer


def _from_file(file: Path, ask: Ask | None) -> CryptoSigner:
    if stat.S_IMODE(file.stat().st_mode) & 0o077:
        raise RepositoryRefused(f"{file} is open to others; run chmod 600 on it")
    signer = CryptoSigner(_private(file, ask))
    signer.public_key.unrecognized_fields[KEY_NAME] = file.stem
    return signer


def _private(file: Path, ask: Ask | None) -> Any:
    data = file.read_bytes()
    password = ask(f"Password of {file}").encode() if ask and b"ENCRYPTED" in data else None
    try:
        return load_pem_private_key(data, password)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise RepositoryRefused(f"{file} is no private key that can be read: {error}") from None


def _elsewhere(file: Path, public: Key, ask: Ask | None) -> Signer:
    """Return a signer whose key is in hardware or in a service."""
    uri = file.read_text().strip()
    try:
        return Signer.from_priv_key_uri(uri, public, ask)
    except Exception as error:  # each kind of signer has errors of its own
        raise RepositoryRefused(f"{file}: {uri} cannot sign: {error}") from None
