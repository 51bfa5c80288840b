"""Two sides of a comparison: what is signed somewhere, and what stands in files somewhere."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from interlock.cli import tufroles
from interlock.cli.exits import BadInput
from interlock.cli.tufstate import State
from interlock.cli.tuftree import FOLDERS, Tree
from interlock.cli.usergit import Clone


@dataclass(frozen=True, slots=True)
class Side:
    """Targets, and who may sign."""

    targets: Mapping[str, bytes]
    roles: tuple[Any, ...]
    """The signed parts of root and targets, where there are any."""

    def key_changes(self, old: "Side") -> Iterator[str]:
        """Yield what changes in who may sign, a line each."""
        for before, after in zip(old.roles, self.roles, strict=True):
            yield from tufroles.key_changes(before, after)


def signed_side(tree: Tree) -> Side:
    """Return what counts in a tree; nothing where nothing does yet."""
    state = _state(tree)
    found: dict[str, bytes] = {}
    for role in ("targets", "revocations"):
        if newest := state.newest(role):
            found |= state.targets_of(newest)
    return Side(found, tuple(_signed(state.newest(role)) for role in ("root", "targets")))


def working(tree: Tree) -> Side:
    """Return the plain files of a tree, and the keys that it proposes."""
    state = _state(tree)
    roles = (_signed(state.pending(role) or state.newest(role)) for role in ("root", "targets"))
    return Side(tree.sources(), tuple(roles))


def committed(directory: Path, commit: str) -> Tree:
    """Return the tree as a commit of its clone has it. Raises BadInput."""
    clone = Clone.around(directory / "targets")
    if clone is None:
        raise BadInput(f"{directory} is in no git repository")
    inside = clone.relative(directory).removeprefix(".")
    found: dict[str, bytes] = {}
    for folder in FOLDERS:
        path = f"{inside}/{folder}".strip("/")
        there = clone.folder(commit, path)
        found |= {folder + name: data for name, data in there.items()}
    if not found:
        raise BadInput(f"{commit} has no governance in {directory}; name a commit that has")
    return Tree(found)


def _state(tree: Tree) -> State:
    return State(tree, datetime.now(UTC))


def _signed(metadata: Any | None) -> Any | None:
    return metadata.signed if metadata else None
