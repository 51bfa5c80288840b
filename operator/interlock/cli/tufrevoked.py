"""The revocation list as `interlock governance revoke` writes it, and as people read it."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from interlock.policy.parse import parse_revocations
from interlock.policy.revocations import LISTS, Entry


def with_entry(listed: bytes, entry: Entry) -> bytes:
    """Return the list with an entry, in place of one about the same. Raises PolicyError."""
    part, about = LISTS[type(entry)]
    lists: dict[str, Any] = {name: [] for name, _ in LISTS.values()}
    lists |= parse_revocations(listed).dump()
    new = entry.dump()
    others = [each for each in lists[part] if any(each[key] != new[key] for key in about)]
    lists[part] = [*others, new]
    return _written(lists)


def _written(lists: Mapping[str, Sequence[Mapping[str, Any]]]) -> bytes:
    """Return the list as people read it. JSON strings are YAML strings, whatever is in them."""
    lines = ["# What may not run, whoever approved it. Written by `interlock governance revoke`."]
    for name, entries in lists.items():
        lines.append(f"{name}:" if entries else f"{name}: []")
        for entry in entries:
            pairs = [f"{key}: {json.dumps(value)}" for key, value in entry.items()]
            lines.append("  - " + "\n    ".join(pairs))
    return ("\n".join(lines) + "\n").encode()
