"""`interlock uninstall`: takes every agent off the cluster, and says what is in the way.

Only the controller may delete agents' namespaces, so it is let do that, and watched. Where it is
dead for good, `--force` gives the AgentDeployments free and says what is left for an administrator.
"""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import click

from interlock.api import names
from interlock.cli.exits import Failed, Refused
from interlock.cli.kubectl import OURS, Kubectl, Object, collection
from interlock.cli.options import example
from interlock.cli.tables import moment, printable

PAUSE = 0.5
"""Seconds between two looks at what is left."""
AT_ONCE = 8
"""Deletes at a time."""
SHOWN = 20
"""Names that are listed at most."""
ALIVE = timedelta(seconds=15)
"""A Lease that was renewed so lately is somebody's; it lasts 5 s."""
LOCK = "kubectl delete validatingadmissionpolicybinding interlock-namespaces"
LEASE = (
    f"/apis/coordination.k8s.io/v1/namespaces/{names.SYSTEM_NAMESPACE}"
    f"/leases/{names.CONTROLLER_ACCOUNT}"
)


@click.command(epilog=example("interlock uninstall", "interlock uninstall -n line-4 --yes"))
@click.option("-n", "--namespace", default="", help="Only the agents of this team's namespace.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--timeout", default=300, show_default=True, help="Seconds to wait until they are gone."
)
@click.option(
    "--force", is_flag=True, help="The controller is dead for good: give the agents free."
)
@click.option("--kubeconfig", default="", metavar="FILE", help="As kubectl takes it.")
@click.option("--context", default="", metavar="NAME", help="As kubectl takes it.")
def uninstall(
    *, namespace: str, yes: bool, timeout: int, force: bool, kubeconfig: str, context: str
) -> None:
    """Delete all agents with their namespaces, and say how to remove Interlock itself.

    Their traffic ends at once; records go with the namespaces. Keep a copy of the log.
    """
    kubectl = Kubectl(kubeconfig, context, namespace)
    agents = kubectl.items(_place(namespace, "agentdeployments"))
    if force and agents:
        _check_nobody_acts(kubectl)
    elif agents:
        _check_nothing_delivers(kubectl, namespace)
    if agents:
        _agree(agents, yes)
    with ThreadPoolExecutor(AT_ONCE) as pool:  # each costs a start of kubectl
        list(pool.map(kubectl.delete, map(_path, agents)))
    if force:
        left = [home for agent in agents if (home := _set_free(kubectl, agent))]
        _tell_what_stays(left)
    else:
        _wait(kubectl, namespace, agents, timeout)
    _tell_the_end(namespace, len(agents))


def _place(namespace: str, plural: str) -> str:
    return collection(plural, namespace) if namespace else f"{OURS}/{plural}"


def _path(agent: Object) -> str:
    meta = agent["metadata"]
    return f"{collection('agentdeployments', meta['namespace'])}/{meta['name']}"


def _name(agent: Object) -> str:
    return f"{agent['metadata']['namespace']}/{agent['metadata']['name']}"


def _home(agent: Object) -> str:
    return names.agent_namespace(agent["metadata"]["namespace"], agent["metadata"]["name"])


def _check_nothing_delivers(kubectl: Kubectl, namespace: str) -> None:
    found = kubectl.items(_place(namespace, "agentrepositories"))
    if found:
        some = ", ".join(map(_name, found[:SHOWN]))
        where = f"-n {namespace}" if namespace else "-A"
        raise Refused(
            f"{len(found)} AgentRepositories would bring the agents back: {some}. "
            f"Delete them first: kubectl delete arepo --all {where}"
        )


def _check_nobody_acts(kubectl: Kubectl) -> None:
    if holder := _holder(kubectl):
        raise Refused(
            f"the controller {holder} acts. It removes agents' namespaces, which --force leaves "
            "behind; run this without --force."
        )


def _holder(kubectl: Kubectl) -> str:
    """Return who holds the Lease and renews it; empty where nobody does."""
    spec = (kubectl.get(LEASE) or {}).get("spec") or {}
    renewed = str(spec.get("renewTime") or "")
    if not renewed or datetime.now(UTC) - moment(renewed) > ALIVE:
        return ""
    return str(spec.get("holderIdentity") or "")


