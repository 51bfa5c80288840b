"""The commands by which an SRE asks: each creates one small object and waits for the answer."""

import click

from interlock.api.digests import short
from interlock.cli import complete, reader
from interlock.cli.ask import Answer, ask, timeline
from interlock.cli.exits import Refused
from interlock.cli.kubectl import Kubectl, Object
from interlock.cli.leaving import leaving
from interlock.cli.options import AGENT, REASON, WAIT, Printer, cluster, example, named


@click.command(
    epilog=example('kubectl interlock rollback press-scheduler -n line-4 --reason "rejects up"')
)
@AGENT
@REASON
@click.option(
    "--to",
    shell_complete=complete.revisions,
    help="Digits of the digest to go back to; the newest fitting one otherwise.",
)
@click.option(
    "--expect",
    shell_complete=complete.revisions,
    help="Digits of the digest that must serve; what serves now otherwise.",
)
@click.option("--cut", is_flag=True, help="End open connections at once, do not drain them.")
@WAIT
@cluster
def rollback(
    *,
    name: str,
    reason: str,
    to: str | None,
    expect: str | None,
    cut: bool,
    no_wait: bool,
    kubectl: Kubectl,
    out: Printer,
) -> None:
    """Move an agent's traffic back, if what serves is still what you looked at.

    Waits until traffic left, and shows each step and its time.
    """
    serves, drain = _serving(kubectl, name)
    serving, after = expect or serves, "are cut" if cut else f"drain for {_spaced(drain)}"
    spec: Object = {"agent": name, "expect": serving, "reason": reason}
    spec |= {"to": to} if to else {}
    spec |= {"cut": True} if cut else {}
    if no_wait or out.form != "text":
        return _requested(kubectl, "AgentRollback", spec, no_wait=no_wait, out=out)
    with leaving(kubectl, name, serving) as left:
        answer = ask(kubectl, "AgentRollback", spec, wait=True)
        out({}, _told(kubectl, answer, list(left(answer)), serving, after), ())


@click.command(
    epilog=example('kubectl interlock release press-scheduler -n line-4 --reason "sensor fixed"')
)
@AGENT
@REASON
@click.option(
    "--digest",
    shell_complete=complete.revisions,
    help="Digits of the held digest; the only one otherwise.",
)
@click.option("--frozen", is_flag=True, help="Lift the freeze, not a hold.")
@WAIT
@cluster
def release(
    *,
    name: str,
    reason: str,
    digest: str | None,
    frozen: bool,
    no_wait: bool,
    kubectl: Kubectl,
    out: Printer,
) -> None:
    """Lift the hold that a requested rollback left, or a freeze; the gates run again."""
    if frozen and digest:
        raise click.UsageError("give --digest or --frozen, not both")
    lifted: Object = {"frozen": True} if frozen else {"digest": digest or _held(kubectl, name)}
    spec = {"agent": name, "reason": reason} | lifted
    _requested(kubectl, "AgentRelease", spec, no_wait=no_wait, out=out)


@click.command(
    epilog=example('kubectl interlock quarantine press-scheduler -n line-4 --reason "odd orders"')
)
@AGENT
@REASON
@WAIT
@cluster
def quarantine(name: str, reason: str, no_wait: bool, kubectl: Kubectl, out: Printer) -> None:
    """Take an agent off: no traffic, no pods, no identity; evidence is kept."""
    spec = {"agent": name, "reason": reason}
    _requested(kubectl, "AgentQuarantine", spec, no_wait=no_wait, out=out)


@click.command(
    epilog=example('kubectl interlock restore press-scheduler -n line-4 --reason "explained"')
)
@AGENT
@REASON
@WAIT
@cluster
def restore(name: str, reason: str, no_wait: bool, kubectl: Kubectl, out: Printer) -> None:
    """Lift a quarantine; the gates run again."""
    spec = {"agent": name, "quarantine": True, "reason": reason}
    _requested(kubectl, "AgentRelease", spec, no_wait=no_wait, out=out)


def _requested(kubectl: Kubectl, kind: str, spec: Object, *, no_wait: bool, out: Printer) -> None:
    answer = ask(kubectl, kind, spec, wait=not no_wait)
    name = answer.request["metadata"]["name"]
    created = [f"{kind} {name} was created"]
    out(answer.request, created if no_wait else timeline(answer), named(kind, name))


def _told(kubectl: Kubectl, answer: Answer, left: list[str], serving: str, after: str) -> list[str]:
    name, record = answer.request["spec"]["agent"], (answer.transition or {}).get("spec") or {}
    target = str(record.get("to", "")).rpartition("-")[2] or "the version before"
    return [
        f"{name}: {serving[:10]} → {target}",
        *timeline(answer),
        *(f"{line}; open connections {after}" for line in left),
        f"{serving[:10]} is held. To let it back: kubectl interlock release {name}"
        f' -n {kubectl.namespace} --reason "…" (the gates run again).',
    ]


def _serving(kubectl: Kubectl, name: str) -> tuple[str, str]:
    """Return what serves, and how long its connections drain."""
    found = reader.deployment(kubectl, name)
    serving = str((found.get("status") or {}).get("serving", "-"))
    if serving == "-":
        raise Refused(f"{name} serves nothing, so there is nothing to leave")
    return serving, str((found["spec"].get("rollout") or {}).get("drain", "30s"))


def _held(kubectl: Kubectl, name: str) -> str:
    """Return the digest of the one hold that a release can mean."""
    holds = (reader.deployment(kubectl, name).get("status") or {}).get("holds") or []
    asked = [hold for hold in holds if hold["cause"] == "requested"] or holds
    if len(asked) != 1:
        listed = ", ".join(short(hold["digest"]) for hold in asked) or "none"
        raise Refused(f"{name} has {len(asked)} holds ({listed}). Name one with --digest.")
    return str(asked[0]["digest"])


def _spaced(duration: str) -> str:
    """Return `30s` as people write it."""
    return f"{duration[:-1]} {duration[-1:]}"
