"""`interlock approve`: shows a person what changes, asks, signs it with their key, pushes it.

What is signed is the committed file's content, for one cluster, place and predecessor. The result
is read back with the verifier's own parser before it is pushed.
"""

import json
import secrets
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple, cast

import click
from pydantic import TypeAdapter, ValidationError

from interlock.api import digests
from interlock.api.config import Config, longest_prefix
from interlock.api.kinds.base import Duration, seconds
from interlock.cli import exits, ground, manifest, settings, sshkey, usergit
from interlock.cli.difference import changes
from interlock.cli.exits import BadInput, Failed, Refused
from interlock.cli.kubectl import Kubectl
from interlock.cli.manifest import AgentFile
from interlock.cli.sshkey import Key
from interlock.cli.statement import Ballot, Decision, envelope, statement
from interlock.cli.tables import printable
from interlock.cli.usergit import Clone
from interlock.cli.voter import role_of, voter_of
from interlock.cluster.cache import Key as AgentKey
from interlock.decide import view
from interlock.evidence import approvals
from interlock.evidence.git import credentials
from interlock.evidence.statement import Refused as Unreadable
from interlock.policy import Policy, queries
from interlock.policy.model import SourceGrant


class Served(NamedTuple):
    """What serves, as far as it is known."""

    digest: str
    """Empty where nothing serves."""
    spec: dict[str, Any] | None
    """None where nothing serves, or its content is not known here."""


class Order(NamedTuple):
    """A vote that is ready to be signed, and where it goes."""

    ballot: Ballot
    source: SourceGrant
    valid: str
    """A Duration."""


@click.command(epilog=exits.HELP)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--role", default="", help="The role in which you approve; the only one otherwise.")
@click.option("--reason", default="", help="Signed with the approval; at most 1024 characters.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--person", default="", help="Who you are; refused if the key is somebody else's.")
@click.option(
    "--key",
    "key_file",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Your SSH key; git's user.signingKey or ~/.ssh/id_ed25519 otherwise.",
)
@click.option("--serving", default="", help=ground.SERVING)
@click.option("--valid", default="72h", show_default=True, help="How long it holds, such as 8h.")
@click.option(
    "--decision",
    type=click.Choice(["approve", "reject", "revoke"]),
    default="approve",
    show_default=True,
)
@click.option("-n", "--namespace", default="", help="Where the file does not say its namespace.")
@click.option("--kubeconfig", default="", metavar="FILE", help="As kubectl takes it.")
@click.option("--context", default="", metavar="NAME", help="As kubectl takes it.")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text")
@settings.option
def approve(
    *,
    file: Path,
    role: str,
    reason: str,
    yes: bool,
    person: str,
    key_file: Path | None,
    serving: str,
    valid: str,
    decision: str,
    namespace: str,
    kubeconfig: str,
    context: str,
    output: str,
    config_file: Path | None,
) -> None:
    """Approve FILE as it is committed, or say no.

    It shows the difference to what serves, asks, signs with your SSH key (an agent, a security key
    and a passphrase all work) and pushes to the approvals repository that governance names.
    """
    config = settings.load(config_file)
    clone, path, agent = _committed(file, namespace)
    policy = ground.rules(config).policy
    kubectl = Kubectl(kubeconfig, context)
    served = _told(clone, path, agent, serving) if serving else _asked(kubectl, agent)
    with tempfile.TemporaryDirectory(prefix="interlock-") as scratch:
        key = sshkey.find(key_file, clone.setting("user.signingKey"), Path(scratch))
        voter = voter_of(policy, key.fingerprint, person)
        ballot = Ballot(
            content=agent.digest,
            decision=cast(Decision, decision),
            cluster=config.cluster,
            repository="",
            ref="",
            path=path,
            environment=queries.environment(policy, agent.namespace),
            namespace=agent.namespace,
            predecessor=served.digest,
            policy_digest=policy.digest,
            person=voter.id,
            role=role_of(policy, agent, voter, role),
            reason=reason,
        )
        order = _order(ballot, _source(clone, policy, agent, path), _duration(valid))
        _refuse_nothing(order.ballot, served)
        _confirm(agent, served, order, quiet=output == "json", yes=yes)
        name, data = _signed(order, key)
    commit = _push(clone, config, order, name, data)
    _tell(order, name, commit, as_json=output == "json")


def _committed(file: Path, namespace: str) -> tuple[Clone, str, AgentFile]:
    """Return the clone, the file's path in it, and the agent as HEAD has it."""
    if not file.exists():
        raise BadInput(f"there is no file {file}")
    clone = Clone.around(file)
    if clone is None:
        raise Refused(f"{file} lies in no git repository. Approve in a clone of the team's.")
    path = clone.relative(file)
    return clone, path, manifest.parse(file, clone.committed(path), namespace)


