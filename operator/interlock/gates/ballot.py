"""Which approvals count, and which do not and why: the rules on one approval at a time.

A key, an identity or an account stands for the person that `people.yaml` gives it to and for nobody
else; whatever the statement, the file name or a commit says of itself can only take it away. What a
bridge says of a forge never outweighs what people sign themselves.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from interlock.api.facts import Approval, Denied, Facts, Held
from interlock.api.values import Purpose
from interlock.gates.answers import day, digits, later, moment
from interlock.policy import queries, revocations
from interlock.policy.model import Person, Policy, TierPolicy

REFS = "refs/approvals/"
"""Where denied approvals lie, of all that the verifier denied."""
NAME_SHOWN = 64
"""Characters of a file's name that a message shows."""
_MADE = {
    "signed": "signed with a key",
    "sigstore": "signed with an identity",
    "forge": "the account",
}


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
    strength: str
    seen: datetime
    """When it held and had come to us: nobody can sign for an earlier one."""
    overrides: tuple[str, ...]
    """Freezes that it lifts."""

    @property
    def own(self) -> bool:
        """Whether the person signed it, and no bridge in their place."""
        return self.strength != "forge"


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
        person = queries.person_of(policy, approval, _valid_at(approval, facts))
        why = (
            next(_stranger(approval, person), "")
            or next(_elsewhere(approval, facts), "")
            or revocations.why(policy.revocations, revocations.of_approval(approval))
        )
        vote = _vote(approval, tier, facts)
        if not why and approval.decision != "approve":
            against.append(vote)
            continue
        why = (
            why or _too_weak(vote, tier) or next(_void(approval, vote, facts, authors, policy), "")
        )
        if why:
            ignored.append(f"{approval.person} ({why})")
        else:
            votes.append(vote)
    dismissed = _dismissed(votes, against)
    ignored += [f"{vote.person} (the review was dismissed)" for vote in dismissed]
    votes = [vote for vote in votes if vote not in dismissed]
    vetoes = _vetoes(votes, against)
    silenced = {no.person for no in vetoes}
    left = (vote for vote in votes if vote.person not in silenced)
    unread = (_unread(each) for each in facts.denied if each.location.startswith(REFS))
    return Ballot(tuple(left), vetoes, (*sorted(ignored), *unread))


def roles_of(votes: Iterable[Vote]) -> dict[str, frozenset[str]]:
    """Return in which roles each person voted."""
    found: dict[str, frozenset[str]] = {}
    for vote in votes:
        found[vote.person] = found.get(vote.person, frozenset()) | {vote.role}
    return found


def involved(facts: Facts, policy: Policy) -> frozenset[str]:
    """Return the persons whose keys or addresses are on the change."""
    people = facts.change.people if facts.change else []
    found = (queries.person_involved(policy, one) for one in people)
    return frozenset(person.id for person in found if person)


def _valid_at(approval: Approval, facts: Facts) -> datetime:
    """Return when person and key must be valid: now, or for a way back, when it was given."""
    back = facts.purpose is Purpose.ROLLBACK
    return moment(approval.not_before if back else facts.now)


def _stranger(approval: Approval, person: Person | None) -> Iterator[str]:
    """Why the approval is not this person's, in this role."""
    if person is None:
        yield f"{_means(approval)} belongs to nobody in people.yaml now"
        return
    if approval.person != person.id:
        yield f"{_MADE[approval.strength]} of {person.id}"
    if approval.role not in person.roles:
        yield f"does not hold the role {approval.role}"


def _means(approval: Approval) -> str:
    """Return by what somebody approved, as messages name it."""
    if approval.strength == "sigstore":
        return f"identity {approval.identity} ({approval.issuer})"
    if approval.account:
        where = f"account {approval.account.id} of {approval.account.forge}"
        return f"{where}, as the bridge with key {approval.key} saw it,"
    return f"key {approval.key}"


def _unread(denied: Denied) -> str:
    """Return which file says nothing; what it is called was anybody's choice."""
    return f"{denied.location.rpartition(':')[2][:NAME_SHOWN]} ({denied.code})"


def _too_weak(vote: Vote, tier: TierPolicy) -> str:
    """Return why this tier does not count what was made in this way; a no it counts always."""
    if vote.strength in tier.strengths:
        return ""
    return f"made as {vote.strength}, and the tier counts {', '.join(tier.strengths)}"


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


def _vote(approval: Approval, tier: TierPolicy, facts: Facts) -> Vote:
    start = moment(approval.not_before)
    return Vote(
        person=approval.person,
        role=approval.role,
        decision=approval.decision,
        at=start,
        until=min(moment(approval.not_after), later(start, tier.approval_max_age)),
        envelope=approval.envelope,
        strength=approval.strength,
        seen=max(start, moment(facts.context.seen.get(approval.envelope, facts.now))),
        overrides=tuple(approval.overrides),
    )


def _vetoes(votes: list[Vote], against: list[Vote]) -> tuple[Vote, ...]:
    """Return the vetoes in force: a person's newest word counts, their own before a bridge's.

    A revocation takes back that person's earlier approval, and where there was one it vetoes. That
    a review was dismissed is no veto, and lifts none: only who said no may say yes.
    """
    vetoes: list[Vote] = []
    for no in against:
        theirs = [vote for vote in votes if vote.person == no.person]
        overruled = any(vote.at > no.at and (vote.own or not no.own) for vote in theirs)
        spoken = no.decision == "reject" or (no.own and bool(theirs))
        if spoken and not overruled:
            vetoes.append(no)
    return tuple(vetoes)


def _dismissed(votes: list[Vote], against: list[Vote]) -> list[Vote]:
    """Return the reviews that a bridge takes back. What a person signed is not its to take."""
    gone = [no for no in against if no.decision == "revoke" and not no.own]
    return [
        vote
        for vote in votes
        if not vote.own and any(no.person == vote.person and no.at >= vote.at for no in gone)
    ]
