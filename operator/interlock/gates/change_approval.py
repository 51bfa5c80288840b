"""Enough distinct people, in the roles that the tier asks for, signed this very content.

They signed its digest, for this cluster, environment, namespace, file and predecessor, not too
long ago, in a way that the tier counts, and none of them took part in the change; and others had
the time to object that the tier gives them. Attacks refused: one person signing twice, two keys or
accounts of one person, author or co-author approving, approval of another content, environment,
namespace, cluster, file or predecessor, replayed, expired, backdated, unknown key, wrong role.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from interlock.api.facts import NOT_FAST_FORWARD, Facts
from interlock.api.reasons import Reason
from interlock.api.values import GateResult, Outcome, Purpose
from interlock.gates import break_glass
from interlock.gates.answers import day, failed, later, moment, not_applicable, passed, some
from interlock.gates.ballot import REFS, Ballot, Vote, count, involved, roles_of
from interlock.policy import queries
from interlock.policy.model import Person, Policy, TierPolicy

NAME = "change-approval"


def evaluate(facts: Facts, policy: Policy) -> GateResult:
    """Judge the approvals of the subject's content, and what may stand in for them."""
    return break_glass.instead(_approved(facts, policy), facts, policy)


def _approved(facts: Facts, policy: Policy) -> GateResult:
    subject = facts.subject
    tier = queries.tier_policy(policy, subject.namespace, str(subject.spec.get("riskTier", "")))
    if tier is None:
        return failed(
            NAME,
            Reason.POLICY_MISSING,
            f"tiers.yaml says nothing about tier {subject.spec.get('riskTier', 'none')}",
            got="no rules",
            expected="an entry in tiers.yaml",
            unblock="ask security to add the tier to tiers.yaml",
        )
    back = facts.purpose is Purpose.ROLLBACK
    if refusal := None if back else _held(facts):
        return refusal
    ballot = count(facts, policy, tier)
    if tier.quorum and ballot.vetoes:  # first: people may go past what follows, and past no veto
        return _rejected(ballot.vetoes[0])
    if refusal := None if back else _unfit(facts, policy, tier):
        return refusal
    if not tier.quorum:
        return not_applicable(NAME, "the tier asks for no approval")
    return _decide(facts, policy, ballot, tier)


def _unfit(facts: Facts, policy: Policy, tier: TierPolicy) -> GateResult | None:
    """Return what no approval can mend: words that were lost, or a change of unknown hands."""
    return (_lost(facts) if tier.quorum else None) or _unknown_hands(facts, policy, tier)


def _lost(facts: Facts) -> GateResult | None:
    """Return that approvals seen before are gone from git: a no that came since is not read."""
    lost = (each for each in facts.denied if each.code == NOT_FAST_FORWARD)
    found = next((each for each in lost if each.location.startswith(REFS)), None)
    if found is None:
        return None
    return failed(
        NAME,
        Reason.NOT_FAST_FORWARD,
        f"{found.got}; what was said since is not read",
        got=found.got,
        expected=found.expected,
        unblock=f"push what is missing to {found.location}, beside what is there",
    )


def _held(facts: Facts) -> GateResult | None:
    subject = facts.subject
    for hold in facts.context.holds:
        if hold.behaviour == subject.behaviour and hold.cause == "requested":
            command = f"kubectl interlock release {subject.name} -n {subject.namespace}"
            return failed(
                NAME,
                Reason.HELD,
                "held by request after a rollback; approvals do not lift it",
                got="a requested hold",
                expected="no hold, or a release",
                unblock=f'{command} --reason "…"',
            )
    return None


def _unknown_hands(facts: Facts, policy: Policy, tier: TierPolicy) -> GateResult | None:
    change = facts.change
    if not tier.quorum and not tier.known_author:
        return None
    if change is None:
        moved = (each.got for each in facts.denied if each.code == NOT_FAST_FORWARD)
        message = next(moved, "the change was not found in git")
        return _unknown(message, "no commit", "the file in its repository")
    if not change.complete:
        got = f"the history of {change.path} does not lead back to what was delivered before"
        return _unknown(f"{got}, so nobody can be shown to be no author", got, "a full history")
    if not tier.known_author:
        return None
    if change.unsigned:
        message = f"{change.unsigned} commits to {change.path} are not signed with an SSH key"
        return _unknown(message, f"{change.unsigned} unsigned commits", "signed commits only")
    strangers = [one.id for one in change.people if not queries.person_involved(policy, one)]
    if strangers:
        message = f"people.yaml does not know {some(strangers)}, named in the commits"
        return _unknown(message, some(strangers), "keys and addresses that people.yaml knows")
    return None


