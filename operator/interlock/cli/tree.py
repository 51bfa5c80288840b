"""One agent as a tree: what is asked for, where traffic goes, what could take it, what was done.

Pure: it is given objects as the API server stores them and returns lines.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from interlock.api import names
from interlock.cli.tables import printable
from interlock.cli.why import WORDS

Object = Mapping[str, Any]
Since = Callable[[str], str]
"""Turns an RFC 3339 moment into what is shown: an age, or the moment itself."""
MOST = 8
"""Revisions that are shown, and pods of each."""


class _Node(NamedTuple):
    text: str
    below: "tuple[_Node, ...]" = ()


@dataclass(frozen=True, slots=True)
class Whole:
    """Everything that the cluster says of one agent; `hidden` names what the user may not read."""

    agent: Object
    revisions: tuple[Object, ...] = ()
    transitions: tuple[Object, ...] = ()
    pods: tuple[Object, ...] = ()
    pointer: Object | None = None
    decision: Object | None = None
    hidden: frozenset[str] = field(default=frozenset())


def tree(whole: Whole, since: Since) -> list[str]:
    """Return the lines of the tree."""
    return [_head(whole.agent), *_drawn(tuple(_below(whole, since)), "")]


def _drawn(nodes: tuple[_Node, ...], indent: str) -> Iterable[str]:
    for number, node in enumerate(nodes, start=1):
        last = number == len(nodes)
        yield f"{indent}{'└─' if last else '├─'} {printable(node.text)}"
        yield from _drawn(node.below, f"{indent}{'   ' if last else '│  '}")


def _head(agent: Object) -> str:
    spec, status = agent.get("spec") or {}, agent.get("status") or {}
    said = "ready" if status.get("ready") == "True" else "not ready"
    facts = [said, f"tier {spec.get('riskTier', '-')}", f"rollback {status.get('rollback', '-')}"]
    facts += ["paused"] if spec.get("paused") else []
    return f"{printable(agent['metadata']['name'])}  {', '.join(facts)}"


def _below(whole: Whole, since: Since) -> Iterable[_Node]:
    status = whole.agent.get("status") or {}
    yield _Node(_wish(status))
    yield _Node(_traffic(whole))
    shown = sorted(whole.revisions, key=lambda one: _rank(one, whole))
    for revision in shown[:MOST]:
        yield _revision(revision, whole, since)
    if len(shown) > MOST:
        yield _Node(f"and {len(shown) - MOST} older revisions")
    if whole.transitions:
        yield _Node(_moved(whole.transitions[-1], since))
    for what in sorted(whole.hidden):
        yield _Node(f"{what}: you may not read them in {status.get('namespace', 'its namespace')}")


def _wish(status: Object) -> str:
    wanted, reason = status.get("candidate", "-"), status.get("reason", "-")
    text = "wants     nothing else" if wanted == "-" else f"wants     {wanted}"
    gate = status.get("gate", "-")
    return text if (gate, reason) == ("-", "-") else f"{text}  {gate}: {reason}"


def _traffic(whole: Whole) -> str:
    status = whole.agent.get("status") or {}
    if whole.pointer is None:
        return f"pointer   {status.get('serving', '-')}"
    selector = (whole.pointer.get("spec") or {}).get("selector") or {}
    to = str(selector.get(names.LABEL_REVISION, names.NO_REVISION))
    if to == names.NO_REVISION:
        return "pointer   none: no traffic"
    pods = _pods(whole, to)
    ready = sum(_state(pod) == "ready" for pod in pods)
    return f"pointer   {_digits(to)}  {ready} of {len(pods)} pods ready"


def _rank(revision: Object, whole: Whole) -> tuple[int, str]:
    """Put the candidate first, then what serves, then the newest."""
    order = {"candidate": 0, "serving": 1}
    made = revision["metadata"].get("creationTimestamp", "")
    newest_first = "".join(chr(0x10FFFF - ord(c)) for c in made)
    return order.get(_role(revision, whole), 2), newest_first


def _role(revision: Object, whole: Whole) -> str:
    status = whole.agent.get("status") or {}
    digits = _digits(revision["metadata"]["name"])
    if digits == status.get("serving"):
        return "serving"
    if digits == status.get("candidate"):
        return "candidate"
    held = any(one["digest"] == revision["spec"]["digest"] for one in status.get("holds") or [])
    return "held" if held else "kept"


def _revision(revision: Object, whole: Whole, since: Since) -> _Node:
    name = revision["metadata"]["name"]
    made = since(revision["metadata"].get("creationTimestamp", ""))
    below = []
    decision = whole.decision
    if decision is not None and decision["spec"].get("revision") == name:
        below.append(_Node(_verdict(decision)))
    pods = _pods(whole, name)
    for pod in pods[:MOST]:
        started = since(pod["metadata"].get("creationTimestamp", ""))
        below.append(_Node(f"pod       {pod['metadata']['name']}  {_state(pod)}, {started}"))
    if len(pods) > MOST:
        below.append(_Node(f"and {len(pods) - MOST} more pods"))
    return _Node(f"revision  {_digits(name)}  {_role(revision, whole)}, {made}", tuple(below))


def _verdict(decision: Object) -> str:
    spec = decision["spec"]
    answers = Counter(WORDS.get(one["outcome"], one["outcome"]) for one in spec["outcomes"])
    counted = ", ".join(f"{count} {word}" for word, count in answers.items())
    return f"decision  {decision['metadata']['name']}  {spec['verdict']}: {counted}"


def _moved(transition: Object, since: Since) -> str:
    spec, status = transition["spec"], transition.get("status") or {}
    ended = (status.get("end") or {}).get("outcome", "open")
    said = [ended, "healthy"] if "healthy" in status else [ended]
    said += [f"by {spec['requestedBy']}"] if spec.get("requestedBy") else []
    way = f"{_digits(spec.get('from', '')) or '-'} → {_digits(spec.get('to', '')) or '-'}"
    listed = ", ".join([*said, since(spec["at"])])
    return f"record    {transition['metadata']['name']}  {spec['type']} {way}, {listed}"


def _pods(whole: Whole, revision: str) -> list[Object]:
    return [
        pod
        for pod in whole.pods
        if (pod["metadata"].get("labels") or {}).get(names.LABEL_REVISION) == revision
    ]


def _state(pod: Object) -> str:
    """Return the one word that says most about a pod."""
    status = pod.get("status") or {}
    if pod["metadata"].get("deletionTimestamp"):
        return "terminating"
    for container in status.get("containerStatuses") or []:
        waiting = (container.get("state") or {}).get("waiting") or {}
        if waiting.get("reason"):
            return str(waiting["reason"])
    conditions = {one["type"]: one["status"] for one in status.get("conditions") or []}
    return "ready" if conditions.get("Ready") == "True" else str(status.get("phase", "Unknown"))


def _digits(revision: str) -> str:
    return revision.rpartition("-")[2]
