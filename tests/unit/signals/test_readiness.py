from typing import Any

import pytest

from interlock.signals import readiness
from support.live import NOW, POLICY, deployment, live


def verdict(stand: Any, **facts: Any) -> str:
    vote = readiness.vote(live(stand=stand, of=deployment(**facts)), POLICY, NOW)
    assert vote is not None
    assert vote.action == "rollback"
    assert not vote.lasting
    return vote.verdict


@pytest.mark.parametrize("stand", ["baking", "steady"])
def test_what_serves_needs_one_ready_pod(stand: str) -> None:
    assert verdict(stand, replicas=3, ready=1) == "good"
    assert verdict(stand, replicas=3, ready=0) == "bad"


def test_a_candidate_needs_all_of_them_and_is_never_bad_for_it() -> None:
    assert verdict("candidate", replicas=3, ready=3) == "good"
    assert verdict("candidate", replicas=3, ready=2) == "none"
    assert verdict("candidate", replicas=3, ready=0) == "none"


def test_a_candidate_whose_newest_spec_nobody_has_seen_is_not_ready() -> None:
    assert verdict("candidate", observedGeneration=1) == "none"


@pytest.mark.parametrize("stand", ["candidate", "baking"])
def test_without_pods_asked_for_there_is_nothing_to_say(stand: str) -> None:
    assert verdict(stand, replicas=0, ready=0) == "none"


def test_it_says_how_many() -> None:
    vote = readiness.vote(live(of=deployment(replicas=3, ready=2)), POLICY, NOW)
    assert vote is not None
    assert vote.message == "2 of 3 pods are ready"
