"""`interlock approve`, `reject` and `revoke`: shows what changes, asks, signs it, pushes it.

What is signed is the committed file's content, for one cluster, place and predecessor. The result
is read back with the verifier's own parser before it is pushed.
"""

import json
import secrets
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import click

from interlock.api import digests
from interlock.api.config import Config
from interlock.api.kinds.base import seconds
from interlock.cli import ballot, exits, ground, pens, settings, texts, usergit
from interlock.cli.ballot import Asked, Order
from interlock.cli.difference import changes
from interlock.cli.manifest import AgentFile
from interlock.cli.served import Served
from interlock.cli.statement import statement
from interlock.cli.tables import printable
from interlock.evidence import approvals

F = TypeVar("F", bound=Callable[..., None])
_A_FILE = click.Path(path_type=Path, dir_okay=False, exists=True)
_COMMON = (
    click.argument("file", type=click.Path(path_type=Path, dir_okay=False)),
    click.option("--role", default="", help="The role in which you speak; the only one otherwise."),
    click.option("--yes", is_flag=True, help="Do not ask."),
    click.option("--dry-run", is_flag=True, help="Show all, and sign and push nothing."),
    click.option("--person", default="", help="Who you are; refused if the key is not theirs."),
    click.option("--environment", default="", help="Which one you mean; refused for another."),
    click.option(
        "--key",
        "key_file",
        type=_A_FILE,
        help="Your SSH key; git's user.signingKey or ~/.ssh/id_ed25519 otherwise.",
    ),
    click.option(
        "--sigstore",
        type=_A_FILE,
        metavar="FILE",
        help="Sign without a key, at the Sigstore of this client trust configuration.",
    ),
    click.option(
        "--identity-token-file",
        "token_file",
        type=_A_FILE,
        help="Who you are there; a browser asks you otherwise.",
    ),
    click.option(
        "--pull",
        type=click.IntRange(min=1),
        metavar="NUMBER",
        help="FILE as the head of this pull request has it, not as HEAD.",
    ),
    click.option("--serving", default="", help=ground.SERVING),
    click.option("-n", "--namespace", default="", help="Where the file does not say it."),
    click.option("--kubeconfig", default="", metavar="FILE", help="As kubectl takes it."),
    click.option("--context", default="", metavar="NAME", help="As kubectl takes it."),
    click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text"),
    settings.option,
)
_WHY = click.option("--reason", required=True, help="Signed with it; at most 1024 characters.")


def _common(command: F) -> F:
    for option in reversed(_COMMON):
        command = option(command)
    return command


@click.command(epilog=exits.HELP)
@_common
@click.option("--reason", default="", help="Signed with it; at most 1024 characters.")
@click.option("--valid", default="72h", show_default=True, help="How long it holds, such as 8h.")
@click.option(
    "--override", multiple=True, metavar="FREEZE", help="Lift a freeze for this content, too."
)
def approve(**given: Any) -> None:
    """Approve FILE as it is committed.

    It shows the difference to what serves, asks, signs with your SSH key (an agent, a security key
    and a passphrase all work) and pushes to the approvals repository that governance names.
    """
    _cast(Asked(decision="approve", **given))


@click.command(epilog=exits.HELP)
@_common
@_WHY
def reject(**given: Any) -> None:
    """Say no to FILE as it is committed: it is a veto until you approve the same content.

    Whoever holds a role may, also where a cluster cannot be read.
    """
    _cast(Asked(decision="reject", **given))


@click.command(epilog=exits.HELP)
@_common
@_WHY
def revoke(**given: Any) -> None:
    """Take back your approval of FILE as it is committed. It vetoes until you approve again."""
    _cast(Asked(decision="revoke", **given))


