"""The texts behind digests that change: tool schemas, policies and prompts, for a person to read.

A digest tells an approver that something is other than before, not what. ConfigMaps are read from
the manifests beside the file, prompts from the registry; a text that is not the one whose digest
is approved is said to be another, and never shown in its place.
"""

import asyncio
import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from interlock.api import digests
from interlock.api.config import Config
from interlock.cli import manifest
from interlock.cli.served import Served
from interlock.cli.tables import printable
from interlock.cli.usergit import Clone
from interlock.evidence.http import SourceError
from interlock.evidence.resolve import World

Spec = Mapping[str, Any]


class Pinned(NamedTuple):
    """A text that content names: where in the spec, what it is called, and its digest."""

    field: str
    name: str
    digest: str


class Sides(NamedTuple):
    """The lines of a text before and after; None for a side that could not be read."""

    old: list[str] | None
    new: list[str] | None


def changed(
    clone: Clone, path: str, config: Config, registry: str, specs: tuple[Served, Spec]
) -> list[str]:
    """Return the differences of all texts whose digests differ, as lines."""
    served, new = specs
    old = served.spec or {}
    folder = path.rpartition("/")[0]
    before = _config_maps(clone, served.since or "", folder)
    after = _config_maps(clone, clone.commit, folder)
    lines: list[str] = []
    for was, one in _pairs(_mapped(old), _mapped(new)):
        lines += _shown(one or was, Sides(_lines(was, before), _lines(one, after)))
    prompts = list(_pairs(_prompts(old), _prompts(new)))
    read = _read(config, registry, [each for pair in prompts for each in pair if each])
    for was, one in prompts:
        lines += _shown(one or was, Sides(_lines(was, read), _lines(one, read)))
    return lines


def _shown(pinned: Pinned | None, sides: Sides) -> Iterator[str]:
    """Yield a unified difference, or that a text cannot be shown."""
    field = printable(pinned.field) if pinned else ""
    if sides.old is None or sides.new is None:
        side = "before" if sides.new is not None else "now"
        yield f"  {field}: the text {side} could not be read here, or is not what is pinned"
    if sides.new is not None:
        found = difflib.unified_diff(sides.old or [], sides.new, field, field, lineterm="")
        yield from (f"  {printable(line)}" for line in found)


def _pairs(
    old: Iterable[Pinned], new: Iterable[Pinned]
) -> Iterator[tuple[Pinned | None, Pinned | None]]:
    """Yield (before, after) of each field whose digest differs."""
    before, after = ({one.field: one for one in side} for side in (old, new))
    for field in dict.fromkeys((*before, *after)):
        was, now = before.get(field), after.get(field)
        if (was and was.digest) != (now and now.digest):
            yield was, now


def _mapped(spec: Spec) -> Iterator[Pinned]:
    for tool in spec.get("tools", []):
        if schema := tool.get("schema"):
            field = f"tools[{tool['name']}].schema"
            yield Pinned(field, schema["configMap"], schema.get("digest", ""))
    for rules in spec.get("policies", []):
        yield Pinned(f"policies[{rules['name']}]", rules["configMap"], rules.get("digest", ""))


def _prompts(spec: Spec) -> Iterator[Pinned]:
    for one in spec.get("prompts", []):
        name = f"{one['name']} {one.get('version', '')}"
        yield Pinned(f"prompts[{one['name']}]", name, one.get("digest", ""))


def _lines(pinned: Pinned | None, known: Mapping[tuple[str, str], list[str]]) -> list[str] | None:
    if pinned is None:
        return []
    return known.get((pinned.name, pinned.digest))


def _config_maps(clone: Clone, commit: str, folder: str) -> dict[tuple[str, str], list[str]]:
    """Return the text of each ConfigMap beside the file in a commit, by name and digest."""
    files = clone.folder(commit, folder) if commit else {}
    return {
        (name, f"sha256:{digests.config_map(data)}"): _text(data)
        for name, data in manifest.config_maps_in(files)
    }


def _text(data: Mapping[str, str]) -> list[str]:
    return [line for key in sorted(data) for line in (f"[{key}]", *data[key].splitlines())]


def _read(
    config: Config, registry: str, wanted: Iterable[Pinned]
) -> dict[tuple[str, str], list[str]]:
    """Return the texts of prompts by name and digest; what cannot be asked is left out."""
    prompts = [one for one in wanted if one.digest]
    if not prompts or registry not in config.registries:
        return {}
    return asyncio.run(_asked(config, registry, prompts))


async def _asked(
    config: Config, registry: str, prompts: Iterable[Pinned]
) -> dict[tuple[str, str], list[str]]:
    world = World(config)
    found: dict[tuple[str, str], list[str]] = {}
    try:
        for one in prompts:
            name, _, version = one.name.rpartition(" ")
            try:
                text = await world.registry(registry).prompt(name, version)
            except SourceError:
                continue
            found[one.name, f"sha256:{digests.sha256(text.encode())}"] = text.splitlines()
    finally:
        await world.close()
    return found
