"""`diff`: what two revisions differ in, as people wrote it and as Kubernetes gets it."""

import difflib
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import click

from interlock.api import names
from interlock.api.digests import short
from interlock.cli import complete, reader
from interlock.cli.difference import Change, changes
from interlock.cli.exits import Refused
from interlock.cli.kubectl import Kubectl, Object, collection, together
from interlock.cli.options import AGENT, Printer, cluster, example, named
from interlock.cli.tables import printable

_PREFIX = re.compile(r"[0-9a-f]{1,64}")
SAME_NAME = "<revision>"
"""Stands for the revision's own name, which else would differ in every object."""


class ObjectChange(NamedTuple):
    """A rendered object that is not the same in both revisions."""

    object: str
    lines: list[str]
    """A unified difference of its YAML."""


@click.command(
    epilog=example(
        "kubectl interlock diff press-scheduler serving candidate -n line-4",
        "kubectl interlock diff press-scheduler 04bd62 9f3c51 -n line-4",
    )
)
@AGENT
@click.argument("old", metavar="REV", shell_complete=complete.sides)
@click.argument("new", metavar="REV", shell_complete=complete.sides)
@cluster
def diff(name: str, old: str, new: str, kubectl: Kubectl, out: Printer) -> None:
    """Show what differs between two revisions of an agent.

    REV is `serving`, `candidate`, or the first digits of a digest. First the content that people
    approve, field by field; then the rendered objects, with the revision's own name left out.
    """
    _ = kubectl.namespace
    agent, revisions = together(
        lambda: [reader.deployment(kubectl, name)], lambda: _revisions(kubectl, name)
    )
    before = chosen(old, agent[0], revisions)
    after = chosen(new, agent[0], revisions)
    fields = changes(before["spec"]["content"], after["spec"]["content"])
    objects = list(rendered(before, after))
    body = {
        "from": before["spec"]["digest"],
        "to": after["spec"]["digest"],
        "content": [change._asdict() for change in fields],
        "objects": [change._asdict() for change in objects],
    }
    both = named("AgentRevision", before["metadata"]["name"], after["metadata"]["name"])
    out(body, told(before, after, fields, objects), both)


def chosen(word: str, agent: Object, revisions: Sequence[Object]) -> Object:
    """Return the one revision that a word means. Raises Refused with those that there are."""
    name = agent["metadata"]["name"]
    status = agent.get("status") or {}
    prefix = status.get(word, "-") if word in ("serving", "candidate") else word
    if prefix == "-":
        raise Refused(f"{name} has no {word} revision now")
    fits = bool(_PREFIX.fullmatch(prefix))
    found = [one for one in revisions if fits and one["spec"]["digest"].startswith(prefix)]
    if len(found) == 1:
        return found[0]
    listed = ", ".join(short(one["spec"]["digest"]) for one in revisions) or "none"
    raise Refused(
        f"{word!r} names {len(found)} revisions of {name}, expected one. There are: {listed}"
        " (`serving`, `candidate`, or the first digits of a digest)."
    )


def rendered(before: Object, after: Object) -> Iterator[ObjectChange]:
    """Yield each rendered object that differs, by kind and name."""
    old, new = _objects(before), _objects(after)
    for key in sorted({*old, *new}):
        lines = difflib.unified_diff(
            old.get(key, []),
            new.get(key, []),
            f"{short(before['spec']['digest'])} {key}",
            f"{short(after['spec']['digest'])} {key}",
            lineterm="",
        )
        if found := [printable(line) for line in lines]:
            yield ObjectChange(key, found)


def told(
    before: Object, after: Object, fields: Sequence[Change], objects: Sequence[ObjectChange]
) -> Iterator[str]:
    """Yield the difference as people read it."""
    old, new = (short(one["spec"]["digest"]) for one in (before, after))
    if not fields:
        yield f"{old} and {new} have the same content."
    width = max((len(change.field) for change in fields), default=0)
    for change in fields:
        sides = [printable(side) or "(none)" for side in (change.old, change.new)]
        yield f"  {printable(change.field):<{width}}  {sides[0]} → {sides[1]}"
    for one in objects:
        yield ""
        yield from one.lines


def _revisions(kubectl: Kubectl, name: str) -> list[Object]:
    return kubectl.items(
        collection("agentrevisions", names.agent_namespace(kubectl.namespace, name))
    )


def _objects(revision: Object) -> dict[str, list[str]]:
    """Return the YAML lines of each rendered object, with the revision's name made the same."""
    import yaml  # noqa: PLC0415 - only this command reads YAML

    own = revision["metadata"]["name"]
    found = {}
    for one in revision["spec"]["objects"]:
        text: str = yaml.safe_dump(one, sort_keys=True, allow_unicode=True, width=100)
        key = f"{one.get('kind')}/{one.get('metadata', {}).get('name')}"
        found[key.replace(own, SAME_NAME)] = text.replace(own, SAME_NAME).splitlines()
    return found
