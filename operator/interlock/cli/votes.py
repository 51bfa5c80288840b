"""What has been said of a content so far, as an approver should see it before adding a word."""

from collections.abc import Mapping
from typing import NamedTuple

from interlock.api.facts import Approval
from interlock.cli import pens
from interlock.cli.tables import moment, printable
from interlock.cli.usergit import Clone
from interlock.evidence import approvals
from interlock.evidence.statement import Refused as Unreadable
from interlock.policy import Policy, queries

MAX_UNREAD = 8
"""Files that count nothing and are named all the same."""
MAX_NAME = 64
_WORDS = {"approve": "approved", "reject": "rejected", "revoke": "took it back"}


class Votes(NamedTuple):
    """The approvals of one content by people whom policy knows now, oldest first."""

    said: list[Approval]
    unread: list[str]
    """Why files count nothing: they prove nothing, or are by nobody."""

    def approved_by(self, person: str) -> bool:
        """Whether a person approved, be it long ago."""
        return any(one.person == person and one.decision == "approve" for one in self.said)

    def lines(self) -> list[str]:
        """Return the votes as people read them."""
        found = [_line(one) for one in self.said]
        if self.unread:
            found += [f"  (not counted) {printable(why)}" for why in self.unread[:MAX_UNREAD]]
            more = len(self.unread) - MAX_UNREAD
            found += [f"  (not counted) {more} more files"] if more > 0 else []
        return ["So far:", *found] if found else []


def so_far(
    clone: Clone, policy: Policy, url: str, content: str, access: Mapping[str, str]
) -> Votes:
    """Return the votes on a content, fetched from the approvals repository just now."""
    tip = clone.remote_tip(url, approvals.ref_of(content), access)
    proofs = pens.proofs(policy)
    said: dict[str, Approval] = {}
    unread: list[str] = []
    for name, data in clone.folder(tip, "").items() if tip else ():
        try:
            found = approvals.parse(data, content, proofs)
        except Unreadable as error:
            unread.append(f"{name[:MAX_NAME]}: {error}")
            continue
        person = queries.person_of(policy, found, proofs.now)
        if person is None or person.id != found.person:
            by = found.key or found.identity
            unread.append(
                f"{name[:MAX_NAME]}: {found.decision} by {by}, not a known {found.person}"
            )
        else:
            said[found.envelope] = found
    return Votes(sorted(said.values(), key=lambda one: (one.not_before, one.envelope)), unread)


def _line(one: Approval) -> str:
    until = f", until {_day(one.not_after)}" if one.decision == "approve" else ""
    reason = f": {printable(one.reason)}" if one.reason else ""
    how = {"signed": "", "sigstore": " with Sigstore", "forge": " in the forge"}[one.strength]
    word = f"{_WORDS[one.decision]}{how} {_day(one.not_before)}{until}"
    return f"  {printable(one.person)} ({printable(one.role)}) {word}{reason}"


def _day(text: str) -> str:
    return f"{moment(text):%d %b %Y %H:%M} UTC"
