from datetime import timedelta

import pytest

from interlock.policy.model import SignalPolicy
from interlock.signals import pulls
from support.live import NOW, POLICY, container, live, pod, waiting


@pytest.mark.parametrize("reason", ["ErrImagePull", "ImagePullBackOff", "InvalidImageName"])
def test_a_pull_that_fails_for_a_minute_is_bad(reason: str) -> None:
    vote = pulls.vote(live(pod(waiting(reason, "no such manifest"), taken=60)), POLICY, NOW)
    assert vote is not None
    assert (vote.verdict, vote.action, vote.lasting) == ("bad", "rollback", False)
    assert vote.since == NOW - timedelta(seconds=60)
    assert vote.message == (
        f"container agent of press-04bd62f1aa-x2x9q has no image: {reason}: no such manifest"
    )


def test_a_younger_one_only_holds() -> None:
    vote = pulls.vote(live(pod(waiting("ErrImagePull"), taken=59)), POLICY, NOW)
    assert vote is not None
    assert vote.verdict == "none"


def test_policy_sets_the_time() -> None:
    policy = SignalPolicy(pull_within="5m")
    vote = pulls.vote(live(pod(waiting("ErrImagePull"), taken=299)), policy, NOW)
    assert vote is not None
    assert vote.verdict == "none"


@pytest.mark.parametrize("reason", ["ContainerCreating", "PodInitializing", "CrashLoopBackOff"])
def test_a_slow_pull_is_no_failing_pull(reason: str) -> None:
    assert pulls.vote(live(pod(waiting(reason), taken=3600)), POLICY, NOW) is None


def test_nothing_to_say_of_containers_that_run() -> None:
    assert pulls.vote(live(pod(container())), POLICY, NOW) is None
    assert pulls.vote(live(), POLICY, NOW) is None


def test_the_pod_that_waits_longest_decides() -> None:
    young, old = (pod(waiting("ErrImagePull"), taken=taken) for taken in (1, 90))
    vote = pulls.vote(live(young, old), POLICY, NOW)
    assert vote is not None
    assert vote.verdict == "bad"


def test_a_pod_that_no_kubelet_took_is_not_late() -> None:
    bare = pod(waiting("ErrImagePull"))
    del bare["status"]["startTime"]
    vote = pulls.vote(live(bare), POLICY, NOW)
    assert vote is not None
    assert vote.verdict == "none"


def test_the_model_that_an_init_container_is_made_of_has_to_be_pulled_too() -> None:
    missing = pod(waiting("PodInitializing"), taken=60)
    missing["status"]["initContainerStatuses"] = [waiting("ErrImagePull", name="model")]
    vote = pulls.vote(live(missing), POLICY, NOW)
    assert vote is not None
    assert (vote.verdict, vote.message.partition(" of ")[0]) == ("bad", "container model")
