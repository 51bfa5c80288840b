"""Whose word a review is, and why most are nobody's. Rows 1, 8, 9, 12, 13, 26 of the attacks."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest

from interlock.bridge.acceptance import Counted, Recorded, count, due
from interlock.bridge.port import Account, Hands, Pull, Review
from support.forgetown import ACCOUNTS, HEAD, NEXT, START, pull, review


@dataclass(frozen=True)
class Voter:
    id: str
    roles: list[str]


@dataclass(frozen=True)
class Register:
    hands: frozenset[str] = frozenset()
    asked: frozenset[str] = frozenset({"quality", "ot-safety"})

    def person(self, account: int) -> Voter | None:
        known = {number: person for person, number in ACCOUNTS.items()}
        return Voter(known[account], ["cook", known[account][:-2]]) if account in known else None

    def outlived(self, given: datetime) -> bool:
        return given <= START - timedelta(hours=72)

    def touched(self, hands: Hands) -> frozenset[str]:
        return self.hands


KNOWN = Hands(frozenset({ACCOUNTS["developer-1"]}), pushed=True)


def counted(*said: Review, at: Pull | None = None, hands: Hands = KNOWN) -> Counted:
    return count(at or pull(), said, hands, Register())


def words(found: Counted) -> list[tuple[str, str]]:
    return [(one.person, one.decision) for one in found.said]


def test_an_official_review_of_the_head_by_a_person_with_a_role_counts() -> None:
    found = counted(review("quality-1"))
    assert words(found) == [("quality-1", "approve")]
    assert found.said[0].roles == ("quality",)
    assert found.ignored == ()


@pytest.mark.parametrize(
    ("bent", "why"),
    [
        ({"commit": NEXT}, f"approved {NEXT[:10]}, the head is {HEAD[:10]}"),
        ({"commit": ""}, "approved no commit"),
        ({"stale": True}, "commits came after the review"),
        ({"official": False}, "the forge does not count the review"),
        ({"at": START - timedelta(hours=72)}, "longer ago than an approval holds"),
    ],
)
def test_a_review_that_is_not_of_what_is_proposed_now_does_not_count(
    bent: dict[str, object], why: str
) -> None:
    found = counted(replace(review("quality-1"), **bent))
    assert found.said == ()
    assert why in found.ignored[0]


@pytest.mark.parametrize(
    "hands",
    [
        Hands(frozenset({ACCOUNTS["quality-1"]}), pushed=True),
        Hands(frozenset({ACCOUNTS["quality-1"], ACCOUNTS["developer-1"]}), pushed=True),
    ],
)
def test_whoever_pushed_or_proposed_approves_nothing(hands: Hands) -> None:
    found = counted(review("quality-1"), review("ot-safety-1"), hands=hands)
    assert words(found) == [("ot-safety-1", "approve")]
    assert found.ignored == ("quality-1: took part in the change",)


def test_another_account_of_an_author_approves_nothing() -> None:
    found = count(pull(), [review("quality-1")], KNOWN, Register(frozenset({"quality-1"})))
    assert found.said == ()
    assert found.ignored == ("quality-1: took part in the change",)


def test_while_nobody_knows_who_pushed_the_head_nothing_is_approved() -> None:
    found = counted(review("quality-1"), hands=replace(KNOWN, pushed=False))
    assert found.ignored == (f"quality-1: who pushed {HEAD[:10]} is not known",)


def test_accounts_that_are_nobodys_count_nothing_whatever_they_are_called() -> None:
    stranger = replace(review("quality-1"), account=Account(999, "quality-1"))
    found = counted(stranger, replace(stranger, word="reject"))
    assert found.said == ()
    assert found.ignored == ("account 999 (quality-1): belongs to nobody in people.yaml",)


@pytest.mark.parametrize("word", ["approve", "reject"])
def test_a_bot_says_nothing_even_with_a_persons_number(word: str) -> None:
    bot = replace(review("quality-1"), account=Account(ACCOUNTS["quality-1"], "x", True))
    found = counted(replace(bot, word=word))
    assert found.said == ()
    assert "no person's account" in found.ignored[0]


def test_a_role_that_is_not_asked_for_is_not_counted() -> None:
    found = counted(review("sre-1"))
    assert found.said == ()
    assert "holds no role that is asked for (ot-safety, quality)" in found.ignored[0]


def test_whoever_holds_any_role_may_say_no() -> None:
    found = counted(review("sre-1", "reject"))
    assert words(found) == [("sre-1", "reject")]
    assert found.said[0].roles == ("cook",)


def test_the_newest_word_of_an_account_counts() -> None:
    found = counted(review("quality-1"), review("quality-1", "reject", 1))
    assert words(found) == [("quality-1", "reject"), ("quality-1", "revoke")]
    assert found.said[0].roles == ("quality",)
    back = counted(review("quality-1", "reject"), review("quality-1", "approve", 1))
    assert words(back) == [("quality-1", "approve")]


def test_a_dismissed_rejection_revives_no_older_approval() -> None:
    found = counted(review("quality-1"), review("quality-1", "withdrawn", 1))
    assert {decision for _, decision in words(found)} == {"revoke"}


def test_a_dismissed_approval_is_taken_back() -> None:
    found = counted(review("quality-1", "withdrawn"))
    assert words(found) == [("quality-1", "revoke")]
    assert found.said[0].review.id == review("quality-1").id


def test_what_was_approved_in_a_pull_request_that_was_closed_is_taken_back() -> None:
    found = counted(review("quality-1"), at=pull(state="closed"))
    assert words(found) == [("quality-1", "revoke")]
    merged = counted(review("quality-1"), at=pull(state="merged"))
    assert words(merged) == [("quality-1", "approve")]


def test_an_account_that_changed_its_login_is_one_account() -> None:
    renamed = replace(
        review("quality-1", "withdrawn", 1), account=Account(ACCOUNTS["quality-1"], "new")
    )
    found = counted(review("quality-1"), renamed)
    assert {decision for _, decision in words(found)} == {"revoke"}


def test_a_word_is_written_once_and_never_again() -> None:
    then = START.replace(second=1)
    known = [Recorded(11, "n1", "approve", START)]
    assert due("approve", 11, ("n1", "n1"), [], then)
    assert not due("approve", 11, ("n1", "n1"), known, then)
    assert due("revoke", 11, ("n2", "n1"), known, then)
    assert not due("revoke", 11, ("n2", "n1"), [], then)
    revoked = [*known, Recorded(11, "n2", "revoke", then)]
    assert not due("approve", 11, ("n1", "n1"), revoked, then.replace(second=2))


def test_two_words_of_one_account_never_share_a_second() -> None:
    known = [Recorded(11, "n1", "approve", START)]
    assert not due("reject", 11, ("n3", "n1"), known, START)
    assert due("reject", 12, ("n3", "n1"), known, START)


def test_what_was_taken_back_of_an_unknown_commit_takes_nothing_back() -> None:
    assert words(counted(review("quality-1", "withdrawn", 1, commit=""))) == []
