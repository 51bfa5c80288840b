"""Who may sign what, as the metadata of root and targets says it: compared, and looked through."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from securesystemslib.signer import SSlibKey  # type: ignore[attr-defined]

from interlock.cli.tufkeys import RepositoryRefused, key_name


class Rule(NamedTuple):
    """Who may sign one role."""

    threshold: int
    keys: dict[str, str]
    """Key id to name."""


@dataclass(frozen=True, slots=True)
class Rotation:
    """A change of keys."""

    roles: tuple[str, ...] = ()
    """Which roles it is about; none named: those that `remove` may sign."""
    add: Mapping[str, SSlibKey] = field(default_factory=dict)
    remove: tuple[str, ...] = ()
    threshold: int | None = None


def rules(signed: Any) -> dict[str, Rule]:
    """Return the rules that a root, or the targets' delegations, lay down; role to rule."""
    giver = _giver(signed)
    if giver is None:
        return {}
    return {
        name: Rule(
            role.threshold,
            {one: key_name(giver.keys[one]) for one in role.keyids if one in giver.keys},
        )
        for name, role in sorted((giver.roles or {}).items())
    }


def _giver(signed: Any) -> Any:
    """Return what lays rules down: a root does it itself, targets in their delegations."""
    return signed if signed is None or hasattr(signed, "roles") else signed.delegations


def key_changes(before: Any, after: Any) -> Iterator[str]:
    """Yield what changes in who may sign, a line each.

    Ids are only names: nothing in TUF binds one to its key.
    """
    was_keys, now_keys = (getattr(_giver(each), "keys", {}) for each in (before, after))
    for keyid in sorted(was_keys.keys() & now_keys.keys()):
        if was_keys[keyid].to_dict() != now_keys[keyid].to_dict():
            yield f"key {key_name(was_keys[keyid])} ({keyid[:10]}) is another key than before"
    old, new = rules(before), rules(after)
    for role in sorted({*old, *new}):
        was, now = old.get(role, Rule(0, {})), new.get(role, Rule(0, {}))
        for keyid in sorted(was.keys.keys() - now.keys.keys()):
            yield f"{role}: - key {was.keys[keyid]} ({keyid[:10]})"
        for keyid in sorted(now.keys.keys() - was.keys.keys()):
            yield f"{role}: + key {now.keys[keyid]} ({keyid[:10]})"
        if was.threshold != now.threshold:
            yield f"{role}: signatures needed: {was.threshold or 'none'} → {now.threshold}"


def same(one: Any, other: Any) -> bool:
    """Whether the signed parts of two metadata say the same, whatever version and end they have."""
    pair = [each.to_dict() for each in (one, other)]
    for each in pair:
        del each["version"], each["expires"]
    return bool(pair[0] == pair[1])


def check(signed: Any) -> None:
    """Refuse rules that nobody can meet, or that one key could meet twice.

    Raises RepositoryRefused.
    """
    for role, rule in rules(signed).items():
        if not 1 <= rule.threshold <= len(rule.keys):
            raise RepositoryRefused(
                f"{role} would need {rule.threshold} signatures and has {len(rule.keys)} keys; "
                "give 1 or more, and no more than there are keys"
            )
        keys = [signed.get_key(keyid) for keyid in rule.keys]
        for marks in (list(rule.keys.values()), [str(key.keyval) for key in keys]):
            if len(set(marks)) != len(marks):
                raise RepositoryRefused(
                    f"{role}: two of the keys {', '.join(sorted(rule.keys.values()))} are the "
                    "same or are called the same; each holder has a key and a name of their own"
                )


def change(signed: Any, wanted: Rotation) -> None:
    """Apply a change of keys to a root, or to the targets' delegations."""
    for role, rule in rules(signed).items():
        leaving = [keyid for keyid, name in rule.keys.items() if name in wanted.remove]
        if role not in wanted.roles and (wanted.roles or not leaving):
            continue
        for keyid in leaving:
            signed.revoke_key(keyid, role)
        for key in wanted.add.values():
            signed.add_key(key, role)
        if wanted.threshold is not None:
            signed.get_delegated_role(role).threshold = wanted.threshold