def _cast(asked: Asked) -> None:
    config = settings.load(asked.config_file)
    with tempfile.TemporaryDirectory(prefix="interlock-") as scratch:
        order = ballot.prepare(asked, config, Path(scratch))
        _show(asked, order, config)
        if asked.dry_run:
            _tell(asked, order, "", "")
            return
        if not asked.yes:
            click.confirm(question(asked, order), abort=True, err=asked.output == "json")
        name, data = _signed(asked, order)
    url, ref = order.source.approvals, approvals.ref_of(order.ballot.content)
    # A no is always added: a ref too full to be read counts nobody's yes.
    room = usergit.MAX_FILES if asked.decision == "approve" else usergit.MAX_LISTED
    commit = order.clone.add_file(
        url, ref, name, data, author=order.ballot.person, access=order.access, room=room
    )
    _tell(asked, order, name, commit)


def _show(asked: Asked, order: Order, config: Config) -> None:
    """Show what changes and what was said of it so far."""
    lines = difference(order.agent, order.served)
    model = order.agent.spec.model
    specs = order.served, order.agent.dumped
    registry = model.registry if model else "default"
    lines += texts.changed(order.clone, order.ballot.path, config, registry, specs)
    click.echo("\n".join([*lines, *order.votes.lines()]), err=asked.output == "json")


def question(asked: Asked, order: Order) -> str:
    """Return what a person is asked before anything is signed."""
    said = order.ballot
    until = f"valid for {asked.valid}" if said.decision == "approve" else "in force at once"
    lifts = f", lifting {', '.join(said.overrides)}" if said.overrides else ""
    return (
        f"{said.decision.capitalize()} {digests.short(said.content)} for {said.environment}"
        f" on {said.cluster} as {said.person} ({said.role}), {until}{lifts}?"
    )


def difference(agent: AgentFile, served: Served) -> list[str]:
    """Return what an approver must see: each field of content that changes."""
    found = changes(served.spec, agent.dumped)
    width = max((len(one.field) for one in found), default=0)
    lines = [
        f"  {one.field:<{width}}  {printable(one.old) or '(none)'} → "
        f"{printable(one.new) or '(none)'}"
        for one in found
    ]
    return [_headline(agent, served), *lines]


def _headline(agent: AgentFile, served: Served) -> str:
    about = f"{agent.namespace}/{agent.name}: {digests.short(agent.digest)}"
    if served.unread:
        return f"{about}; {served.unread}"
    if not served.digest:
        return f"{about} is new; nothing runs."
    if served.spec is None:
        return f"{about} replaces {digests.short(served.digest)}, whose content is not known here."
    return f"{about} replaces {digests.short(served.digest)}."


def _signed(asked: Asked, order: Order) -> tuple[str, bytes]:
    """Return name and bytes of the file to push."""
    nonce = secrets.token_hex(16)
    valid = timedelta(seconds=seconds(asked.valid))
    payload = statement(order.ballot, nonce, datetime.now(UTC), valid)
    data = pens.signed(order.pen, payload, order.ballot.content, order.policy)
    return f"{order.ballot.person}.{nonce}.{order.pen.suffix}", data


def _tell(asked: Asked, order: Order, name: str, commit: str) -> None:
    ref = approvals.ref_of(order.ballot.content)
    if asked.output == "json":
        click.echo(json.dumps(dict(_body(order, name, commit)), indent=2, ensure_ascii=False))
    elif commit:
        click.echo(f"Signed and pushed: {ref} in {order.source.approvals}")
    else:
        click.echo(f"{question(asked, order)} Nothing was signed: --dry-run.")


def _body(order: Order, name: str, commit: str) -> Iterator[tuple[str, Any]]:
    said = order.ballot
    for field in ("content", "decision", "cluster", "environment", "namespace", "path"):
        yield field, getattr(said, field)
    yield from (("person", said.person), ("role", said.role), ("strength", order.pen.strength))
    yield "predecessor", said.predecessor or "none"
    yield "overrides", list(said.overrides)
    found = changes(order.served.spec, order.agent.dumped)
    yield "changes", [change._asdict() for change in found]
    yield "repository", order.source.approvals
    yield "ref", approvals.ref_of(said.content)
    yield from (("file", name), ("commit", commit))
