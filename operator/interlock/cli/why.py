"""Why an agent is as it is, as text for people: the verdict's lines and what would turn each.

Pure: it is given objects as the API server stores them and returns lines.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from interlock.api import names
from interlock.api.digests import BEHAVIOUR_FIELDS, short
from interlock.cli.difference import summary
from interlock.cli.tables import age, printable

Object = Mapping[str, Any]
GATE_WIDTH = 22
WORDS = {
    "PASS": "pass",
    "FAIL": "FAIL",
    "WAIT": "wait",
    "NOT_APPLICABLE": "n/a",
    "OVERRIDDEN": "over",
    "BYPASSED": "skip",
    "ERROR": "ERROR",
}


@dataclass(frozen=True, slots=True)
class Agent:
    """What the cluster says of one agent; what the user may not read is None or empty."""

    deployment: Object
    decision: Object | None = None
    serving: Object | None = None
    """AgentRevision that serves."""
    candidate: Object | None = None
    """AgentRevision that is wanted."""
    transitions: tuple[Object, ...] = field(default=())
    governance: Object | None = None


def explain(agent: Agent, now: datetime) -> list[str]:
    """Return the whole answer to `why`."""
    status = agent.deployment.get("status") or {}
    lines = [_headline(agent, status, now), ""]
    outcomes = (agent.decision or {}).get("spec", {}).get("outcomes") or []
    lines += list(verdict_lines(outcomes))
    lines += list(_votes(status, now))
    lines += list(_state(status, outcomes))
    lines += list(_stops(agent.deployment, status, now))
    lines += list(_holds(status, now))
    return [*lines, "", _foot(agent)]


def verdict_lines(outcomes: list[Object]) -> Iterator[str]:
    """Yield a line for each gate's answer, and one for each way to turn it."""
    for one in outcomes:
        word = WORDS.get(one["outcome"], one["outcome"])
        yield f"  {word:<6} {one['gate']:<{GATE_WIDTH}} {printable(one['message'])}"
        if word in ("pass", "n/a"):
            continue
        for line in one.get("unblock") or []:
            yield f"         → {printable(line)}"


def _headline(agent: Agent, status: Object, now: datetime) -> str:
    name = agent.deployment["metadata"]["name"]
    said = f"{name} serves {_serving(agent, status, now)}"
    wanted = status.get("candidate", "-")
    if wanted == "-":
        return f"{said} and wants nothing else"
    what = _wanted(agent)
    return f"{said} and wants {wanted}{f' ({what})' if what else ''}"


def _serving(agent: Agent, status: Object, now: datetime) -> str:
    serving = status.get("serving", "-")
    if serving == "-":
        return "nothing"
    health = "healthy" if status.get("ready") == "True" else "not healthy"
    name = f"{agent.deployment['metadata']['name']}-{serving}"
    moves = [one for one in agent.transitions if _moved(one, name)]
    since = f", {age(moves[-1]['status']['end']['at'], now)}" if moves else ""
    return f"{serving} ({health}{since})"


def _moved(transition: Object, to: str) -> bool:
    end = (transition.get("status") or {}).get("end") or {}
    return transition["spec"].get("to") == to and end.get("outcome") == "Committed"


def _wanted(agent: Agent) -> str:
    if agent.serving is None:
        return ""
    old = agent.serving["spec"]["content"]
    if agent.candidate is not None:
        return summary(old, agent.candidate["spec"]["content"])
    # The live spec may carry defaults; a behaviour's fields say what people ask about first.
    spec = agent.deployment["spec"]
    new = {key: spec[key] for key in BEHAVIOUR_FIELDS if key in spec}
    return summary({key: old[key] for key in new if key in old}, new)


def _state(status: Object, outcomes: list[Object]) -> Iterator[str]:
    """Yield the reason of the status, unless a gate's line said it already."""
    reason = status.get("reason", "-")
    told = any(one["message"][:40] in reason for one in outcomes)
    if reason not in ("-", "Serving") and not told:
        yield f"  {status.get('gate', '-')}: {printable(reason)}"


def _votes(status: Object, now: datetime) -> Iterator[str]:
    """Yield what each signal says of what serves or is proved, with the window it counts in."""
    signals = status.get("signals") or []
    if signals:
        yield ""
    for one in signals:
        window = one.get("window") or {}
        counted = f"; bad {window['bad']} of {window['of']}" if window.get("of") else ""
        since = f", since {age(one['since'], now)}" if one.get("since") else ""
        said = f"{printable(one.get('message', ''))}{counted}{since}"
        yield f"  {one['vote']:<6} {printable(one['name']):<{GATE_WIDTH}} {said}"


def _stops(deployment: Object, status: Object, now: datetime) -> Iterator[str]:
    """Yield what else keeps promotions back: a pause, a freeze, the group."""
    if (deployment.get("spec") or {}).get("paused"):
        marks = deployment["metadata"].get("annotations") or {}
        why = marks.get(names.ANNOTATION_PAUSED, "spec.paused is true")
        yield f"  paused {printable(why)}; kubectl interlock resume {_name(deployment)}"
    if frozen := status.get("frozen"):
        until = f", until {frozen['until']}" if frozen.get("until") else ""
        since = f"{age(frozen.get('since', ''), now)} ago{until}"
        yield f"  frozen {printable(frozen.get('reason', ''))}; {since}"
        yield f'         → kubectl interlock release {_name(deployment)} --frozen --reason "…"'
    if drifted := status.get("drifted"):
        yield f"  drift  {printable(', '.join(map(str, drifted)))}"
    if group := status.get("group"):
        pairs = group.items() if isinstance(group, Mapping) else [("", group)]
        said = ", ".join(f"{key} {value}".strip() for key, value in pairs)
        yield f"  group  {printable(said)}"


def _name(deployment: Object) -> str:
    meta = deployment["metadata"]
    place = f" -n {meta['namespace']}" if "namespace" in meta else ""
    return f"{meta['name']}{place}"


def _holds(status: Object, now: datetime) -> Iterator[str]:
    for hold in status.get("holds") or []:
        since = f"{age(hold['since'], now)} ago ({hold['transition']})"
        yield f"  held   {short(hold['digest'])}: {hold['cause']}, {since}"


def _foot(agent: Agent) -> str:
    if agent.decision is None:
        return "No decision was made about it yet."
    spec = agent.decision["spec"]
    allowed = spec["verdict"] == "Allowed"
    rule = "Every line passes." if allowed else "Nothing moves until every line passes."
    fresh = ((agent.governance or {}).get("status") or {}).get("freshness", "")
    versions = spec.get("policyVersions") or {}
    said = [fresh.lower()] if fresh else []
    said += [f"{role} {versions[role]}" for role in ("targets", "revocations") if role in versions]
    about = f" ({', '.join(said)})" if said else ""
    policy = f"Policy {short(spec['policyDigest'])}{about}."
    return f"{rule} {policy} Decision {agent.decision['metadata']['name']}, replayable."
