"""Which approvals count, and which do not and why: the rules on one approval at a time.

A key stands for the person that `people.yaml` gives it to and for nobody else; whatever the
statement, the file name or a commit says of itself can only take it away.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from interlock.api.facts import Approval, Facts, Held
from interlock.api.values import Purpose
from interlock.gates.answers import day, digits, later, moment
from interlock.policy import queries, revocations
from interlock.policy.model import Person, Policy, TierPolicy


@dataclass(frozen=True, slots=True)
class Vote:
    """One approval of a known person, in a role that they hold."""

    person: str
    role: str
    decision: str
    at: datetime
    """When it starts to hold, as the person signed it."""
    until: datetime
    envelope: str


@dataclass(frozen=True, slots=True)
class Ballot:
    """All votes that count, and a sentence for each approval that does not."""

    votes: tuple[Vote, ...]
    vetoes: tuple[Vote, ...]
    ignored: tuple[str, ...]


def count(facts: Facts, policy: Policy, tier: TierPolicy) -> Ballot:
    """Sort the approvals into votes, vetoes and what does not count."""
    votes: list[Vote] = []
    against: list[Vote] = []
    ignored: list[str] = []
    authors = involved(facts, policy)
    for approval in facts.approvals:
        person = queries.person_of_key(policy, approval.key, _valid_at(approval, facts))
        why = (
            next(_stranger(approval, person), "")
            or next(_elsewhere(approval, facts), "")
            or revocations.why(policy.revocations, revocations.of_approval(approval))
        )
        vote = _vote(approval, tier)
        if not why and approval.decision != "approve":
            against.append(vote)
            continue
        why = why or next(_void(approval, vote, facts, authors, policy), "")
        if why:
            ignored.append(f"{approval.person} ({why})")
        else:
            votes.append(vote)
    vetoes, left = _settle(votes, against)
    return Ballot(left, vetoes, tuple(sorted(ignored)))


def involved(facts: Facts, policy: Policy) -> frozenset[str]:
    """Return the persons whose keys or addresses are on the change."""
    people = facts.change.people if facts.change else []
    found = (queries.person_involved(policy, one) for one in people)
    return frozenset(person.id for person in found if person)


def _valid_at(approval: Approval, facts: Facts) -> datetime:
    """Return when the key must be valid: now, or for a way back, when the approval was given."""
    back = facts.purpose is Purpose.ROLLBACK
    return moment(approval.not_before if back else facts.now)


def _stranger(approval: Approval, person: Person | None) -> Iterator[str]:
    """Why the approval is not this person's, in this role."""
    if person is None:
        yield f"key {approval.key} belongs to nobody in people.yaml now"
        return
    if approval.person != person.id:
        yield f"signed with a key of {person.id}"
    if approval.role not in person.roles:
        yield f"does not hold the role {approval.role}"


def _elsewhere(approval: Approval, facts: Facts) -> Iterator[str]:
    """Why the approval is about something else than this content in this place."""
    context, subject = facts.context, facts.subject
    if approval.subject != subject.digest:
        yield f"for content {digits(approval.subject)}, not {digits(subject.digest)}"
    if context.cluster not in approval.clusters:
        yield f"for another cluster than {context.cluster}"
    if approval.environment != context.environment:
        yield f"for environment {approval.environment}, not {context.environment}"
    if approval.namespace != subject.namespace:
        yield f"for namespace {approval.namespace}, not {subject.namespace}"


def _void(
    approval: Approval, vote: Vote, facts: Facts, authors: frozenset[str], policy: Policy
) -> Iterator[str]:
    """Why an approval of this content by this person does not count, or no longer."""
    if vote.person in authors:
        yield "took part in the change"
    if not _same_source(approval, facts, policy):
        yield f"for {approval.repository} {approval.ref} {approval.path}"
    if facts.purpose is Purpose.ROLLBACK:
        return
    now = moment(facts.now)
    if approval.predecessor not in facts.context.predecessors:
        yield f"replaces {digits(approval.predecessor)}, which does not serve"
    if now < vote.at:
        yield f"holds from {day(vote.at)} on"
    if now >= vote.until:
        yield f"expired {day(vote.until)}"
    if approval.nonce in facts.context.spent:
        yield "already spent on a promotion"
    if any(approval.nonce in hold.nonces for hold in _holds(facts)):
        yield "from before the hold"


def _same_source(approval: Approval, facts: Facts, policy: Policy) -> bool:
    """Whether the approval names the file that delivers; for a way back, a file that may deliver.

    The old content of a rollback is no longer at the tip, so that no change may be found for it.
    """
    named = (approval.repository, approval.ref, approval.path)
    if facts.change:
        return named == (facts.change.repository, facts.change.ref, facts.change.path)
    back = facts.purpose is Purpose.ROLLBACK
    return back and queries.source_of(policy, facts.subject.namespace, *named) is not None


def _holds(facts: Facts) -> Iterator[Held]:
    """Return the holds on this behaviour that fresh approvals lift."""
    for hold in facts.context.holds:
        if hold.behaviour == facts.subject.behaviour and hold.cause != "requested":
            yield hold


def _vote(approval: Approval, tier: TierPolicy) -> Vote:
    start = moment(approval.not_before)
    until = min(moment(approval.not_after), later(start, tier.approval_max_age))
    return Vote(approval.person, approval.role, approval.decision, start, until, approval.envelope)


def _settle(votes: list[Vote], against: list[Vote]) -> tuple[tuple[Vote, ...], tuple[Vote, ...]]:
    """Return the vetoes in force and the votes left: a person's newest word counts.

    A revocation takes back that person's earlier approval, and where there was one it vetoes.
    """
    vetoes: list[Vote] = []
    for no in against:
        theirs = [vote for vote in votes if vote.person == no.person]
        overruled = any(vote.at > no.at for vote in theirs)
        if not overruled and (no.decision == "reject" or theirs):
            vetoes.append(no)
    silenced = {no.person for no in vetoes}
    return tuple(vetoes), tuple(vote for vote in votes if vote.person not in silenced)