def _unknown(message: str, got: str, expected: str) -> GateResult:
    unblock = "push the file as signed commits of known people on the branch that delivers it"
    return failed(NAME, Reason.UNKNOWN_AUTHOR, message, got=got, expected=expected, unblock=unblock)


def _decide(facts: Facts, policy: Policy, ballot: Ballot, tier: TierPolicy) -> GateResult:
    total = sum(slot.count for slot in tier.quorum)
    if open_roles := queries.unfilled(tier.quorum, roles_of(ballot.votes)):
        unblock = tuple(_commands(facts, policy, ballot, tier, open_roles))
        return _waiting(ballot, open_roles, total, unblock)
    back = facts.purpose is Purpose.ROLLBACK
    message = f"{total} of {total}: {_names(ballot)}"
    if not back and moment(facts.now) < (stands := _stands(ballot, tier)):
        return _dwelling(ballot, message, stands)
    ends = None if back else min(vote.until for vote in ballot.votes)
    evidence = (vote.envelope for vote in ballot.votes)
    return passed(NAME, message, evidence=evidence, expires=ends)


def _stands(ballot: Ballot, tier: TierPolicy) -> datetime:
    """Return until when a full quorum is open to objections; who approves beside it delays none."""
    votes = sorted(ballot.votes, key=lambda vote: vote.seen)
    counts = range(1, len(votes) + 1)
    full = (n for n in counts if not queries.unfilled(tier.quorum, roles_of(votes[:n])))
    return later(votes[next(full) - 1].seen, tier.minimum_dwell)


def _dwelling(ballot: Ballot, message: str, stands: datetime) -> GateResult:
    return GateResult(
        NAME,
        Outcome.WAIT,
        Reason.DWELLING,
        f"{message}; open to objections until {day(stands)}",
        got=_names(ballot),
        expected="the tier's minimumDwell after the last approval that it took",
        unblock=("nothing: it goes on by itself unless somebody rejects it",),
        evidence=tuple(sorted(vote.envelope for vote in ballot.votes)),
    )


def _rejected(veto: Vote) -> GateResult:
    word = "rejected" if veto.decision == "reject" else "took back the approval of"
    answer = failed(
        NAME,
        Reason.APPROVAL_REJECTED,
        f"{veto.person} ({veto.role}) {word} this content on {day(veto.at)}",
        got=f"{veto.decision} by {veto.person}",
        expected="no rejection",
        unblock=f"change the content, or have {veto.person} approve it anew",
    )
    return replace(answer, evidence=(veto.envelope,))


def _waiting(
    ballot: Ballot, open_roles: list[str], total: int, unblock: tuple[str, ...]
) -> GateResult:
    roles = "role" if len(open_roles) == 1 else "roles"
    message = f"{total - len(open_roles)} of {total}, {roles} {some(open_roles)} open"
    if ballot.ignored:
        message += f"; not counted: {some(ballot.ignored)}"
    return GateResult(
        NAME,
        Outcome.WAIT,
        Reason.APPROVAL_MISSING,
        message,
        got=_names(ballot) or "no approval that counts",
        expected=f"{total} distinct persons, {some(open_roles)} still to sign",
        unblock=unblock,
        evidence=tuple(sorted(vote.envelope for vote in ballot.votes)),
    )


def _commands(
    facts: Facts, policy: Policy, ballot: Ballot, tier: TierPolicy, open_roles: list[str]
) -> Iterator[str]:
    """Yield for each open slot what fills it, and who may."""
    path = facts.change.path if facts.change else f"{facts.subject.name}.yaml"
    able = _able(facts, policy, ballot, tier, len(open_roles))
    for role in sorted(set(open_roles)):
        persons = [person.id for person in able if role in person.roles]
        if not persons:
            yield f"nobody who may approve holds {role}: have security add somebody to people.yaml"
        else:
            yield f"interlock approve {path}, by a member of {role}: {some(persons)}"


def _able(
    facts: Facts, policy: Policy, ballot: Ballot, tier: TierPolicy, missing: int
) -> list[Person]:
    """Return whose approval would fill an open slot: not an author's, and nobody's twice."""
    now, authors, voted = moment(facts.now), involved(facts, policy), roles_of(ballot.votes)
    found: list[Person] = []
    for person in policy.people.people:
        with_them = voted | {person.id: frozenset(person.roles)}
        if person.id in authors or not queries.means(policy, person, tier.strengths, now):
            continue
        if len(queries.unfilled(tier.quorum, with_them)) < missing:
            found.append(person)
    return found


def _names(ballot: Ballot) -> str:
    votes = sorted(ballot.votes, key=lambda vote: (vote.role, vote.person, vote.at))
    return some(f"{vote.role} ({vote.person}, {day(vote.at)})" for vote in votes)
