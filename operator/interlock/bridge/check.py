"""What a pull request is told: a status for each agent, and one comment with the difference.

Pure. Whatever stands in it may be an attacker's words, so it is fenced off, its control characters
are shown and its length has an end.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from interlock.api.digests import short
from interlock.bridge.agents import Proposal, Proposals
from interlock.bridge.opinion import Opinion
from interlock.bridge.port import Pull, Status
from interlock.bridge.records import Standing
from interlock.cli.difference import changes
from interlock.cli.tables import printable
from interlock.cli.why import verdict_lines

MAX_COMMENT = 60_000
"""Characters; GitHub takes 65,536."""
MAX_LINE = 2000
_STATES: dict[str, Literal["success", "pending", "failure"]] = {
    "Allowed": "success",
    "Waiting": "pending",
    "Blocked": "failure",
}


@dataclass(frozen=True, slots=True)
class Report:
    """What is known of one proposal."""

    proposal: Proposal
    standing: Standing
    opinion: Opinion
    ignored: tuple[str, ...] = ()
    """Reviews that do not count, and why."""
    troubles: tuple[str, ...] = ()


def status(pull: Pull, report: Report) -> Status:
    """Return the status of one agent."""
    agent, opinion = report.proposal.agent, report.opinion
    text = f"{short(agent.digest)}: {_summary(report)}"
    context = f"interlock/{agent.namespace}/{agent.name}"
    return Status(context, _STATES.get(opinion.verdict, "error"), printable(text), pull.url)


def refused(pull: Pull, why: str) -> Status:
    """Return the status of a pull request that could not be read."""
    return Status("interlock", "error", printable(why), pull.url)


def comment(proposals: Proposals, reports: Sequence[Report], forge: str) -> str:
    """Return the comment on a pull request."""
    parts = [part for report in reports for part in _about(report, forge)]
    parts += [f"Not read: {_code(why)}" for why in proposals.unreadable]
    text = "\n\n".join(parts)
    return text if len(text) <= MAX_COMMENT else f"{_cut(text)}\n\nThis was cut: it is too long."


def _cut(text: str) -> str:
    """Return a beginning that leaves no fence open."""
    kept = text[:MAX_COMMENT]
    fences = re.findall(r"^(`{3,})", kept, re.M)
    return f"{kept}\n{fences[-1]}" if len(fences) % 2 else kept


def _about(report: Report, forge: str) -> Iterator[str]:
    agent, opinion = report.proposal.agent, report.opinion
    yield f"### {_code(f'{agent.namespace}/{agent.name}')}: {_code(short(agent.digest))}"
    yield f"Content digest {_code(agent.digest)}. {_replaces(report.standing)}"
    yield _fenced(_difference(report))
    said = "the operator's decision" if opinion.decided else "what the operator would say now"
    yield f"**{opinion.verdict}**: {said}."
    lines = [opinion.unresolved] if opinion.unresolved else verdict_lines(list(opinion.outcomes))
    yield _fenced(lines)
    notes = [f"- review not counted: {_code(why)}" for why in report.ignored]
    notes += [f"- {_code(why)}" for why in report.troubles]
    if notes:
        yield "\n".join(notes)
    path = report.proposal.place.path
    yield (
        f"Approve this review's commit here, or sign: {_code(f'interlock approve {path}')}. "
        f"A review counts where governance takes reviews of {_code(forge)} for this tier."
    )


def _replaces(standing: Standing) -> str:
    source = "" if standing.known else " by the base branch; no cluster was asked"
    if not standing.serving:
        return f"It is new: nothing serves{source}."
    return f"It replaces {_code(short(standing.serving))}, which serves{source}."


def _difference(report: Report) -> Iterator[str]:
    found = changes(report.standing.spec, report.proposal.agent.dumped)
    if not found:
        yield "no field of its content differs from what serves"
    width = max((len(one.field) for one in found), default=0)
    for one in found:
        old, new = printable(one.old) or "(none)", printable(one.new) or "(none)"
        yield f"{printable(one.field):<{width}}  {old} → {new}"


def _summary(report: Report) -> str:
    opinion = report.opinion
    if opinion.unresolved:
        return opinion.unresolved
    stops = [one for one in opinion.outcomes if one["outcome"] in ("FAIL", "WAIT", "ERROR")]
    past = [one for one in opinion.outcomes if one["outcome"] in ("OVERRIDDEN", "BYPASSED")]
    if not stops and not past:
        return "every gate passes" if opinion.decided else "every gate would pass"
    return "; ".join(f"{one['gate']}: {one['message']}" for one in stops or past)


def _fenced(lines: Iterable[str]) -> str:
    """Return lines as code, in a fence that none of them can close."""
    body = "\n".join(_plain(line) for line in lines)
    longest = max((len(run) for run in re.findall(r"`+", body)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{body}\n{fence}"


def _code(text: str) -> str:
    """Return foreign words as code in a line: no markup of theirs and no mention works."""
    return f"`{_plain(text).replace('`', chr(39))}`"


def _plain(text: str) -> str:
    return printable(text)[:MAX_LINE]
