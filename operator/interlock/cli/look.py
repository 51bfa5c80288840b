"""The commands that only look: `get`, `why`, `history`."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import click

from interlock.cli import complete, reader
from interlock.cli.kubectl import Kubectl, Object, collection
from interlock.cli.live import Screen, Source, State, follow, read
from interlock.cli.options import AGENT, Printer, cluster, example, named
from interlock.cli.tables import age, table
from interlock.cli.tree import Since, Whole, tree
from interlock.cli.why import explain

COLUMNS = ("ready", "serving", "candidate", "gate", "reason", "rollback", "breakGlass")


@click.command(
    epilog=example(
        "kubectl interlock get -n line-4", "kubectl interlock get press-scheduler -n line-4 -w"
    )
)
@click.argument("name", required=False, shell_complete=complete.agents)
@click.option("-w", "--watch", is_flag=True, help="Show each change, until Ctrl-C.")
@cluster
def get(name: str | None, watch: bool, kubectl: Kubectl, out: Printer) -> None:
    """List the agents of a namespace, or show one as a tree.

    The tree: what is wanted, where traffic goes, revisions with their decision and pods, the last
    record. With --watch it is drawn in place on a terminal; elsewhere changed lines are added.
    """
    view = _Tree(kubectl, name) if name else _List(kubectl)
    if not watch:
        return out(*view.answer(read(kubectl, view.sources), _ages))
    screen = Screen()

    def draw(state: State) -> None:
        answer = view.answer(state, _ages if screen.in_place else _moments)
        if out.form == "text":
            screen.draw(list(answer[1]))
        else:
            out(*answer)

    follow(kubectl, view.sources, draw, screen.say)


@click.command(epilog=example("kubectl interlock why press-scheduler -n line-4"))
@AGENT
@cluster
def why(name: str, kubectl: Kubectl, out: Printer) -> None:
    """Say what an agent serves, what it wants, and what stands between the two.

    Each gate's answer, what would turn it, the votes of its signals, holds and freezes.
    """
    agent = reader.agent(kubectl, name)
    body = {
        "status": agent.deployment.get("status") or {},
        "decision": (agent.decision or {}).get("spec"),
    }
    out(body, explain(agent, datetime.now(UTC)), named("AgentDeployment", name))


@click.command(epilog=example("kubectl interlock history press-scheduler -n line-4"))
@AGENT
@cluster
def history(name: str, kubectl: Kubectl, out: Printer) -> None:
    """List the records of an agent: every move of traffic, who asked, and how it ended."""
    records = reader.transitions(kubectl, name)
    objects = named("AgentTransition", *(one["metadata"]["name"] for one in records))
    out({"items": records}, _history(records, datetime.now(UTC)), objects)


Answer = tuple[object, list[str], list[str]]
"""For programs, for people, and the names of what it is about."""


class _List:
    """All agents of a namespace, as `kubectl get ad` shows them."""

    def __init__(self, kubectl: Kubectl) -> None:
        self.sources = {"agents": Source(collection("agentdeployments", kubectl.namespace), {})}

    def answer(self, state: State, since: Since) -> Answer:
        agents = state.of("agents")
        objects = named("AgentDeployment", *(one["metadata"]["name"] for one in agents))
        return {"items": agents}, _agents(agents, since), objects


class _Tree:
    """One agent and everything of it."""

    def __init__(self, kubectl: Kubectl, name: str) -> None:
        self._kubectl = kubectl
        self._name = name
        self._decision: tuple[str, Object | None] = ("", None)
        self.sources = reader.sources(kubectl.namespace, name)

    def answer(self, state: State, since: Since) -> Answer:
        if not state.of("agent"):
            raise reader.no_agent(self._kubectl, self._name)
        agent = state.of("agent")[0]
        whole = Whole(
            agent,
            tuple(state.of("revisions")),
            tuple(reader.by_number(state.of("records"))),
            tuple(state.of("pods")),
            next(iter(state.of("pointer")), None),
            self._judged(agent.get("status") or {}),
            frozenset(state.hidden),
        )
        body = {name: state.of(name) for name in self.sources} | {"decision": whole.decision}
        return body, tree(whole, since), named("AgentDeployment", self._name)

    def _judged(self, status: Object) -> Object | None:
        """Return the newest decision; it holds all facts, so it is asked for by name and once."""
        name = str(status.get("decision") or "")
        if name != self._decision[0]:
            path = f"{collection('gatedecisions', status['namespace'])}/{name}"
            self._decision = (name, reader.readable(self._kubectl, path, name))
        return self._decision[1]


def _agents(agents: Sequence[Object], since: Since) -> list[str]:
    rows = []
    for agent in agents:
        status, meta = agent.get("status") or {}, agent["metadata"]
        cells = [str(status.get(column, "-")) for column in COLUMNS]
        rows.append([meta["name"], *cells, since(meta["creationTimestamp"])])
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


def _ages(moment: str) -> str:
    return age(moment, datetime.now(UTC))


def _moments(moment: str) -> str:
    """Return what does not change by itself, for lines that are printed when they change."""
    return moment or "-"
