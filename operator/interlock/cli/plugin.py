"""`kubectl interlock`: what an SRE types at night. It must start fast and explain itself.

It imports neither the models nor a Kubernetes client: all it does goes through the user's kubectl.
"""

import json
import sys
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import wraps
from typing import Any

import click

from interlock.api import names
from interlock.api.digests import short
from interlock.cli import exits
from interlock.cli.ask import Answer, ask, timeline
from interlock.cli.exits import Refused
from interlock.cli.kubectl import OURS, Forbidden, Kubectl, Object, collection
from interlock.cli.tables import age, table
from interlock.cli.why import Agent, explain

COLUMNS = ("ready", "serving", "candidate", "gate", "reason", "rollback")
WATCH_SECONDS = 3600


@click.group(epilog=exits.HELP, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="interlock", prog_name="kubectl interlock")
def interlock() -> None:
    """See why an agent serves what it serves, and take it back.

    Everything goes through kubectl and the rights of your own login ($KUBECTL names another
    kubectl).
    """


def main() -> None:
    """Run `kubectl interlock` and end the process with its exit code."""
    sys.exit(exits.main(interlock, "kubectl interlock"))


def _cluster(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that say which cluster, and a Kubectl in their place."""

    @click.option("--kubeconfig", default="", metavar="FILE", help="As kubectl takes it.")
    @click.option("--context", default="", metavar="NAME", help="As kubectl takes it.")
    @click.option("-n", "--namespace", default="", help="The team's namespace.")
    @click.option(
        "-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True
    )
    @wraps(command)
    def with_kubectl(
        kubeconfig: str, context: str, namespace: str, output: str, **options: Any
    ) -> None:
        kubectl = Kubectl(kubeconfig, context, namespace)
        command(kubectl=kubectl, as_json=output == "json", **options)

    return with_kubectl


_REASON = click.option(
    "--reason", required=True, help="Recorded with your name; 1 to 512 characters."
)
_WAIT = click.option("--no-wait", is_flag=True, help="Return once the request is created.")


@interlock.command()
@click.argument("name", required=False)
@click.option("-w", "--watch", is_flag=True, help="Print each change, until Ctrl-C.")
@_cluster
def get(name: str | None, watch: bool, kubectl: Kubectl, as_json: bool) -> None:
    """List the agents of a namespace, or one, as `kubectl get ad` does."""
    path = collection("agentdeployments", kubectl.namespace)
    selected = {"fieldSelector": f"metadata.name={name}"} if name else {}
    found = kubectl.get(path, selected) or {}
    agents = found.get("items") or []
    if name and not agents:
        raise Refused(f"there is no AgentDeployment {name} in namespace {kubectl.namespace}")
    _show(as_json, found, _agents(agents))
    if watch:
        version = {"resourceVersion": str(found["metadata"]["resourceVersion"])}
        with kubectl.watch(path, selected | version, WATCH_SECONDS) as events:
            for _, agent in events:
                _show(as_json, agent, _agents([agent])[1:])


@interlock.command()
@click.argument("name")
@_cluster
def why(name: str, kubectl: Kubectl, as_json: bool) -> None:
    """Say what an agent serves, what it wants, and what stands between the two."""
    agent = _agent(kubectl, name)
    body = {
        "status": agent.deployment.get("status") or {},
        "decision": (agent.decision or {}).get("spec"),
    }
    _show(as_json, body, explain(agent, datetime.now(UTC)))


@interlock.command()
@click.argument("name")
@_cluster
def history(name: str, kubectl: Kubectl, as_json: bool) -> None:
    """List the records of an agent: every move of traffic, who asked, and how it ended."""
    records = _transitions(kubectl, name)
    _show(as_json, {"items": records}, _history(records, datetime.now(UTC)))


@interlock.command()
@click.argument("name")
@_REASON
@click.option("--to", help="Digits of the digest to go back to; the newest fitting one otherwise.")
@click.option("--expect", help="Digits of the digest that must serve; what serves now otherwise.")
@click.option("--cut", is_flag=True, help="End open connections at once, do not drain them.")
@_WAIT
@_cluster
def rollback(
    *,
    name: str,
    reason: str,
    to: str | None,
    expect: str | None,
    cut: bool,
    no_wait: bool,
    kubectl: Kubectl,
    as_json: bool,
) -> None:
    """Move an agent's traffic back, if what serves is still what you looked at."""
    serving = expect or _serving(kubectl, name)
    spec: Object = {"agent": name, "expect": serving, "reason": reason}
    spec |= {"to": to} if to else {}
    spec |= {"cut": True} if cut else {}
    answer = ask(kubectl, "AgentRollback", spec, wait=not no_wait)
    if no_wait or as_json:
        return _show(as_json, answer.request, [_created(answer)])
    record = (answer.transition or {}).get("spec") or {}
    target = str(record.get("to", "")).rpartition("-")[2] or "the version before"
    click.echo(f"{name}: {serving[:10]} → {target}")
    _lines(timeline(answer))
    click.echo(
        f"{serving[:10]} is held. To let it back: kubectl interlock release {name}"
        f' -n {kubectl.namespace} --reason "…" (the gates run again).'
    )


@interlock.command()
@click.argument("name")
@_REASON
@click.option("--digest", help="Digits of the held digest; the only one otherwise.")
@_WAIT
@_cluster
def release(
    *, name: str, reason: str, digest: str | None, no_wait: bool, kubectl: Kubectl, as_json: bool
) -> None:
    """Lift the hold that a requested rollback left; the gates run again."""
    spec = {"agent": name, "digest": digest or _held(kubectl, name), "reason": reason}
    _requested(kubectl, "AgentRelease", spec, no_wait=no_wait, as_json=as_json)


@interlock.command()
@click.argument("name")
@_REASON
@_WAIT
@_cluster
def quarantine(name: str, reason: str, no_wait: bool, kubectl: Kubectl, as_json: bool) -> None:
    """Take an agent off: no traffic, no pods, no identity; evidence is kept."""
    spec = {"agent": name, "reason": reason}
    _requested(kubectl, "AgentQuarantine", spec, no_wait=no_wait, as_json=as_json)


@interlock.command()
@click.argument("name")
@_REASON
@_WAIT
@_cluster
def restore(name: str, reason: str, no_wait: bool, kubectl: Kubectl, as_json: bool) -> None:
    """Lift a quarantine; the gates run again."""
    spec = {"agent": name, "quarantine": True, "reason": reason}
    _requested(kubectl, "AgentRelease", spec, no_wait=no_wait, as_json=as_json)


def _requested(kubectl: Kubectl, kind: str, spec: Object, *, no_wait: bool, as_json: bool) -> None:
    answer = ask(kubectl, kind, spec, wait=not no_wait)
    _show(as_json, answer.request, [_created(answer)] if no_wait else timeline(answer))


def _agent(kubectl: Kubectl, name: str) -> Agent:
    deployment = _deployment(kubectl, name)
    status = deployment.get("status") or {}
    home = names.agent_namespace(kubectl.namespace, name)
    revisions = collection("agentrevisions", home)
    serving, wanted = status.get("serving", "-"), status.get("candidate", "-")
    decision = status.get("decision")
    return Agent(
        deployment=deployment,
        decision=_readable(kubectl, f"{collection('gatedecisions', home)}/{decision}", decision),
        serving=_readable(kubectl, f"{revisions}/{name}-{serving}", serving != "-"),
        candidate=_readable(kubectl, f"{revisions}/{name}-{wanted}", wanted != "-"),
        transitions=tuple(_transitions(kubectl, name)),
        governance=_readable(kubectl, f"{OURS}/governances/default", decision),
    )


def _deployment(kubectl: Kubectl, name: str) -> Object:
    found = kubectl.get(f"{collection('agentdeployments', kubectl.namespace)}/{name}")
    if found is None:
        raise Refused(f"there is no AgentDeployment {name} in namespace {kubectl.namespace}")
    return found


def _readable(kubectl: Kubectl, path: str, asked: object) -> Object | None:
    """Return an object if there is one that the user may read: `why` says what it can."""
    try:
        return kubectl.get(path) if asked else None
    except Forbidden:
        return None


def _transitions(kubectl: Kubectl, name: str) -> list[Object]:
    home = names.agent_namespace(kubectl.namespace, name)
    found = _readable(kubectl, collection("agenttransitions", home), name) or {}
    return sorted(found.get("items") or [], key=lambda one: int(one["spec"]["number"]))


def _serving(kubectl: Kubectl, name: str) -> str:
    serving = str((_deployment(kubectl, name).get("status") or {}).get("serving", "-"))
    if serving == "-":
        raise Refused(f"{name} serves nothing, so there is nothing to leave")
    return serving


def _held(kubectl: Kubectl, name: str) -> str:
    """Return the digest of the one hold that a release can mean."""
    holds = (_deployment(kubectl, name).get("status") or {}).get("holds") or []
    asked = [hold for hold in holds if hold["cause"] == "requested"] or holds
    if len(asked) != 1:
        listed = ", ".join(short(hold["digest"]) for hold in asked) or "none"
        raise Refused(f"{name} has {len(asked)} holds ({listed}). Name one with --digest.")
    return str(asked[0]["digest"])


def _agents(agents: list[Object]) -> list[str]:
    now = datetime.now(UTC)
    rows = []
    for agent in agents:
        status, meta = agent.get("status") or {}, agent["metadata"]
        cells = [str(status.get(column, "-")) for column in COLUMNS]
        rows.append([meta["name"], *cells, age(meta["creationTimestamp"], now)])
    return table(["NAME", *(column.upper() for column in COLUMNS), "AGE"], rows)


def _history(records: Iterable[Object], now: datetime) -> list[str]:
    rows = []
    for record in records:
        spec, status = record["spec"], record.get("status") or {}
        rows.append(
            [
                str(spec["number"]),
                age(spec["at"], now),
                spec["type"],
                spec.get("from", "").rpartition("-")[2] or "-",
                spec.get("to", "").rpartition("-")[2] or "-",
                (status.get("end") or {}).get("outcome", "open"),
                "yes" if "healthy" in status else "-",
                spec.get("requestedBy") or "-",
                spec.get("message") or spec["reason"],
            ]
        )
    header = ["#", "AGO", "TYPE", "FROM", "TO", "END", "HEALTHY", "BY", "REASON"]
    return table(header, rows)


def _created(answer: Answer) -> str:
    request = answer.request
    return f"{request['kind']} {request['metadata']['name']} was created"


def _show(as_json: bool, body: object, lines: Iterable[str]) -> None:
    if as_json:
        click.echo(json.dumps(body, indent=2, ensure_ascii=False))
    else:
        _lines(lines)


def _lines(lines: Iterable[str]) -> None:
    for line in lines:
        click.echo(line)
