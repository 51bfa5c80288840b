"""What changes between two contents, field by field: what an approver is asked to agree to.

Lists whose entries have names are compared by name, so that an entry that moved is no change.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from interlock.api.digests import CONTENT_FIELDS, short


class Change(NamedTuple):
    """One field that differs; an empty side is a field that is not there."""

    field: str
    old: str
    new: str


Spec = Mapping[str, Any]


def changes(old: Spec | None, new: Spec) -> list[Change]:
    """Return the fields of content that differ, in the order of the kind."""
    found = []
    for field in CONTENT_FIELDS:
        before = dict(_flat(field, (old or {}).get(field)))
        after = dict(_flat(field, new.get(field)))
        for name in dict.fromkeys((*before, *after)):
            if before.get(name, "") != after.get(name, ""):
                found.append(Change(name, before.get(name, ""), after.get(name, "")))
    return found


def summary(old: Spec, new: Spec) -> str:
    """Return a few words on what changes, such as `model 11 → 12, image 1.4.1 → 1.4.2`."""
    words = []
    for field in CONTENT_FIELDS:
        before, after = old.get(field), new.get(field)
        if before == after:
            continue
        pair = _versions(field, before), _versions(field, after)
        words.append(f"{field} {pair[0]} → {pair[1]}" if all(pair) else field)
    return ", ".join(words)


def _versions(field: str, value: Any) -> str:
    """Return how people name what stands in a field: a version or a tag, else a digest."""
    if field == "model" and isinstance(value, Mapping):
        return str(value.get("version") or value.get("alias") or "")
    if field == "image" and isinstance(value, str):
        named, _, digest = value.partition("@")
        tag = named.rpartition("/")[2].partition(":")[2]
        return tag or short(digest)
    return ""


def _flat(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """Yield every leaf; an empty list or mapping is one, for it counts in the digest."""
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _flat(f"{name}.{key}", item)
    elif isinstance(value, list) and value:
        for label, item in _labelled(value):
            yield from _flat(f"{name}[{label}]", item)
    elif value is not None:
        # An empty string is there; only what is absent is shown as nothing.
        yield name, value if value and isinstance(value, str) else json.dumps(value)


def _labelled(items: list[Any]) -> Iterator[tuple[str, Any]]:
    """Yield entries by name where each has one of its own, by number elsewhere."""
    found = [item.get("name") for item in items if isinstance(item, Mapping)]
    if len({name for name in found if isinstance(name, str)}) != len(items):
        yield from ((str(number), item) for number, item in enumerate(items))
        return
    for item in items:
        rest = {key: value for key, value in item.items() if key != "name"}
        yield str(item["name"]), rest or "present"
