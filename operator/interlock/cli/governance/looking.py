"""Commands that look and sign nothing: `status`, `verify`, `diff`, `explain` and `lint`."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from interlock.api.digests import sha256
from interlock.cli import exits, ground, settings, tufrepo
from interlock.cli.governance import granted, showing
from interlock.cli.governance.shared import DIRECTORY, OUTPUT, as_json, explained, time, waiting
from interlock.cli.governance.trees import Side, committed, signed_side, working
from interlock.cli.tables import printable
from interlock.cli.tufstate import ONLINE, State
from interlock.cli.tuftree import METADATA, Tree
from interlock.evidence.governance import ROLES
from interlock.policy import Policy
from interlock.policy.lint import lint as advice
from interlock.policy.parse import parse, policy_digest

_FILE = click.Path(path_type=Path, dir_okay=False, exists=True)


@click.command()
@DIRECTORY
@OUTPUT
@explained
def status(directory: Path, output: str) -> None:
    """Show roles, versions, expiry, what waits for whom, and edits that nobody signed."""
    found = tufrepo.status(directory)
    if output == "json":
        click.echo(as_json(found))
        return
    click.echo(f"{'ROLE':<13}{'VERSION':<9}{'EXPIRES':<22}{'THRESHOLD':<11}KEYS")
    for each in found.roles:
        keys, end = ", ".join(each.keys), time(each.expires)
        click.echo(
            printable(f"{each.role:<13}{each.version:<9}{end:<22}{each.threshold:<11}{keys}")
        )
    for one in found.open:
        click.echo(printable(waiting(one)))
    for name in found.unsigned:
        click.echo(printable(f"{name} was changed and is not signed: interlock governance sign"))
    click.echo(printable(found.refused) or "The signatures hold.")


@click.command()
@DIRECTORY
@click.option("--root", type=_FILE, help="The root that you know: what operators were given.")
@click.option("--since", metavar="COMMIT", help="Refuse anything older than this commit shows.")
@OUTPUT
@explained
def verify(directory: Path, root: Path | None, since: str | None, output: str) -> None:
    """Check that Interlock would take DIR, and that enough holders signed all that is in it.

    Refused (1) while an edit is unsigned or a holder is missing: a pull request's check. What
    then only waits for a key of CI or on-call is complete.
    """
    tree = Tree.at(directory)
    known = root.read_bytes() if root else tree.read(f"{METADATA}1.root.json")
    before = _last_good(committed(directory, since)) if since else None
    found = tufrepo.verify(tree, known, before)
    parse(tree.sources(), 1)
    state = tufrepo.status(directory)
    said: dict[str, Any] = {
        "versions": found.versions,
        "expires": time(found.expires),
        "policyDigest": policy_digest(found.targets),
        "root": sha256(known),
        "open": [waiting(each) for each in state.open],
        "unsigned": list(state.unsigned),
    }
    click.echo(json.dumps(said, indent=2) if output == "json" else _verified(said, root))
    missing = [waiting(each) for each in state.open if each.wanted and each.role not in ONLINE]
    missing += [f"{name} is not signed." for name in state.unsigned]
    if missing:
        raise exits.Refused(printable(" ".join(missing)))


@click.command()
@DIRECTORY
@click.option("--from", "start", metavar="COMMIT", help="What was signed there; else here.")
@click.option("--to", "end", metavar="COMMIT", help="The files there; else the files here.")
@OUTPUT
@explained
def diff(directory: Path, start: str | None, end: str | None, output: str) -> None:
    """Show what changes, and for whom: from what is signed to what stands in the files.

    COMMIT is anything that git understands: a branch, a tag, `main~3`.
    """
    old = signed_side(committed(directory, start) if start else Tree.at(directory))
    new = working(committed(directory, end) if end else Tree.at(directory))
    found = list(showing.changes(_policy(old), parse(new.targets, 1)))
    keys = list(new.key_changes(old))
    if output == "json":
        body = {"keys": keys, "changes": [each._asdict() for each in found]}
        click.echo(json.dumps(body, indent=2))
        return
    for line in keys or []:
        click.echo(printable(line))
    for line in showing.lines(_policy(old), parse(new.targets, 1)):
        click.echo(printable(line))
    if not keys and not found:
        click.echo("Nothing changes.")


@click.command()
@click.argument("namespace")
@click.option(
    "--directory",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Read the files of this repository, signed or not, and not what is in force.",
)
@settings.option
@OUTPUT
@explained
def explain(namespace: str, directory: Path | None, config_file: Path | None, output: str) -> None:
    """Show what NAMESPACE may name, who may deliver to it, and who must approve."""
    if directory:
        policy = parse(working(Tree.at(directory)).targets, 1)
    else:
        policy = ground.rules(settings.load(config_file)).policy
    said = granted.explained(policy, namespace)
    if said is None:
        known = ", ".join(sorted(policy.namespaces.namespaces)) or "none"
        raise exits.Refused(
            f"namespaces.yaml does not know {namespace}, so nothing runs there. It knows: {known}."
        )
    for line in [json.dumps(said, indent=2)] if output == "json" else granted.lines(said):
        click.echo(line if output == "json" else printable(line))


@click.command()
@DIRECTORY
@OUTPUT
@explained
def lint(directory: Path, output: str) -> None:
    """Name rules that nobody can meet, conflicts, and what counts nothing, each with the reason.

    It is advice (1 where there is any), and some of it is about today; what can mean nothing at
    all is refused by `sign`.
    """
    found = advice(parse(working(Tree.at(directory)).targets, 1), datetime.now(UTC))
    for line in [json.dumps(found, indent=2)] if output == "json" else map(printable, found):
        click.echo(line)
    if found:
        raise exits.Refused(f"{len(found)} to look at")


def _last_good(tree: Tree) -> dict[str, bytes]:
    """Return what a commit's metadata is to whoever saw it: nothing older may follow."""
    state = State(tree, datetime.now(UTC))
    roots = [state.path("root", version) for version in state.versions("root")]
    paths = {role: state.path(role, state.last(role)) for role in ROLES if role != "root"}
    others = {f"{role}.json": tree.read(path) for role, path in paths.items()}
    return {path.removeprefix(METADATA): tree.read(path) for path in roots} | others


def _verified(said: Mapping[str, Any], root: Path | None) -> str:
    shown = ", ".join(f"{role} {version}" for role, version in said["versions"].items())
    lines = [f"Verified: {shown}.", f"Policy {said['policyDigest']}, until {said['expires']}."]
    if root is None:
        lines.append(
            f"From its own first root, {said['root']}: compare that with what operators were "
            "given, or name theirs with --root."
        )
    return "\n".join([*lines, *said["open"]])


def _policy(side: Side) -> Policy | None:
    return parse(side.targets, 1) if side.targets else None
