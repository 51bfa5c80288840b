from datetime import datetime, timedelta
from typing import Any

import pytest

from interlock.api.observed import Vote
from interlock.policy.model import SignalPolicy
from interlock.signals import expiry
from support.live import NOW, POLICY, live

STRICT = SignalPolicy(expiry="quarantine")


def moment(hours: float) -> datetime:
    return NOW + timedelta(hours=hours)


def voted(begun: float, ends: float, policy: SignalPolicy = POLICY, **changes: Any) -> Vote:
    seen = live(accepted=moment(begun), expires=moment(ends), **changes)
    vote = expiry.vote(seen, policy, NOW)
    assert vote is not None
    return vote


def answer(vote: Vote) -> tuple[str, str, bool]:
    return vote.verdict, vote.action, vote.lasting


def test_young_evidence_is_good() -> None:
    vote = voted(-7.9, 2.1)
    assert vote.verdict == "good"
    assert vote.message == "the evidence holds until 2026-03-01T14:06:00+00:00"


def test_after_four_fifths_of_its_life_it_warns_and_is_good() -> None:
    vote = voted(-8, 2)
    assert vote.verdict == "good"
    assert "ends soon" in vote.message


def test_at_its_end_it_holds() -> None:
    assert answer(voted(-10, 0)) == ("bad", "hold", False)
    assert answer(voted(-10, -999)) == ("bad", "hold", False)
    assert voted(-10, 1 / 3600).verdict == "good"


def test_policy_may_isolate_an_hour_later() -> None:
    assert answer(voted(-10, -1, STRICT)) == ("bad", "quarantine", True)
    assert answer(voted(-10, -1 + 1 / 3600, STRICT)) == ("bad", "hold", False)


def test_a_candidate_is_only_held() -> None:
    assert answer(voted(-10, -5, STRICT, stand="candidate")) == ("bad", "hold", False)


def test_evidence_of_unknown_age_warns_of_nothing() -> None:
    vote = expiry.vote(live(expires=moment(1)), POLICY, NOW)
    assert vote is not None
    assert vote.verdict == "good"
    assert "holds until" in vote.message


def test_what_does_not_age_has_no_vote() -> None:
    assert expiry.vote(live(accepted=moment(-999)), POLICY, NOW) is None


@pytest.mark.parametrize("ends", [datetime.max, datetime.min])
def test_the_ends_of_time_are_moments_too(ends: datetime) -> None:
    seen = live(accepted=NOW, expires=ends.replace(tzinfo=NOW.tzinfo))
    assert expiry.vote(seen, STRICT, NOW) is not None