def _asked(kubectl: Kubectl, agent: AgentFile) -> Served:
    """Return what serves by the cluster's records."""
    seen = ground.running(kubectl, AgentKey(agent.namespace, agent.name)).seen
    serving = view.serving(seen)
    return Served(serving.digest, serving.spec.dump()) if serving else Served("", None)


def _told(clone: Clone, path: str, agent: AgentFile, text: str) -> Served:
    """Return what serves as `--serving` says it; its content is found in the file's history."""
    digest = ground.serving(text)
    for data in clone.versions(path) if digest else ():
        try:
            old = manifest.parse(agent.path, data, agent.namespace)
        except BadInput:
            continue
        if old.digest == digest:
            return Served(digest, old.dumped)
    return Served(digest, None)


def _source(clone: Clone, policy: Policy, agent: AgentFile, path: str) -> SourceGrant:
    source = usergit.source(clone, policy, agent.namespace, path)
    if source is None:
        remotes = ", ".join(clone.remotes()) or "none"
        raise Refused(
            f"governance lets no remote of this clone deliver {path} to {agent.namespace} "
            f"(remotes: {remotes}). Use a clone of the team's repository."
        )
    return source


def _order(ballot: Ballot, source: SourceGrant, valid: str) -> Order:
    return Order(ballot._replace(repository=source.url, ref=source.ref), source, valid)


def _duration(text: str) -> str:
    try:
        return TypeAdapter(Duration).validate_python(text)
    except ValidationError:
        raise BadInput(f"--valid {text!r}: expected a duration such as 30m or 72h") from None


def _refuse_nothing(ballot: Ballot, served: Served) -> None:
    if ballot.decision == "approve" and ballot.content == served.digest:
        short = digests.short(ballot.content)
        raise Refused(f"there is nothing to approve: {short} is what serves already.")


def _confirm(agent: AgentFile, served: Served, order: Order, *, quiet: bool, yes: bool) -> None:
    """Show what changes and ask; saying no ends the command."""
    ballot = order.ballot
    lines = difference(agent, served)
    click.echo("\n".join(lines), err=quiet)
    until = f"valid for {order.valid}" if ballot.decision == "approve" else "in force at once"
    question = (
        f"{ballot.decision.capitalize()} {digests.short(ballot.content)} for {ballot.environment}"
        f" on {ballot.cluster} as {ballot.person} ({ballot.role}), {until}?"
    )
    if not yes:
        click.confirm(question, abort=True, err=quiet)


def difference(agent: AgentFile, served: Served) -> list[str]:
    """Return what an approver must see: each field of content that changes."""
    about = f"{agent.namespace}/{agent.name}: {digests.short(agent.digest)}"
    if not served.digest:
        head = f"{about} is new; nothing runs."
    elif served.spec is None:
        head = f"{about} replaces {digests.short(served.digest)}, whose content is not known here."
    else:
        head = f"{about} replaces {digests.short(served.digest)}."
    found = changes(served.spec, agent.dumped)
    width = max((len(one.field) for one in found), default=0)
    lines = [
        f"  {one.field:<{width}}  {printable(one.old) or '(none)'} → "
        f"{printable(one.new) or '(none)'}"
        for one in found
    ]
    return [head, *lines]


def _signed(order: Order, key: Key) -> tuple[str, bytes]:
    """Return name and bytes of the envelope, read back as the verifier will."""
    nonce = secrets.token_hex(16)
    valid = timedelta(seconds=seconds(order.valid))
    payload = statement(order.ballot, nonce, datetime.now(UTC), valid)
    armored = sshkey.sign(key, approvals.pae(payload), approvals.NAMESPACE)
    data = envelope(payload, armored)
    try:
        read = approvals.parse(data, order.ballot.content)
    except Unreadable as error:
        raise Failed(f"what was signed would not be read: {error}") from None
    if read.key != key.fingerprint:
        raise Failed(f"ssh-keygen signed with {read.key}, expected {key.fingerprint}")
    return f"{order.ballot.person}.{nonce}.dsse.json", data


def _push(clone: Clone, config: Config, order: Order, name: str, data: bytes) -> str:
    url, ref = order.source.approvals, approvals.ref_of(order.ballot.content)
    access = credentials(longest_prefix(config.git, url), url)
    return clone.add_file(url, ref, name, data, author=order.ballot.person, access=access)


def _tell(order: Order, name: str, commit: str, *, as_json: bool) -> None:
    ballot, ref = order.ballot, approvals.ref_of(order.ballot.content)
    if as_json:
        body = {
            "content": ballot.content,
            "decision": ballot.decision,
            "person": ballot.person,
            "role": ballot.role,
            "predecessor": ballot.predecessor or "none",
            "repository": order.source.approvals,
            "ref": ref,
            "file": name,
            "commit": commit,
        }
        click.echo(json.dumps(body, indent=2))
        return
    click.echo(f"Signed and pushed: {ref} in {order.source.approvals}")
