from typing import Any

import pytest

from interlock.api.observed import Vote
from interlock.policy.model import SignalPolicy
from interlock.signals import crashes
from support.live import NOW, POLICY, ago, container, live, pod, waiting


def crashed(times: int, seconds: float, **ended: Any) -> dict[str, Any]:
    end = {"finishedAt": ago(seconds), "reason": "Error", "exitCode": 1} | ended
    return container(restartCount=times, lastState={"terminated": end})


def voted(*containers: dict[str, Any], policy: SignalPolicy = POLICY) -> Vote:
    vote = crashes.vote(live(pod(), pod(*containers)), policy, NOW)
    assert vote is not None
    return vote


def test_three_restarts_with_a_young_end_are_a_loop() -> None:
    vote = voted(crashed(3, 299))
    assert (vote.verdict, vote.action, vote.lasting) == ("bad", "rollback", False)


def test_two_restarts_are_none() -> None:
    assert voted(crashed(2, 1)).verdict == "good"


def test_old_restarts_count_nothing() -> None:
    assert voted(crashed(40, 300)).verdict == "good"


def test_policy_sets_both_limits() -> None:
    policy = SignalPolicy(restarts=2, restarts_within="10s")
    assert voted(crashed(2, 9), policy=policy).verdict == "bad"
    assert voted(crashed(2, 10), policy=policy).verdict == "good"
    assert voted(crashed(1, 9), policy=policy).verdict == "good"


def test_a_container_that_lies_there_ended_now() -> None:
    before = crashed(3, 4000)
    ended = {"terminated": {"finishedAt": ago(2), "reason": "Error", "exitCode": 1}}
    assert voted(before | {"state": ended}).verdict == "bad"


def test_out_of_memory_is_named() -> None:
    vote = voted(crashed(4, 5, reason="OOMKilled", exitCode=137))
    assert vote.message == (
        "container agent of press-04bd62f1aa-x2x9q restarted 4 times, at last for OOMKilled "
        "(exit code 137)"
    )


def test_the_message_does_not_change_by_the_second() -> None:
    assert voted(crashed(4, 5)).message == voted(crashed(4, 6)).message


def test_before_any_container_exists_there_is_no_vote() -> None:
    assert crashes.vote(live(), POLICY, NOW) is None
    assert crashes.vote(live(pod() | {"status": {}}), POLICY, NOW) is None


@pytest.mark.parametrize("moment", [None, 5, "yesterday", "2026-03-01T12:00:00"])
def test_an_end_without_a_moment_is_no_loop(moment: object) -> None:
    assert voted(crashed(9, 0, finishedAt=moment)).verdict == "good"


def test_a_model_that_cannot_be_copied_is_a_loop_that_says_why() -> None:
    said = 'copier: "MLmodel" has other bytes than the manifest says.'
    failing = pod(waiting("PodInitializing"))
    failing["status"]["initContainerStatuses"] = [crashed(3, 5, message=said) | {"name": "model"}]
    vote = crashes.vote(live(failing), POLICY, NOW)
    assert vote is not None
    assert (vote.verdict, vote.message.endswith(f"(exit code 1): {said}")) == ("bad", True)
    assert vote.message.startswith("container model of press-04bd62f1aa-x2x9q restarted 3 times")


def test_what_an_agent_says_as_it_ends_is_not_repeated() -> None:
    assert voted(crashed(3, 5, message="x")).message.endswith("(exit code 1)")
