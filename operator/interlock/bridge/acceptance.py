"""Which reviews are words of people on a content, and which are not and why. Pure.

Rules: the newest decisive word of an account counts and no other; an approval is of the very head,
counted by the forge, not stale, not dismissed, and by somebody who neither proposed nor wrote nor
pushed; accounts are numbers that people.yaml gives to a person; what a bot says counts nothing.
Labels, statuses and comments are not read at all. A review is signed once: what was taken back, or
what an approval was given before, needs a new review.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from interlock.bridge.port import Account, Hands, Pull, Review

Decision = Literal["approve", "reject", "revoke"]


class Voter(Protocol):
    """Whoever an account belongs to."""

    @property
    def id(self) -> str:
        """The person's id."""

    @property
    def roles(self) -> list[str]:
        """All roles of that person."""


@dataclass(frozen=True, slots=True)
class Said:
    """A word of a person, and the review that it rests on."""

    decision: Decision
    person: str
    roles: tuple[str, ...]
    review: Review


@dataclass(frozen=True, slots=True)
class Counted:
    """What the reviews of a pull request amount to."""

    said: tuple[Said, ...]
    ignored: tuple[str, ...]
    """A sentence for each account whose word does not count."""


class Register(Protocol):
    """What governance knows of people, for one agent and one moment."""

    def person(self, account: int) -> Voter | None:
        """Return whose account this is now."""

    def touched(self, hands: Hands) -> frozenset[str]:
        """Return the persons whose hands were on the change."""

    def outlived(self, given: datetime) -> bool:
        """Whether an approval that was given then holds no more."""

    @property
    def asked(self) -> frozenset[str]:
        """The roles that the tier's quorum asks for."""


def count(pull: Pull, reviews: Sequence[Review], hands: Hands, register: Register) -> Counted:
    """Return what people said, and why the rest does not count."""
    said: list[Said] = []
    ignored: list[str] = []
    for account, words in _by_account(reviews).items():
        voter = register.person(account.id)
        why = next(_stranger(account, voter), "")
        if why or voter is None:
            ignored.append(f"{_named(account)}: {why}")
            continue
        roles, newest = tuple(sorted(register.asked & set(voter.roles))), words[-1]
        approves = newest.word == "approve" and pull.state != "closed"
        if newest.word == "reject":  # in whatever role somebody holds
            said.append(Said("reject", voter.id, roles or tuple(voter.roles[:1]), newest))
        elif approves and (why := next(_void(newest, pull, hands, voter, register), "")):
            ignored.append(f"{voter.id}: {why}")
        elif approves:
            said.append(Said("approve", voter.id, roles, newest))
        gone = ("withdrawn",) if approves else ("withdrawn", "approve")
        taken = (one for one in words if one.word in gone and one.commit)
        said += [Said("revoke", voter.id, roles, one) for one in taken]
    return Counted(tuple(said), tuple(sorted(ignored)))


def _by_account(reviews: Sequence[Review]) -> dict[Account, list[Review]]:
    """Return the words of each account, oldest first: its number is who it is."""
    accounts: dict[int, Account] = {}
    found: dict[Account, list[Review]] = {}
    for review in reviews:
        account = accounts.setdefault(review.account.id, review.account)
        found.setdefault(account, []).append(review)
    return found


def _stranger(account: Account, voter: Voter | None) -> Iterator[str]:
    """Why the account's words are nobody's."""
    if account.bot:
        yield "is no person's account"
    elif voter is None:
        yield "belongs to nobody in people.yaml"
    elif not voter.roles:
        yield f"{voter.id} holds no role"


def _void(
    review: Review, pull: Pull, hands: Hands, voter: Voter, register: Register
) -> Iterator[str]:
    """Why an approval is none of what is proposed now, or not theirs to give."""
    if not register.asked & set(voter.roles):
        yield f"holds no role that is asked for ({', '.join(sorted(register.asked))})"
    if register.outlived(review.at):
        yield f"approved on {review.at:%Y-%m-%d}, longer ago than an approval holds"
    if not review.commit or review.commit != pull.head:
        yield f"approved {review.commit[:10] or 'no commit'}, the head is {pull.head[:10]}"
    if review.stale:
        yield "commits came after the review"
    if not review.official:
        yield "the forge does not count the review: no right to approve there"
    if voter.id in register.touched(hands) or review.account.id in hands.accounts:
        yield "took part in the change"
    if not hands.pushed:
        yield f"who pushed {pull.head[:10]} is not known"


def _named(account: Account) -> str:
    return f"account {account.id} ({account.login})" if account.login else f"account {account.id}"


@dataclass(frozen=True, slots=True)
class Recorded:
    """A word that stands in refs/approvals already, over our signature."""

    account: int
    nonce: str
    decision: Decision
    at: datetime


def due(
    decision: Decision,
    account: int,
    nonces: tuple[str, str],
    recorded: Sequence[Recorded],
    now: datetime,
) -> bool:
    """Whether a word is still to be written. `nonces`: the review's own, and its approval's.

    One account has one word a second: which of two is the newer must never be a guess.
    """
    own, approval = nonces
    known = {one.nonce for one in recorded}
    if own in known or (decision == "revoke" and approval not in known):
        return False
    return all(one.at < now for one in recorded if one.account == account)
