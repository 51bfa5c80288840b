"""Reads of the cluster that several commands share, as few starts of kubectl as they need."""

from interlock.api import names
from interlock.cli.exits import Refused
from interlock.cli.kubectl import OURS, Forbidden, Kubectl, Object, collection, together
from interlock.cli.live import Source
from interlock.cli.why import Agent


def no_agent(kubectl: Kubectl, name: str) -> Refused:
    """Return the answer to a name that names nothing."""
    return Refused(f"there is no AgentDeployment {name} in namespace {kubectl.namespace}")


def deployment(kubectl: Kubectl, name: str) -> Object:
    """Return an AgentDeployment. Raises Refused where there is none."""
    found = kubectl.get(f"{collection('agentdeployments', kubectl.namespace)}/{name}")
    if found is None:
        raise no_agent(kubectl, name)
    return found


def readable(kubectl: Kubectl, path: str, asked: object = True) -> Object | None:
    """Return an object if there is one that the user may read: commands say what they can."""
    try:
        return kubectl.get(path) if asked else None
    except Forbidden:
        return None


def transitions(kubectl: Kubectl, name: str) -> list[Object]:
    """Return the records of an agent by number; none where the user may not read them."""
    home = names.agent_namespace(kubectl.namespace, name)
    found = readable(kubectl, collection("agenttransitions", home)) or {}
    return by_number(found.get("items") or [])


def by_number(records: list[Object]) -> list[Object]:
    """Return records in the order in which they were made."""
    return sorted(records, key=lambda one: int(one["spec"]["number"]))


def agent(kubectl: Kubectl, name: str) -> Agent:
    """Return what `why` speaks of; the decision holds all facts, so it alone is asked for by name.

    Each ask is a start of kubectl, so one list of revisions is cheaper than two of them by name.
    """
    home = names.agent_namespace(kubectl.namespace, name)
    answers: list[list[Object]] = together(
        lambda: [deployment(kubectl, name)],
        lambda: transitions(kubectl, name),
        lambda: revisions(kubectl, name),
        lambda: _governance(kubectl),
    )
    (whole,), records, found, governance = answers
    status = whole.get("status") or {}
    by_digits = {one["spec"]["digest"][:10]: one for one in found}
    decision = status.get("decision")
    return Agent(
        whole,
        readable(kubectl, f"{collection('gatedecisions', home)}/{decision}", decision),
        by_digits.get(status.get("serving")),
        by_digits.get(status.get("candidate")),
        tuple(records),
        next(iter(governance), None) if decision else None,
    )


def revisions(kubectl: Kubectl, name: str) -> list[Object]:
    """Return the revisions of an agent; none where the user may not read them."""
    home = names.agent_namespace(kubectl.namespace, name)
    found = readable(kubectl, collection("agentrevisions", home)) or {}
    return list(found.get("items") or [])


def _governance(kubectl: Kubectl) -> list[Object]:
    found = readable(kubectl, f"{OURS}/governances/default")
    return [found] if found else []


def sources(team: str, name: str) -> dict[str, Source]:
    """Return the collections that make up an agent's tree."""
    home = names.agent_namespace(team, name)
    core = f"/api/v1/namespaces/{home}"
    one = {"fieldSelector": f"metadata.name={name}"}
    pointer = {"fieldSelector": f"metadata.name={names.POINTER_SERVICE}"}
    return {
        "agent": Source(collection("agentdeployments", team), one),
        "revisions": Source(collection("agentrevisions", home), {}),
        "records": Source(collection("agenttransitions", home), {}),
        "pods": Source(f"{core}/pods", {"labelSelector": names.LABEL_REVISION}),
        "pointer": Source(f"{core}/services", pointer),
    }
