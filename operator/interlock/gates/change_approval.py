"""Enough distinct people, in the roles that the tier asks for, signed this very content.

They signed its digest, for this cluster, environment, namespace, file and predecessor, not too
long ago, and none of them took part in the change. Attacks refused: one person signing twice, two
keys of one person, author or co-author approving, approval of another content, environment,
namespace, cluster, file or predecessor, replayed, expired, unknown key, wrong role.
"""

from collections.abc import Iterator

from interlock.api.facts import Facts
from interlock.api.reasons import Reason
from interlock.api.values import GateResult, Outcome, Purpose
from interlock.gates.answers import day, failed, not_applicable, passed, some
from interlock.gates.ballot import Ballot, Vote, count
from interlock.policy import queries
from interlock.policy.model import Policy, TierPolicy

NAME = "change-approval"


def evaluate(facts: Facts, policy: Policy) -> GateResult:
    """Judge the approvals of the subject's content."""
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
    refusal = None if facts.purpose is Purpose.ROLLBACK else _unfit(facts, policy, tier)
    if refusal:
        return refusal
    if not tier.quorum:
        return not_applicable(NAME, "the tier asks for no approval")
    return _decide(facts, count(facts, policy, tier), tier)


def _unfit(facts: Facts, policy: Policy, tier: TierPolicy) -> GateResult | None:
    """Return what no approval can mend: a requested hold, or a change of unknown hands."""
    return _held(facts) or _unknown_hands(facts, policy, tier)


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
        return _unknown(
            "the change was not found in git", "no commit", "the file in its repository"
        )
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


def _decide(facts: Facts, ballot: Ballot, tier: TierPolicy) -> GateResult:
    if ballot.vetoes:
        return _rejected(ballot.vetoes[0])
    roles = {
        vote.person: frozenset(v.role for v in ballot.votes if v.person == vote.person)
        for vote in ballot.votes
    }
    total = sum(slot.count for slot in tier.quorum)
    if open_roles := queries.unfilled(tier.quorum, roles):
        return _waiting(facts, ballot, open_roles, total)
    ends = None if facts.purpose is Purpose.ROLLBACK else min(vote.until for vote in ballot.votes)
    message = f"{total} of {total}: {_names(ballot)}"
    evidence = (vote.envelope for vote in ballot.votes)
    return passed(NAME, message, evidence=evidence, expires=ends)


def _rejected(veto: Vote) -> GateResult:
    word = "rejected" if veto.decision == "reject" else "took back the approval of"
    return failed(
        NAME,
        Reason.APPROVAL_REJECTED,
        f"{veto.person} ({veto.role}) {word} this content on {day(veto.at)}",
        got=f"{veto.decision} by {veto.person}",
        expected="no rejection",
        unblock=f"change the content, or have {veto.person} approve it anew",
    )


def _waiting(facts: Facts, ballot: Ballot, open_roles: list[str], total: int) -> GateResult:
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
        unblock=tuple(_commands(facts, open_roles)),
        evidence=tuple(sorted(vote.envelope for vote in ballot.votes)),
    )


def _commands(facts: Facts, open_roles: list[str]) -> Iterator[str]:
    path = facts.change.path if facts.change else f"{facts.subject.name}.yaml"
    for role in sorted(set(open_roles)):
        yield f"interlock approve {path}, by a member of {role}"


def _names(ballot: Ballot) -> str:
    votes = sorted(ballot.votes, key=lambda vote: (vote.role, vote.person, vote.at))
    return some(f"{vote.role} ({vote.person}, {day(vote.at)})" for vote in votes)
