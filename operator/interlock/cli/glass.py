"""`kubectl interlock break-glass`: one person's word, in an incident, that a content must run now.

It shows what would be let in and asks first: whoever types it answers for it by name.
"""

import re
from datetime import UTC, datetime, timedelta

import click

from interlock.api.digests import short
from interlock.cli import complete, reader
from interlock.cli.ask import ask, timeline
from interlock.cli.difference import changes
from interlock.cli.exits import Refused
from interlock.cli.kubectl import Kubectl
from interlock.cli.options import AGENT, REASON, WAIT, Printer, cluster, example, named
from interlock.cli.tables import printable
from interlock.cli.why import Agent

KIND = "AgentBreakGlass"
WHOLE = 64
"""Digits of a whole digest."""
_UNITS = {"m": "minutes", "h": "hours"}
_FOR = re.compile(r"([1-9][0-9]{0,3})([mh])")


@click.command(
    "break-glass",
    epilog=example(
        "kubectl interlock break-glass press-scheduler -n line-4 --ticket INC-47 "
        '--reason "double bookings"'
    ),
)
@AGENT
@REASON
@click.option("--ticket", required=True, help="The incident that it belongs to.")
@click.option(
    "--for",
    "lasts",
    default="4h",
    show_default=True,
    metavar="DURATION",
    help="How long a promotion may rest on it, such as 30m or 4h; at most 24h.",
)
@click.option(
    "--digest",
    default="",
    shell_complete=complete.revisions,
    help="Digits of the digest that you mean; refused if the agent wants another.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@WAIT
@cluster
def break_glass(
    *,
    name: str,
    reason: str,
    ticket: str,
    lasts: str,
    digest: str,
    yes: bool,
    no_wait: bool,
    kubectl: Kubectl,
    out: Printer,
) -> None:
    """Let what an agent wants past missing approvals and freezes, by your name.

    Signatures, pins, scans and isolation are never skipped. What policy says happens next: with
    fewer people than it asks for, the quorum must approve in time, or traffic goes back by itself.
    """
    expires = datetime.now(UTC) + _span(lasts)
    agent = reader.agent(kubectl, name)
    whole = _meant(agent, digest)
    if not yes:
        for line in _shown(agent, whole):
            click.echo(line, err=True)
        click.confirm("Let it in without its approvals?", abort=True, err=True)
    spec = {
        "agent": name,
        "digest": whole,
        "reason": reason,
        "ticket": ticket,
        "expires": expires.isoformat(timespec="seconds").replace("+00:00", "Z"),
    }
    answer = ask(kubectl, KIND, spec, wait=not no_wait)
    made = answer.request["metadata"]["name"]
    lines = [f"{KIND} {made} was created"] if no_wait else [*timeline(answer), _next(name, kubectl)]
    out(answer.request, lines, named(KIND, made))


def _span(text: str) -> timedelta:
    found = _FOR.fullmatch(text)
    if found is None:
        raise click.UsageError(f"--for {text!r}: expected minutes or hours, such as 30m or 4h")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def _meant(agent: Agent, digits: str) -> str:
    """Return the whole digest of what the agent wants. Raises Refused where that is not clear."""
    status, meta = agent.deployment.get("status") or {}, agent.deployment["metadata"]
    wanted = str(status.get("candidate", "-"))
    if wanted == "-":
        raise Refused(f"{meta['name']} wants nothing that does not serve already")
    known = str(agent.candidate["spec"]["digest"]) if agent.candidate else ""
    if digits and not (known or wanted).startswith(digits[: len(known or wanted)]):
        raise Refused(f"{meta['name']} wants {wanted}, not {digits[:10]}. Look again.")
    if known or len(digits) == WHOLE:
        return known or digits
    raise Refused(
        f"the whole digest of {wanted} is not known here: it was not judged yet, or you may not "
        "read AgentRevisions. Give all 64 digits with --digest."
    )


def _shown(agent: Agent, digest: str) -> list[str]:
    name = agent.deployment["metadata"]["name"]
    old = agent.serving["spec"] if agent.serving else None
    lines = [f"{name}: {short(old['digest']) if old else 'nothing'} → {short(digest)}"]
    new = agent.candidate["spec"]["content"] if agent.candidate else {}
    for field, before, after in changes(old["content"] if old else None, new) if new else ():
        sides = " → ".join(printable(side) or "(none)" for side in (before, after))
        lines.append(f"  {printable(field)}  {sides}")
    return lines


def _next(name: str, kubectl: Kubectl) -> str:
    return (
        "It moves once every other gate passes: "
        f"kubectl interlock why {name} -n {kubectl.namespace}"
    )
