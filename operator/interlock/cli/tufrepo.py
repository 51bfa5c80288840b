"""A governance repository as its commands change it: a TUF repository in a git tree.

`metadata/` holds every `N.root.json`, the newest `N.targets.json`, `N.revocations.json` and
`N.snapshot.json`, and `timestamp.json`. In `targets/` the plain files (`tiers.yaml`) are what
people edit and review; beside each lies its signed copy (`<sha256>.tiers.yaml`), which is what
Interlock reads (TUF's consistent snapshots). `pending/` holds what waits for more signatures.

Root and targets belong to the holders, k of n; `ci` and `oncall` both may sign snapshot and
timestamp; `oncall` also owns the revocations, so that one person can revoke at night. The private
keys never lie in the repository.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tuf.api.metadata import Metadata, Targets  # type: ignore[attr-defined]

from interlock.cli import tufinit, tufrevoked, tufroles
from interlock.cli.tufinit import ALONE, Holders
from interlock.cli.tufkeys import Ask, RepositoryRefused, key_name, load_keys
from interlock.cli.tufsession import Agree, Session
from interlock.cli.tufstate import Open, State, names
from interlock.cli.tuftree import METADATA, TARGETS, Tree
from interlock.evidence import governance
from interlock.evidence.governance import GovernanceRefused, Governed
from interlock.policy.parse import REVOCATIONS, parse
from interlock.policy.revocations import Entry

_GIVERS = ("root", "targets")
"""Roles that say who may sign what."""


@dataclass(frozen=True, slots=True)
class Signed:
    """What a command signed and what is open after it."""

    published: dict[str, int]
    """Role to version of what counts from now on."""
    added: dict[str, int]
    """Role to version of proposals that were signed."""
    open: tuple[Open, ...]
    dropped: tuple[str, ...]
    """Sentences on signatures that no longer stand for what is there."""
    unsigned: tuple[str, ...]
    """Targets whose plain file nobody signed."""


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
    open: tuple[Open, ...]
    unsigned: tuple[str, ...]
    """Targets whose plain file is neither signed nor proposed."""
    refused: str
    """Why Interlock would not take it; empty where it would."""


def init(
    directory: Path, keys: Path, targets: Mapping[str, bytes], holders: Holders = ALONE
) -> Signed:
    """Create keys, metadata and those targets that are not there yet.

    Without holders one key signs the root and another the targets. Where the signatures of those
    who only showed a public key are needed, the first metadata waits for them.
    Raises RepositoryRefused, PolicyError.
    """
    tree = Tree.at(directory)
    if tree.names(METADATA) or (directory / "pending").exists():
        raise RepositoryRefused(f"{directory} is a governance repository already; sign it instead")
    if keys.resolve().is_relative_to(directory.resolve()):
        raise RepositoryRefused(f"the keys {keys} would lie in the repository; put them elsewhere")
    for name, data in targets.items():
        if TARGETS + name not in tree.files:
            tree.write(TARGETS + name, data)
    parse(tree.sources(), 1)
    session = Session(State(tree, datetime.now(UTC)), {}, lambda _: True)
    root, owned, session.signers = tufinit.first(keys, holders)
    session.propose("root", root, tuple(tufroles.key_changes(None, root)))
    owned.targets = session.state.entries("targets")
    session.propose("targets", owned, tuple(tufroles.key_changes(None, owned)))
    session.propose("revocations", Targets(targets=session.state.entries("revocations")))
    return _finish(session, directory)


def sign(
    directory: Path,
    keys: Path,
    *,
    expires: timedelta | None = None,
    agree: Agree = lambda _: True,
    ask: Ask | None = None,
) -> Signed:
    """Sign what the keys at hand may: what changed, what ends soon, and what others proposed.

    What has all its signatures counts from now on if a key of snapshot and timestamp is at hand.
    `expires` replaces the usual lifetimes, save that of the root. Raises RepositoryRefused,
    PolicyError.
    """
    session = _session(directory, keys, ask, agree, expires)
    _sign_root(session)
    _sign_targets(session)
    _sign_revocations(session)
    return _finish(session, directory)


def revoke(directory: Path, keys: Path, entry: Entry, *, ask: Ask | None = None) -> Signed:
    """Put an entry on the revocation list, in place of one about the same, and sign.

    Needs the key `oncall` alone, and starts from the list that is signed: an edit of the plain
    file, by whoever may push, is not signed along. Raises as `sign`.
    """
    session = _session(directory, keys, ask)
    listed = session.state.targets_of(session.state.effective("revocations")).get(REVOCATIONS)
    if listed is None:
        raise RepositoryRefused(f"the signed {REVOCATIONS} is not there; restore it from git")
    path = TARGETS + REVOCATIONS
    if session.tree.files.get(path) != listed:
        session.dropped.append(f"Edits of {path} that nobody signed were left out.")
    session.tree.write(path, tufrevoked.with_entry(listed, entry))
    wanted = Targets(targets=session.state.entries("revocations"))
    if not session.propose("revocations", wanted):
        rule = tufroles.rules(session.state.effective("targets").signed)["revocations"]
        raise RepositoryRefused(
            f"revocations needs {rule.threshold} signature by {' or '.join(rule.keys.values())}, "
            "and the folder of keys has none of them; ask who holds the key"
        )
    return _finish(session, directory)


def rotate(
    directory: Path,
    keys: Path,
    change: tufroles.Rotation,
    *,
    agree: Agree = lambda _: True,
    ask: Ask | None = None,
) -> Signed:
    """Propose other keys or another threshold, and sign with the keys at hand.

    What the new keys must sign again, such as the snapshot, is signed or left open.
    Raises RepositoryRefused.
    """
    session = _session(directory, keys, ask, agree)
    state = session.state
    known = {name for role in _GIVERS for name in _key_names(state, role)}
    if strange := sorted({*change.remove} - known):
        there = ", ".join(sorted(known))
        raise RepositoryRefused(f"no key is called {strange[0]}; there are {there}")
    rotated = [_rotated(session, role, change) for role in _GIVERS]
    if not any(rotated):
        raise RepositoryRefused("that changes nothing: see `interlock governance status`")
    for role in ("targets", "revocations"):
        if not state.holds(role) and state.pending(role) is None:
            session.propose(role, state.effective(role).signed, later=True)
    return _finish(session, directory)


def verify(tree: Tree, root: bytes, last_good: Mapping[str, bytes] | None = None) -> Governed:
    """Return what Interlock would make of a tree, seen from a root that one knows.

    Raises GovernanceRefused, GovernanceStale, PolicyError.
    """
    found = governance.load(tree.read, root, last_good)
    parse(found.targets, found.versions["revocations"])
    return found


def status(directory: Path) -> Status:
    """Return roles, what is open, and whether the tree verifies from its first root on.

    Raises RepositoryRefused.
    """
    tree = Tree.at(directory)
    state = State(tree, datetime.now(UTC))
    state.effective("root")
    roles = tuple(_role(state, role) for role in governance.ROLES if state.last(role))
    return Status(roles, tuple(state.open()), tuple(state.unsigned()), _refusal(tree))


def read_from(directory: Path) -> governance.Read:
    """Return a reader of a working tree for `governance.load`."""
    return lambda path: (directory / path).read_bytes()


def _session(
    directory: Path,
    keys: Path,
    ask: Ask | None,
    agree: Agree = lambda _: True,
    expires: timedelta | None = None,
) -> Session:
    state = State(Tree.at(directory), datetime.now(UTC))
    givers = [state.effective("root").signed, state.effective("targets").signed.delegations]
    known = {key_name(key): key for each in givers if each for key in each.keys.values()}
    return Session(state, load_keys(keys, known, ask), agree, expires)


def _finish(session: Session, directory: Path) -> Signed:
    session.publish()
    session.tree.save(directory)
    still = {role: v for role, v in session.added.items() if role not in session.published}
    return Signed(
        published=session.published,
        added=still,
        open=tuple(session.state.open()),
        dropped=tuple(session.dropped),
        unsigned=tuple(session.state.unsigned()),
    )


def _sign_root(session: Session) -> None:
    """Join a proposed root; renew the one that counts if it ends soon."""
    pending, newest = session.state.pending("root"), session.state.newest("root")
    if pending is not None:
        session.propose("root", pending.signed)
    elif newest is not None and session.ends_soon("root"):
        session.propose("root", newest.signed)


def _sign_targets(session: Session) -> None:
    base = session.state.effective("targets").signed
    entries = session.state.entries("targets")
    _sign_files(session, "targets", Targets(delegations=base.delegations, targets=entries))


def _sign_revocations(session: Session) -> None:
    _sign_files(session, "revocations", Targets(targets=session.state.entries("revocations")))


def _sign_files(session: Session, role: str, wanted: Any) -> None:
    """Propose targets if they changed, end soon, or were not signed by those who will have to.

    Without a key for them nothing is asked of them, not even that they are a policy.
    """
    state = session.state
    newest = state.newest(role)
    same = newest is not None and tufroles.same(newest.signed, wanted)
    later = same and not session.ends_soon(role)
    if later and state.holds(role):
        session.withdraw(role)
    elif state.keyids(role, later=later) & session.signers.keys():
        parse(session.tree.sources(), 1)
        session.propose(role, wanted, later=later)


def _rotated(session: Session, role: str, change: tufroles.Rotation) -> bool:
    """Propose a root, or targets, that lay down other rules; return whether there are any."""
    before = session.state.effective(role)
    after: Any = Metadata.from_bytes(before.to_bytes()).signed
    tufroles.change(after, change)
    own = list(tufroles.key_changes(before.signed, after))
    if not own:
        return False
    if not session.propose(role, after, own):
        raise RepositoryRefused(f"none of the keys at hand may sign {role}; ask a holder to rotate")
    return True


def _key_names(state: State, role: str) -> set[str]:
    rules = tufroles.rules(state.effective(role).signed).values()
    return {name for rule in rules for name in rule.keys.values()}


def _role(state: State, role: str) -> RoleStatus:
    newest: Any = state.newest(role)
    judge: Any = state.newest("targets" if role == "revocations" else "root")
    rule = judge.signed.get_delegated_role(role)
    keys = names(judge.signed.get_key(keyid) for keyid in rule.keyids)
    return RoleStatus(role, newest.signed.version, newest.signed.expires, rule.threshold, keys)


def _refusal(tree: Tree) -> str:
    path = f"{METADATA}1.root.json"
    if path not in tree.files:
        return "Nothing counts yet: the first root waits for signatures."
    try:
        governance.load(tree.read, tree.read(path))
    except GovernanceRefused as error:
        return str(error)
    return ""
