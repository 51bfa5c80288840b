"""Which findings of a scan count: all but those under an exception, or that wait for their fix.

What is known to be exploited, or is likely to be, counts however it is rated and whether a fix is
old or young; only an exception helps there. What a scan counts without naming it always counts.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

from interlock.api.facts import Finding, Scan
from interlock.gates.answers import day, later, moment
from interlock.policy.evidence import ScanPolicy
from interlock.policy.exceptions import Exceptions
from interlock.policy.feed import Feed

ORDER = ("CRITICAL", "HIGH", "UNKNOWN", "MEDIUM", "LOW")
"""Worst first; what nobody rated may be anything."""


@dataclass(frozen=True, slots=True)
class Weighed:
    """A scan's findings under one policy at one moment."""

    counts: dict[str, int]
    """Severity to number of findings that count, named or not."""
    named: list[tuple[Finding, str]]
    """Those of them that the scan names, and what else is to be said of each."""
    exploited: list[tuple[Finding, str]]
    """Those of the named that no severity excuses."""
    excepted: int
    waiting: int
    unnamed: int
    until: datetime | None
    """When the first of those that do not count begins to."""


@dataclass(slots=True)
class _Tally:
    named: list[tuple[Finding, str]] = field(default_factory=list)
    exploited: list[tuple[Finding, str]] = field(default_factory=list)
    passing: Counter[str] = field(default_factory=Counter)
    ends: list[datetime] = field(default_factory=list)
    excepted: int = 0
    waiting: int = 0


@dataclass(frozen=True, slots=True)
class Rules:
    """What decides whether a finding counts."""

    limits: ScanPolicy
    exceptions: Exceptions
    feed: Feed | None
    image: str
    """The image that was scanned, 64 hex."""
    now: datetime


def weigh(scan: Scan, rules: Rules) -> Weighed:
    """Return which of a scan's findings count."""
    tally = _Tally()
    known = frozenset(rules.feed.kev) if rules.feed and rules.limits.refuse_exploited else ()
    for finding in scan.findings:
        _place(finding, tally, rules, exploited=finding.id in known)
    named = Counter[str](finding.severity for finding in scan.findings)
    every = {word: max(named[word], scan.totals.get(word, 0)) for word in ORDER}
    return Weighed(
        counts={word: every[word] - tally.passing[word] for word in ORDER},
        named=tally.named,
        exploited=tally.exploited,
        excepted=tally.excepted,
        waiting=tally.waiting,
        unnamed=sum(every.values()) - len(scan.findings),
        until=min(tally.ends, default=None),
    )


def _place(finding: Finding, tally: _Tally, rules: Rules, *, exploited: bool) -> None:
    about = list(rules.exceptions.about(finding, rules.image))
    if ends := [each.ends for each in about if each.in_force(rules.now)]:
        tally.excepted += 1
        tally.passing[finding.severity] += 1
        tally.ends.append(max(ends))
        return
    over = [f"the exception for it ended {day(max(each.ends for each in about))}"] if about else []
    if why := _exploited(finding, rules, known=exploited):
        tally.exploited.append((finding, "; ".join([why, *over])))
    elif ready := _waits_until(finding, rules):
        tally.waiting += 1
        tally.passing[finding.severity] += 1
        tally.ends.append(ready)
        return
    tally.named.append((finding, "; ".join(over)))


def _exploited(finding: Finding, rules: Rules, *, known: bool) -> str:
    if known:
        return "known to be exploited"
    if rules.feed is None or rules.limits.max_epss is None:
        return ""
    score = rules.feed.epss.get(finding.id, 0.0)
    return f"EPSS {score:g}" if score > rules.limits.max_epss else ""


def _waits_until(finding: Finding, rules: Rules) -> datetime | None:
    """Return until when a finding that has a fix may wait for it; None where it may not."""
    grace = rules.limits.fix_grace.get(finding.severity)
    if not (grace and finding.fixed and finding.published):
        return None
    published = moment(finding.published)
    ready = later(published, grace)
    return ready if published <= rules.now < ready else None
