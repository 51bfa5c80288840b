"""What a governance repository's files amount to: what counts, what waits, and for whose signature.

A proposal (`pending/2.targets.json`) gathers signatures by whatever branch it travels. It is one
only if it is the next version and somebody who may sign it did: whoever can push, and not sign,
proposes nothing.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import product
from typing import Any

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, TargetFile  # type: ignore[attr-defined]

from interlock.cli.tufkeys import RepositoryRefused, key_name
from interlock.cli.tuftree import METADATA, PENDING, TARGETS, Tree
from interlock.policy.parse import REVOCATIONS

OWNED = ("root", "targets", "revocations")
"""Roles that people sign; the others follow from them."""
ONLINE = ("snapshot", "timestamp")


@dataclass(frozen=True, slots=True)
class Want:
    """So many more signatures, by any of these keys."""

    count: int
    of: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Open:
    """A version of a role that waits for signatures."""

    role: str
    version: int
    signed: tuple[str, ...]
    """Names of the keys that signed it."""
    wanted: tuple[Want, ...]


@dataclass(frozen=True, slots=True)
class State:
    """Questions to a tree; each is answered from its files as they are now."""

    tree: Tree
    now: datetime

    def newest(self, role: str) -> Any | None:
        """Return the metadata of a role that counts, if there is any. Raises RepositoryRefused."""
        path = self.path(role, self.last(role))
        try:
            return self._parsed(role, path)
        except (RepositoryError, ValueError) as error:
            raise RepositoryRefused(f"{path} cannot be read: {error}") from None

    def pending(self, role: str) -> Any | None:
        """Return the proposal of a role: the next version, and signed by somebody who may.

        The first version of all needs no signature to be one: there is nobody yet who may.
        """
        version = self.last(role) + 1
        try:
            found = self._parsed(role, f"{PENDING}{version}.{role}.json")
        except (RepositoryError, ValueError):
            return None
        if found is None or found.signed.version != version or found.signed.expires <= self.now:
            return None
        votes = self.votes(role, found)[:1] if role == "root" else self.votes(role, found)
        return found if version == 1 or any(each.signed for each in votes) else None

    def effective(self, role: str) -> Any:
        """Return a role as it will be once all proposals are signed. Raises RepositoryRefused."""
        found = self.pending(role) or self.newest(role)
        if found is None:
            raise RepositoryRefused(
                f"{METADATA} has nothing of {role}; is this a governance repository?"
            )
        return found

    def tallies(self, role: str, metadata: Any) -> list[Any]:
        """Return who signed and who is missing, by each rule that a role's metadata must meet.

        A new root must satisfy the old one and itself; all else who may sign it from now on.
        """
        found = self.votes(role, metadata)
        return found if role == "root" else found[-1:]

    def votes(self, role: str, metadata: Any) -> list[Any]:
        """Return who signed, by the rules that count and then by those that are proposed.

        So a proposal of other keys keeps nobody from signing who may sign today.
        """
        judges = [self.newest(role), metadata] if role == "root" else self._givers(role)
        return [_tally(each, role, metadata) for each in judges if each]

    def keyids(self, role: str, *, later: bool = False) -> set[str]:
        """Return who may sign a role's targets, today or by what is proposed; or `later` alone."""
        givers = [each.signed for each in self._givers(role) if each]
        rules = [each.get_delegated_role(role) for each in givers[-1 if later else 0 :]]
        return {keyid for rule in rules for keyid in rule.keyids}

    def chosen(self) -> dict[str, Any] | None:
        """Return the newest combination of roles in which each satisfies the one above it."""
        choices = [(self.pending(role), self.newest(role)) for role in OWNED]
        for root, targets, revocations in product(*choices):
            if root and targets and revocations and self._fit(root, targets, revocations):
                return {"root": root, "targets": targets, "revocations": revocations}
        return None

    def open(self) -> list[Open]:
        """Return what waits for signatures, and whose."""
        found = [each for role in OWNED for each in self._open(role)]
        if found and not any(each.wanted for each in found):
            root = self.effective("root").signed
            rule = root.roles["snapshot"]
            want = Want(rule.threshold, names(root.get_key(keyid) for keyid in rule.keyids))
            found.append(Open("snapshot", self.last("snapshot") + 1, (), (want,)))
        return found

    def holds(self, role: str) -> bool:
        """Whether what counts of a role satisfies those who may sign it from now on."""
        newest = self.newest(role)
        return newest is not None and all(self.tallies(role, newest))

    def entries(self, role: str) -> dict[str, Any]:
        """Return the entries of metadata that the plain files of a role would have."""
        return {
            name: TargetFile.from_data(name, data, ["sha256"])
            for name, data in self.tree.sources().items()
            if (name == REVOCATIONS) == (role == "revocations")
        }

    def targets_of(self, metadata: Any) -> dict[str, bytes]:
        """Return the targets that metadata names, where they are there and are the ones."""
        found: dict[str, bytes] = {}
        for name, entry in getattr(metadata.signed, "targets", {}).items():
            for path in (copy_path(name, entry), TARGETS + name):
                data = self.tree.files.get(path)
                if data is not None and TargetFile.from_data(name, data, ["sha256"]) == entry:
                    found[name] = data
        return found

    def unsigned(self) -> list[str]:
        """Return the targets whose plain file is neither the one that counts nor proposed."""
        found = set()
        for role in ("targets", "revocations"):
            there, signed = self.entries(role), self.effective(role).signed.targets
            found |= {name for name in {*there, *signed} if there.get(name) != signed.get(name)}
        return sorted(found)

    def last(self, role: str) -> int:
        """Return the newest version of a role that counts, 0 where there is none."""
        if role != "timestamp":
            return (self.versions(role) or [0])[-1]
        try:
            found = self._parsed(role, self.path(role, 0))
        except (RepositoryError, ValueError):
            return 0
        return int(found.signed.version) if found else 0

    def versions(self, role: str) -> list[int]:
        """Return the versions of a role whose metadata lies there."""
        ends = f".{role}.json"
        found = [n.removesuffix(ends) for n in self.tree.names(METADATA) if n.endswith(ends)]
        return sorted(int(n) for n in found if n.isascii() and n.isdigit() and n[0] != "0")

    def path(self, role: str, version: int) -> str:
        """Return where a version of a role lies."""
        named = "timestamp.json" if role == "timestamp" else f"{version}.{role}.json"
        return METADATA + named

    def _givers(self, role: str) -> list[Any | None]:
        judge = "targets" if role == "revocations" else "root"
        return [self.newest(judge), self.pending(judge)]

    def _open(self, role: str) -> Iterator[Open]:
        pending = self.pending(role)
        if pending is None and (self.newest(role) is None or self.holds(role)):
            return
        tallies = self.tallies(role, self.effective(role))
        signed = [key for each in tallies for key in each.signed.values()] if pending else []
        wanted = (Want(t.missing, names(t.unsigned.values())) for t in tallies if t.missing)
        yield Open(role, self.last(role) + 1, names(signed), tuple(dict.fromkeys(wanted)))

    def _fit(self, root: Any, targets: Any, revocations: Any) -> bool:
        if not _tally(root, "targets", targets):
            return False
        if not _tally(targets, "revocations", revocations):
            return False
        return root.signed.version == self.last("root") or all(self.tallies("root", root))

    def _parsed(self, role: str, path: str) -> Any | None:
        if path not in self.tree.files:
            return None
        found = Metadata.from_bytes(self.tree.files[path])
        if found.signed.type != ("targets" if role == "revocations" else role):
            raise ValueError(f"it is metadata of {found.signed.type}, expected {role}")
        return found


def copy_path(name: str, entry: Any) -> str:
    """Return where the signed copy of a target lies."""
    return f"{TARGETS}{entry.hashes['sha256']}.{name}"


def names(keys: Iterable[Any]) -> tuple[str, ...]:
    """Return what people call keys, each once."""
    return tuple(sorted({key_name(key) for key in keys}))


def _tally(judge: Any, role: str, metadata: Any) -> Any:
    try:
        return judge.signed.get_verification_result(
            role, metadata.signed_bytes, metadata.signatures
        )
    except ValueError as error:
        raise RepositoryRefused(f"nobody may sign {role}: {error}") from None
