"""A governance repository on disk, and ways to forge it with keys that are really there."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from securesystemslib.signer import Signer  # type: ignore[attr-defined]
from tuf.api.metadata import Metadata, MetaFile  # type: ignore[attr-defined]

from interlock.cli import tufkeys, tufrepo
from interlock.cli.tufinit import Holders
from interlock.evidence import governance
from interlock.evidence.governance import Governed
from support.policies import targets


@dataclass(frozen=True, slots=True)
class GovRepo:
    """A working tree, its keys, and its first root as it was handed to the operators."""

    directory: Path
    keys: Path
    bootstrap: bytes

    def load(self, last_good: Mapping[str, bytes] | None = None) -> Governed:
        """What Interlock makes of the tree."""
        return governance.load(tufrepo.read_from(self.directory), self.bootstrap, last_good)

    def copy(self, name: str) -> "GovRepo":
        """The tree as it is now, elsewhere; the keys stay."""
        to = self.directory.with_name(name)
        shutil.copytree(self.directory, to)
        return GovRepo(to, self.keys, self.bootstrap)

    def edit(self, target: str, data: bytes) -> None:
        """Change the plain file of a target."""
        (self.directory / "targets" / target).write_bytes(data)

    def signed_copy(self, target: str) -> Path:
        """The file of a target that Interlock reads."""
        (found,) = (self.directory / "targets").glob(f"{'[0-9a-f]' * 64}.{target}")
        return found

    def forge(self, role: str, change: Callable[[Any], None], key: str) -> None:
        """Change the metadata of a role, sign it with `key`, and let `oncall` publish it."""
        self._put(role, change, key)
        if role in ("targets", "revocations", "snapshot"):
            if role != "snapshot":
                self._put("snapshot", lambda signed: self._refer(signed.meta, role), "oncall")
            self._put("timestamp", self._refer_snapshot, "oncall")

    def _put(self, role: str, change: Callable[[Any], None], key: str) -> None:
        old = self._newest(role)
        metadata: Any = Metadata.from_file(str(old))
        change(metadata.signed)
        metadata.signed.version += 1
        metadata.sign(self._signer(key))
        name = "timestamp.json" if role == "timestamp" else f"{metadata.signed.version}.{role}.json"
        old.unlink()
        metadata.to_file(str(old.with_name(name)))

    def _refer(self, meta: dict[str, Any], role: str) -> None:
        version = meta[f"{role}.json"].version + 1
        data = self._newest(role).read_bytes()
        meta[f"{role}.json"] = MetaFile.from_data(version, data, ["sha256"])

    def _refer_snapshot(self, signed: Any) -> None:
        data = self._newest("snapshot").read_bytes()
        version = signed.snapshot_meta.version + 1
        signed.snapshot_meta = MetaFile.from_data(version, data, ["sha256"])

    def _newest(self, role: str) -> Path:
        (found,) = (self.directory / "metadata").glob(f"*{role}.json")
        return found

    def _signer(self, key: str) -> Signer:
        signers = tufkeys.load_keys(self.keys).values()
        return next(each for each in signers if tufkeys.key_name(each.public_key) == key)


def govrepo(folder: Path, name: str = "governance", **changes: Any) -> GovRepo:
    """A new repository with the good policy, changed as `policies.targets` does it."""
    directory, keys = folder / name, folder / f"{name}-keys"
    tufrepo.init(directory, keys, targets(**changes))
    return GovRepo(directory, keys, (directory / "metadata" / "1.root.json").read_bytes())


HOLDERS = ("security-1", "security-2", "security-3")
"""Who signs root and targets of a repository that is held by several."""


def held(folder: Path, threshold: int = 2, **changes: Any) -> GovRepo:
    """A repository of three holders, of whom `threshold` must sign; `keys_of` has their keys."""
    directory, keys = folder / "governance", folder / "keys"
    tufrepo.init(directory, keys / "all", targets(**changes), Holders(HOLDERS, {}, threshold))
    for file in (keys / "all").iterdir():
        (keys / file.stem).mkdir()
        shutil.copy(file, keys / file.stem)
    return GovRepo(directory, keys, (directory / "metadata" / "1.root.json").read_bytes())


def keys_of(repo: GovRepo, *names: str) -> Path:
    """The folder with the keys of these, as each has it on a machine of their own."""
    if len(names) == 1:
        return repo.keys / names[0]
    folder = repo.keys / "-".join(names)
    folder.mkdir(exist_ok=True)
    for name in names:
        shutil.copy(repo.keys / name / f"{name}.pem", folder)
    return folder
