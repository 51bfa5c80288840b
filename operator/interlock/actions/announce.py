"""Tells everybody who looks at an agent's events that somebody went past its gates.

The records are the truth and are signed; these Events are the noise that makes people look at
them. An Event's name follows from its record, so that no restart tells a thing twice.
"""

from collections.abc import Iterator
from datetime import timedelta

from interlock.actions.ports import WorkPorts
from interlock.api import digests
from interlock.api.observed import Observed, Transition
from interlock.cluster.cache import Key
from interlock.cluster.events import About, News, tell

COMPONENT = "interlock-controller"
LATE = timedelta(minutes=30)
"""Records that are older tell nobody anything: a new process does not repeat them."""


async def announce(key: Key, ports: WorkPorts, seen: Observed) -> None:
    """Create an Event for each record of broken glass that has none yet.

    Writes    Events in the team's namespace.
    Repeat    at any point; one that is there already is not made again.
    Refused   logged, and tried again at the next look: no Event may stand in an agent's way.
    """
    wanted = seen.wanted
    told, since = ports.memory(key).announced, ports.traffic.clock() - LATE
    for record in seen.transitions:
        news = _news(record) if record.committed and record.at > since else None
        if news is None or wanted is None or record.name in told:
            continue
        about = About("AgentDeployment", wanted.namespace, wanted.name, wanted.uid)
        name = f"{record.name}.{wanted.uid[:13]}"
        if await tell(ports.traffic.client, name, about, news, record.at, COMPONENT):
            told.add(record.name)


def _news(record: Transition) -> News | None:
    what = digests.short(record.digest)
    if record.type == "BreakGlass":
        until = f"{record.expires:%Y-%m-%d %H:%M:%S}Z" if record.expires else "never"
        said = f"{record.requested_by} ({record.ticket}) until {until}: {record.message}"
        return News("Warning", "BreakGlass", f"{record.name}: glass broken for {what} by {said}")
    if record.break_glass:
        return News("Warning", "LetInByBreakGlass", " ".join(_let_in(record, what)))
    if record.cause == "unratified":
        return News("Warning", "Unratified", f"{record.name} left {what}: {record.message}")
    if record.type == "Ratification":
        return News("Normal", "Ratified", f"{record.name}: {record.message}")
    return None


def _let_in(record: Transition, what: str) -> Iterator[str]:
    yield f"{record.name} promoted {what} without its approvals, by {', '.join(record.break_glass)}"
    if record.ratify_by:
        yield f"and leaves it at {record.ratify_by:%Y-%m-%d %H:%M:%S}Z unless the quorum approves"