def _agree(agents: Sequence[Object], yes: bool) -> None:
    for agent in agents[:SHOWN]:
        serves = printable(str((agent.get("status") or {}).get("serving") or "-"))
        click.echo(f"  {_name(agent)}   serves {serves}")
    if len(agents) > SHOWN:
        click.echo(f"  and {len(agents) - SHOWN} more")
    if not yes:
        question = f"Delete these {len(agents)} agents, their namespaces and records?"
        click.confirm(question, abort=True)


def _wait(kubectl: Kubectl, namespace: str, agents: Sequence[Object], timeout: int) -> None:
    """Show how many are gone until all are. Raises Failed with what still waits, and why."""
    ours = {agent["metadata"]["uid"] for agent in agents}
    end, shown = time.monotonic() + timeout, len(agents)
    while ours:
        found = kubectl.items(_place(namespace, "agentdeployments"))
        left = [agent for agent in found if agent["metadata"]["uid"] in ours]
        if len(left) != shown or not left:
            click.echo(f"{len(agents) - len(left)} of {len(agents)} are gone")
            shown = len(left)
        if not left:
            return
        if time.monotonic() >= end:
            lines = "\n".join(_waiting(kubectl, left))
            raise Failed(f"{len(left)} agents are left after {timeout} s:\n{lines}")
        time.sleep(PAUSE)


def _waiting(kubectl: Kubectl, left: Sequence[Object]) -> Iterator[str]:
    for agent in left[:SHOWN]:
        yield f"  {_name(agent)}: {_why(kubectl, agent)}"
    if len(left) > SHOWN:
        yield f"  and {len(left) - SHOWN} more"
    if not _holder(kubectl):
        yield (
            "No controller acts (the Lease is not renewed): start it, or, if it is dead for good, "
            "run this again with --force."
        )


def _why(kubectl: Kubectl, agent: Object) -> str:
    home = _home(agent)
    namespace = kubectl.get(f"/api/v1/namespaces/{home}")
    finalizers = agent["metadata"].get("finalizers") or []
    others = [one for one in finalizers if one != names.FINALIZER]
    if namespace is None:
        return f"its namespace is gone; it is held by {', '.join(others) or 'our finalizer'}"
    if not namespace["metadata"].get("deletionTimestamp"):
        return f"nobody has deleted its namespace {home} yet"
    said = [
        str(one.get("message"))
        for one in (namespace.get("status") or {}).get("conditions") or []
        if one.get("status") == "True"
    ]
    return f"its namespace {home} is going: {printable('; '.join(said))[:512] or 'pods are ending'}"


def _set_free(kubectl: Kubectl, agent: Object) -> str:
    """Take our finalizer off; return the agent's namespace if it is still there."""
    live = kubectl.get(_path(agent))
    if live is not None:
        meta = live["metadata"]
        others = [one for one in meta.get("finalizers") or [] if one != names.FINALIZER]
        change = {"finalizers": others, "resourceVersion": meta["resourceVersion"]}
        kubectl.within(meta["namespace"]).patch(
            "agentdeployments", meta["name"], {"metadata": change}
        )
    return _home(agent) if kubectl.get(f"/api/v1/namespaces/{_home(agent)}") else ""


def _tell_what_stays(left: Sequence[str]) -> None:
    if not left:
        return
    click.echo(f"{len(left)} namespaces stay behind, and what runs in them goes on:")
    for home in left:
        click.echo(f"  {home}")
    click.echo("An administrator takes the lock off and deletes them:")
    click.echo(f"  {LOCK}")
    click.echo(f"  kubectl delete namespace {' '.join(left)}")


def _tell_the_end(namespace: str, count: int) -> None:
    where = f" of {namespace}" if namespace else ""
    click.echo(f"{count} agents{where} were deleted." if count else f"There are no agents{where}.")
    if namespace:
        click.echo("Interlock itself stays; it serves other namespaces.")
        return
    click.echo("To remove Interlock itself, from the folder that it was installed from:")
    click.echo("  kubectl delete -k manifests")
