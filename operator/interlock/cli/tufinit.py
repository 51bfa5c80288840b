"""The first root of a governance repository: who holds it, and how many of them must sign."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from securesystemslib.signer import Key, SSlibKey  # type: ignore[attr-defined]
from tuf.api.metadata import (  # type: ignore[attr-defined]
    DelegatedRole,
    Delegations,
    Root,
    Targets,
)

from interlock.cli.tufkeys import Keys, RepositoryRefused, key_name, new_keys
from interlock.policy.parse import REVOCATIONS

ONLINE_KEYS = ("ci", "oncall")
REVOKERS = ("oncall",)


@dataclass(frozen=True, slots=True)
class Holders:
    """Who signs root and targets of a new repository, and how many of them must."""

    made: tuple[str, ...] = ()
    """Names whose keys are made now."""
    shown: Mapping[str, SSlibKey] = field(default_factory=dict)
    """Name to public key, of those who made theirs themselves."""
    threshold: int = 1


ALONE = Holders()
"""One key for the root and one for the targets, both made now."""


def first(folder: Path, holders: Holders) -> tuple[Any, Any, Keys]:
    """Return the first root and targets, and the keys that were made for them."""
    named = (*holders.made, *holders.shown)
    if len(set(named)) != len(named):
        raise RepositoryRefused(f"two holders are called the same: {', '.join(sorted(named))}")
    if not 1 <= holders.threshold <= max(1, len(named)):
        raise RepositoryRefused(
            f"{holders.threshold} of {max(1, len(named))} holders cannot sign; name more holders, "
            "or ask for fewer signatures"
        )
    owners = {"root": named or ("root",), "targets": named or ("targets",)}
    made = (*holders.made, *ONLINE_KEYS) if named else ("root", "targets", *ONLINE_KEYS)
    signers = new_keys(folder, made)
    keys = {key_name(s.public_key): s.public_key for s in signers.values()} | dict(holders.shown)
    root = Root(consistent_snapshot=True)
    for role in root.roles:
        for name in owners.get(role, ONLINE_KEYS):
            root.add_key(keys[name], role)
    for role in owners:
        root.roles[role].threshold = holders.threshold
    revokers: dict[str, Key] = {keys[name].keyid: keys[name] for name in REVOKERS}
    delegated = DelegatedRole(
        "revocations", list(revokers), 1, terminating=True, paths=[REVOCATIONS]
    )
    delegations = Delegations(revokers, {"revocations": delegated})
    return root, Targets(delegations=delegations), signers
