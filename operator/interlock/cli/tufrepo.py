"""Writes a governance repository: keys, metadata and targets of a TUF repository in a git tree.

`metadata/` holds every `N.root.json`, the newest `N.targets.json`, `N.revocations.json` and
`N.snapshot.json`, and `timestamp.json`. In `targets/` the plain files (`tiers.yaml`) are what
people edit and review; beside each lies its signed copy (`<sha256>.tiers.yaml`), which is what
Interlock reads (TUF's consistent snapshots). An edit counts from the moment it is signed.

Four keys: `root` and `targets` are security's; `ci` and `oncall` both may sign snapshot and
timestamp; `oncall` also owns the revocations, so that one person can revoke at night. The private
keys never lie in the repository.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import (  # type: ignore[attr-defined]
    DelegatedRole,
    Delegations,
    Metadata,
    MetaFile,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)
from tuf.api.serialization.json import JSONSerializer

from interlock.cli.tufkeys import (
    KEYS_OF,
    Keys,
    RepositoryRefused,
    key_name,
    load_keys,
    new_keys,
)
from interlock.evidence import governance
from interlock.evidence.governance import GovernanceRefused
from interlock.policy.parse import REVOCATIONS, parse, parse_revocations
from interlock.policy.revocations import LISTS, Entry

LIFETIMES = {
    "root": timedelta(days=365),
    "targets": timedelta(days=90),
    "revocations": timedelta(days=90),
    "snapshot": timedelta(days=30),
    "timestamp": timedelta(days=7),
}
"""How long a signature counts. CI signs a new timestamp each day."""
_COPY = re.compile(r"[0-9a-f]{64}\.(.+)")
_VERSIONED = re.compile(r"([1-9][0-9]{0,8})\.(root|targets|snapshot|revocations)\.json")


@dataclass(frozen=True, slots=True)
class RoleStatus:
    """One role as the newest metadata has it."""

    role: str
    version: int
    expires: datetime
    threshold: int
    keys: tuple[str, ...]
    """Names of the keys that may sign it."""


@dataclass(frozen=True, slots=True)
class Status:
    """A repository as Interlock would see it if this tree were pushed."""

    roles: tuple[RoleStatus, ...]
    unsigned: tuple[str, ...]
    """Targets whose plain file is not the one that is signed."""
    refused: str
    """Why Interlock would not take it; empty where it would."""


def init(directory: Path, keys: Path, targets: Mapping[str, bytes]) -> dict[str, int]:
    """Create keys, metadata and those targets that are not there yet; return role to version.

    Raises RepositoryRefused, PolicyError.
    """
    if (directory / "metadata").exists():
        raise RepositoryRefused(f"{directory} is a governance repository already; sign it instead")
    if keys.resolve().is_relative_to(directory.resolve()):
        raise RepositoryRefused(f"the keys {keys} would lie in the repository; put them elsewhere")
    for name, data in targets.items():
        if not (directory / "targets" / name).exists():
            _write(directory / "targets" / name, data)
    parse(_sources(directory), 1)
    writer = _Writer(directory, new_keys(keys), datetime.now(UTC))
    writer.create()
    return writer.finish()


def sign(directory: Path, keys: Path, *, expires: timedelta | None = None) -> dict[str, int]:
    """Sign what changed, what would expire before the new timestamp does, and the timestamp.

    Returns role to version of what was signed. `expires` replaces the usual lifetimes, save that
    of the root. Raises RepositoryRefused, PolicyError.
    """
    parse(_sources(directory), 1)
    return _sign(directory, keys, ("targets", "revocations"), expires)


def revoke(directory: Path, keys: Path, entry: Entry) -> dict[str, int]:
    """Put an entry on the revocation list, in place of one about the same, and sign.

    Needs the key `oncall` alone. Raises as `sign`.
    """
    file = directory / "targets" / REVOCATIONS
    before = file.read_bytes()
    part, about = LISTS[type(entry)]
    lists: dict[str, Any] = {name: [] for name, _ in LISTS.values()}
    lists |= parse_revocations(before).dump()
    new = entry.dump()
    others = [each for each in lists[part] if any(each[key] != new[key] for key in about)]
    lists[part] = [*others, new]
    _write(file, _revocations(lists))
    try:
        return _sign(directory, keys, ("revocations",), None)
    except RepositoryRefused:
        _write(file, before)  # an entry that nobody signed would look like a revocation
        raise


def status(directory: Path) -> Status:
    """Return roles, unsigned edits and whether the tree verifies from its first root on.

    Raises RepositoryRefused.
    """
    writer = _Writer(directory, {}, datetime.now(UTC))
    roles = tuple(writer.status(role) for role in governance.ROLES)
    return Status(roles, tuple(writer.unsigned()), _refusal(directory))


def read_from(directory: Path) -> governance.Read:
    """Return a reader of a working tree for `governance.load`."""
    return lambda path: (directory / path).read_bytes()


def _refusal(directory: Path) -> str:
    try:
        governance.load(read_from(directory), (directory / "metadata/1.root.json").read_bytes())
    except GovernanceRefused as error:
        return str(error)
    return ""


def _sign(
    directory: Path, keys: Path, owners: Iterable[str], expires: timedelta | None
) -> dict[str, int]:
    writer = _Writer(directory, load_keys(keys), datetime.now(UTC), expires)
    writer.renew_root()
    for role in owners:
        writer.sign_targets(role)
    return writer.finish()


def _revocations(lists: Mapping[str, list[dict[str, Any]]]) -> bytes:
    """Return the list as people read it. JSON strings are YAML strings, whatever is in them."""
    lines = ["# What may not run, whoever approved it. Written by `interlock governance revoke`."]
    for name, entries in lists.items():
        lines.append(f"{name}:" if entries else f"{name}: []")
        for entry in entries:
            pairs = [f"{key}: {json.dumps(value)}" for key, value in entry.items()]
            lines.append("  - " + "\n    ".join(pairs))
    return ("\n".join(lines) + "\n").encode()


@dataclass(slots=True)
class _Writer:
    """One signing session over one tree."""

    directory: Path
    signers: Keys
    now: datetime
    expires: timedelta | None = None
    signed: dict[str, int] = field(default_factory=dict)

    def create(self) -> None:
        """Sign the first root and the first targets."""
        self._next("root", Metadata(_new_root(self.signers)), LIFETIMES["root"])
        self._sign_files("targets", Metadata(_new_targets(self.signers)), self._files("targets"))
        self._sign_files("revocations", Metadata(Targets()), self._files("revocations"))

    def finish(self) -> dict[str, int]:
        """Sign which versions belong together and that they are the newest; return versions."""
        self._sign_snapshot()
        self._sign_timestamp()
        self._prune()
        return self.signed

    def renew_root(self) -> None:
        """Sign the root anew if it ends soon and its key is at hand."""
        if self._ends_soon("root") and self._at_hand("root"):
            self._next("root", self._newest("root"), LIFETIMES["root"])

    def sign_targets(self, role: str) -> None:
        """Sign the targets of a role if they changed, or end soon and the key is at hand."""
        wanted, metadata = self._files(role), self._newest(role)
        if wanted != metadata.signed.targets or (self._ends_soon(role) and self._at_hand(role)):
            self._sign_files(role, metadata, wanted)

    def _sign_files(self, role: str, metadata: Any, wanted: dict[str, Any]) -> None:
        metadata.signed.targets = wanted
        self._next(role, metadata, LIFETIMES[role])
        for name, file in wanted.items():
            data = (self.directory / "targets" / name).read_bytes()
            _write(self.directory / "targets" / f"{file.hashes['sha256']}.{name}", data)

    def _sign_snapshot(self) -> None:
        """Sign which versions belong together, if one of them changed."""
        metadata = self._newest("snapshot", Snapshot)
        meta = {f"{role}.json": self._meta(role) for role in ("targets", "revocations")}
        if meta != metadata.signed.meta or self._ends_soon("snapshot"):
            metadata.signed.meta = meta
            self._next("snapshot", metadata, LIFETIMES["snapshot"])

    def _sign_timestamp(self) -> None:
        """Sign that the newest snapshot still is the newest."""
        metadata = self._newest("timestamp", Timestamp)
        metadata.signed.snapshot_meta = self._meta("snapshot")
        self._next("timestamp", metadata, LIFETIMES["timestamp"])

    def _prune(self) -> None:
        """Remove copies and metadata that nothing names any more; roots stay."""
        kept = {
            f"{file.hashes['sha256']}.{name}"
            for role in ("targets", "revocations")
            for name, file in self._newest(role).signed.targets.items()
        }
        for file in (self.directory / "targets").iterdir():
            if _COPY.fullmatch(file.name) and file.name not in kept:
                file.unlink()
        for role in ("targets", "snapshot", "revocations"):
            for version in self._versions(role)[:-1]:
                self._path(role, version).unlink()

    def status(self, role: str) -> RoleStatus:
        """Return a role as the newest metadata has it."""
        signed = self._newest(role).signed
        delegator = self._delegator(role)
        rule = delegator.get_delegated_role(role)
        names = sorted(key_name(delegator.get_key(keyid)) for keyid in rule.keyids)
        return RoleStatus(role, signed.version, signed.expires, rule.threshold, tuple(names))

    def unsigned(self) -> list[str]:
        """Return the targets whose plain file is not the one that is signed."""
        found = set()
        for role in ("targets", "revocations"):
            there, signed = self._files(role), self._newest(role).signed.targets
            found |= {name for name in {*there, *signed} if there.get(name) != signed.get(name)}
        return sorted(found)

    def _files(self, role: str) -> dict[str, Any]:
        return {
            name: TargetFile.from_data(name, data, ["sha256"])
            for name, data in _sources(self.directory).items()
            if (name == REVOCATIONS) == (role == "revocations")
        }

    def _next(self, role: str, metadata: Any, lifetime: timedelta) -> None:
        lifetime = lifetime if self.expires is None or role == "root" else self.expires
        metadata.signed.version = self._last(role) + 1
        metadata.signed.expires = (self.now + lifetime).replace(microsecond=0)
        first = role == "root" and not self._last(role)
        self._put(role, metadata, metadata.signed if first else self._delegator(role))
        self.signed[role] = metadata.signed.version

    def _put(self, role: str, metadata: Any, delegator: Any) -> None:
        """Sign with every key at hand that may, and write only what then holds."""
        metadata.signatures.clear()
        for keyid in delegator.get_delegated_role(role).keyids:
            if keyid in self.signers:
                metadata.sign(self.signers[keyid], append=True)
        try:
            delegator.verify_delegate(role, metadata.signed_bytes, metadata.signatures)
        except RepositoryError:
            rule = delegator.get_delegated_role(role)
            names = " or ".join(key_name(delegator.get_key(keyid)) for keyid in rule.keyids)
            raise RepositoryRefused(
                f"{role} needs {rule.threshold} signature by {names}, and the folder of keys has "
                f"{len(metadata.signatures)}; ask who holds the key to sign"
            ) from None
        _write(self._path(role, metadata.signed.version), metadata.to_bytes(JSONSerializer()))

    def _delegator(self, role: str) -> Any:
        return self._newest("targets" if role == "revocations" else "root").signed

    def _at_hand(self, role: str) -> bool:
        rule = self._delegator(role).get_delegated_role(role)
        return bool(sum(keyid in self.signers for keyid in rule.keyids) >= rule.threshold)

    def _ends_soon(self, role: str) -> bool:
        end = self.now + (self.expires or LIFETIMES["timestamp"])
        return not self._last(role) or bool(self._newest(role).signed.expires < end)

    def _meta(self, role: str) -> Any:
        data = self._path(role, self._last(role)).read_bytes()
        return MetaFile.from_data(self._last(role), data, ["sha256"])

    def _newest(self, role: str, first: Any = None) -> Any:
        """Return the newest metadata of a role, or a first one of class `first`."""
        path = self._path(role, self._last(role))
        if not path.exists():
            if first is None:
                raise RepositoryRefused(
                    f"{path.parent} has no metadata of {role}; is this a governance repository?"
                )
            return Metadata(first())
        try:
            return Metadata.from_file(str(path))
        except RepositoryError as error:
            raise RepositoryRefused(f"{path} cannot be read: {error}") from None

    def _last(self, role: str) -> int:
        if role != "timestamp":
            return (self._versions(role) or [0])[-1]
        path = self._path(role, 0)
        return int(Metadata.from_file(str(path)).signed.version) if path.exists() else 0

    def _versions(self, role: str) -> list[int]:
        folder = self.directory / "metadata"
        named = [_VERSIONED.fullmatch(file.name) for file in folder.glob(f"*.{role}.json")]
        return sorted(int(match[1]) for match in named if match and match[2] == role)

    def _path(self, role: str, version: int) -> Path:
        name = "timestamp.json" if role == "timestamp" else f"{version}.{role}.json"
        return self.directory / "metadata" / name


def _new_root(signers: Keys) -> Any:
    root = Root(consistent_snapshot=True)
    for signer in signers.values():
        for role, names in KEYS_OF.items():
            if role in root.roles and key_name(signer.public_key) in names:
                root.add_key(signer.public_key, role)
    return root


def _new_targets(signers: Keys) -> Any:
    keys = [signer.public_key for signer in signers.values()]
    owners = {key.keyid: key for key in keys if key_name(key) in KEYS_OF["revocations"]}
    role = DelegatedRole("revocations", list(owners), 1, terminating=True, paths=[REVOCATIONS])
    return Targets(delegations=Delegations(dict(owners), {"revocations": role}))


def _sources(directory: Path) -> dict[str, bytes]:
    """Return the plain files of `targets/`: known names, and unknown ones to be refused."""
    folder = directory / "targets"
    if not folder.is_dir():
        raise RepositoryRefused(f"{folder} is missing; is this a governance repository?")
    there = [file for file in folder.iterdir() if not _COPY.fullmatch(file.name)]
    return {file.name: file.read_bytes() for file in sorted(there) if file.is_file()}


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.new")
    scratch.write_bytes(data)
    scratch.replace(path)
