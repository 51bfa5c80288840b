"""One signing session: what the keys at hand may add to a governance repository.

Root, targets and revocations become metadata in two steps. A proposal gathers signatures, one
holder after another. It moves to `metadata/` together with a snapshot and a timestamp, and only
if Interlock would take the whole: what counts is never replaced by something that does not yet.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from tuf.api.metadata import (  # type: ignore[attr-defined]
    Metadata,
    MetaFile,
    Snapshot,
    Timestamp,
)
from tuf.api.serialization.json import JSONSerializer

from interlock.cli import tufroles
from interlock.cli.tufkeys import Keys, RepositoryRefused
from interlock.cli.tufstate import ONLINE, OWNED, State, copy_path, names
from interlock.cli.tuftree import METADATA, PENDING, TARGETS, Tree
from interlock.evidence import governance
from interlock.evidence.governance import GovernanceRefused, GovernanceStale
from interlock.policy.parse import PolicyError, parse

LIFETIMES = {
    "root": timedelta(days=365),
    "targets": timedelta(days=90),
    "revocations": timedelta(days=90),
    "snapshot": timedelta(days=30),
    "timestamp": timedelta(days=7),
}
"""How long a signature counts. CI signs a new timestamp each day."""
_SKEW = timedelta(hours=1)
"""How far the clocks of two holders may differ."""


@dataclass(frozen=True, slots=True)
class Joining:
    """What somebody else proposed and one is about to sign."""

    role: str
    version: int
    signed: tuple[str, ...]
    """Names of the keys that signed it."""
    keys: tuple[str, ...]
    """What changes in who may sign, a line each."""
    before: Mapping[str, bytes]
    after: Mapping[str, bytes]


Agree = Callable[[Joining], bool]
"""Shows a proposal to whoever signs; no signature is added where the answer is no."""


@dataclass(slots=True)
class Session:
    """Signs in memory; nothing is written here."""

    state: State
    signers: Keys
    agree: Agree
    expires: timedelta | None = None
    published: dict[str, int] = field(default_factory=dict)
    """Role to version of what counts from now on."""
    added: dict[str, int] = field(default_factory=dict)
    """Proposals that were signed."""
    dropped: list[str] = field(default_factory=list)
    """Sentences on signatures that no longer stand for what is there."""

    @property
    def tree(self) -> Tree:
        """The files."""
        return self.state.tree

    def ends_soon(self, role: str) -> bool:
        """Whether a role's metadata would end before a timestamp that is signed now."""
        newest = self.state.newest(role)
        end = self.state.now + (self.expires or LIFETIMES["timestamp"])
        return newest is None or bool(newest.signed.expires < end)

    def propose(
        self, role: str, wanted: Any, own: Collection[str] = (), *, later: bool = False
    ) -> bool:
        """Sign `wanted` as the next version of a role, beside those who signed the same already.

        `own` are the changes of keys that this very command makes: nobody is asked about them.
        `later`: only for those who may sign by the rules that are proposed; for the others nothing
        changes. Returns whether a key at hand may sign. Raises RepositoryRefused.
        """
        tufroles.check(wanted)
        old = self.state.pending(role)
        joined = old is not None and self._same(role, old.signed, wanted)
        metadata = old if old is not None and joined else self._fresh(role, wanted)
        votes = self.state.votes(role, metadata)[-1 if later else 0 :]
        valid = {keyid: key for each in votes for keyid, key in each.signed.items()}
        may = {*valid, *(keyid for each in votes for keyid in each.unsigned)}
        keys = sorted(may & self.signers.keys())
        first = self.state.last(role) == 0
        if not keys and not first:
            return False
        self._write_copies(metadata)
        others = names(key for keyid, key in valid.items() if keyid not in self.signers)
        self._ask(role, metadata, others, own)
        metadata.signatures = {k: s for k, s in metadata.signatures.items() if k in valid}
        for keyid in keys:
            metadata.sign(self.signers[keyid], append=True)
        if old is not None and not joined:
            self._drop(role, old)
        version = metadata.signed.version
        self.tree.write(f"{PENDING}{version}.{role}.json", metadata.to_bytes(JSONSerializer()))
        if keys:
            self.added[role] = version
        return bool(keys)

    def withdraw(self, role: str) -> None:
        """Take back a proposal that asks for what counts already, if a key at hand may sign it."""
        old = self.state.pending(role)
        if old is None:
            return
        votes = self.state.votes(role, old)
        if any(keyid in self.signers for v in votes for keyid in (*v.signed, *v.unsigned)):
            self.tree.remove(f"{PENDING}{old.signed.version}.{role}.json")
            self._drop(role, old)

    def publish(self) -> None:
        """Let all count that has its signatures, if the keys of snapshot and timestamp are here.

        Raises RepositoryRefused where Interlock would not take the result.
        """
        chosen = self.state.chosen()
        if chosen is None or not self._online(chosen["root"].signed):
            return
        for role, metadata in chosen.items():
            if metadata.signed.version > self.state.last(role):
                self._put(role, metadata)
                self.tree.remove(f"{PENDING}{metadata.signed.version}.{role}.json")
            self._write_copies(metadata)
        root = chosen["root"].signed
        self._sign_snapshot(root)
        self._sign_timestamp(root)
        self._prune()
        self._check()

    def _fresh(self, role: str, wanted: Any) -> Any:
        lifetime = LIFETIMES[role] if self.expires is None or role == "root" else self.expires
        wanted.version = self.state.last(role) + 1
        wanted.expires = (self.state.now + lifetime).replace(microsecond=0)
        return Metadata(wanted)

    def _same(self, role: str, old: Any, wanted: Any) -> bool:
        """Whether a proposal says what we would say, and not for longer than we would say it."""
        longest = max(LIFETIMES[role], self.expires or LIFETIMES[role]) + _SKEW
        return tufroles.same(old, wanted) and bool(old.expires <= self.state.now + longest)

    def _ask(self, role: str, metadata: Any, others: tuple[str, ...], own: Collection[str]) -> None:
        newest = self.state.newest(role)
        keys = tuple(tufroles.key_changes(newest.signed if newest else None, metadata.signed))
        if not others and set(keys) <= set(own):
            return
        before = self.state.targets_of(newest) if newest else {}
        version = metadata.signed.version
        joining = Joining(role, version, others, keys, before, self.state.targets_of(metadata))
        if not self.agree(joining):
            raise RepositoryRefused(
                f"{role} {version} was not signed, and nothing was written. To sign without what "
                f"others proposed, delete {PENDING}{version}.{role}.json"
            )

    def _drop(self, role: str, old: Any) -> None:
        signed = {k: key for v in self.state.votes(role, old) for k, key in v.signed.items()}
        if others := names(key for keyid, key in signed.items() if keyid not in self.signers):
            self.dropped.append(
                f"{role} {old.signed.version} was something else when {', '.join(others)} signed "
                "it, so that signature is gone. Have it signed again."
            )

    def _write_copies(self, metadata: Any) -> None:
        """Write the signed copies of targets, and again those that were lost or spoilt."""
        plain = self.state.entries("targets") | self.state.entries("revocations")
        for name, entry in getattr(metadata.signed, "targets", {}).items():
            if plain.get(name) == entry:
                self.tree.write(copy_path(name, entry), self.tree.files[TARGETS + name])

    def _put(self, role: str, metadata: Any) -> None:
        version = metadata.signed.version
        self.tree.write(self.state.path(role, version), metadata.to_bytes(JSONSerializer()))
        self.published[role] = version

    def _online(self, root: Any) -> bool:
        rules = [root.roles[role] for role in ONLINE]
        return all(len({*rule.keyids} & self.signers.keys()) >= rule.threshold for rule in rules)

    def _sign_snapshot(self, root: Any) -> None:
        """Sign which versions belong together, if one of them changed."""
        newest = self.state.newest("snapshot")
        signed = newest.signed if newest else Snapshot()
        meta = {f"{role}.json": self._meta(role) for role in ("targets", "revocations")}
        for name, old in signed.meta.items() if newest else ():
            _not_back("snapshot", signed.version, name.removesuffix(".json"), old, meta.get(name))
        fits = newest is not None and root.get_verification_result(
            "snapshot", newest.signed_bytes, newest.signatures
        )
        if not fits or meta != signed.meta or self.ends_soon("snapshot"):
            signed.meta = meta
            self._sign_online("snapshot", signed, root)

    def _sign_timestamp(self, root: Any) -> None:
        """Sign that the newest snapshot still is the newest."""
        newest = self.state.newest("timestamp")
        signed, meta = newest.signed if newest else Timestamp(), self._meta("snapshot")
        if newest:
            _not_back("timestamp", signed.version, "snapshot", signed.snapshot_meta, meta)
        signed.snapshot_meta = meta
        self._sign_online("timestamp", signed, root)

    def _sign_online(self, role: str, signed: Any, root: Any) -> None:
        metadata = self._fresh(role, signed)
        for keyid in root.roles[role].keyids:
            if keyid in self.signers:
                metadata.sign(self.signers[keyid], append=True)
        self._put(role, metadata)

    def _meta(self, role: str) -> Any:
        version = self.state.last(role)
        data = self.tree.read(self.state.path(role, version))
        return MetaFile.from_data(version, data, ["sha256"])

    def _prune(self) -> None:
        """Remove copies, proposals and metadata that nothing names any more; roots stay."""
        kept = set()
        for role in OWNED:
            if pending := self.state.pending(role):
                kept.add(f"{PENDING}{pending.signed.version}.{role}.json")
            for each in filter(None, (pending, self.state.newest(role))):
                entries = getattr(each.signed, "targets", {}).items()
                kept |= {copy_path(name, entry) for name, entry in entries}
        there = [TARGETS + name for name in self.tree.copies()]
        there += [PENDING + name for name in self.tree.names(PENDING)]
        gone = [path for path in there if path not in kept]
        for role in ("targets", "snapshot", "revocations"):
            gone += [self.state.path(role, one) for one in self.state.versions(role)[:-1]]
        for path in gone:
            self.tree.remove(path)

    def _check(self) -> None:
        """Refuse to let anything count that Interlock would not take."""
        try:
            found = governance.load(self.tree.read, self.tree.read(f"{METADATA}1.root.json"))
            parse(found.targets, found.versions["revocations"])
        except GovernanceStale:
            return  # no worse than before, and `status` says what is over
        except (GovernanceRefused, PolicyError, FileNotFoundError) as error:
            raise RepositoryRefused(f"Interlock would refuse the result: {error}") from None


def _not_back(signer: str, version: int, role: str, old: Any, new: Any) -> None:
    """Refuse to sign that an older version is the newest: whoever may push put it there."""
    there = new.version if new else 0
    if there < old.version:
        raise RepositoryRefused(
            f"{signer} {version} names {role} {old.version}, and {METADATA} has only {there} of "
            "it; restore the newer one from git"
        )
