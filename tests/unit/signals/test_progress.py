from typing import Any

import pytest

from interlock.api.observed import Vote
from interlock.signals import progress
from support.live import NOW, POLICY, ago, condition, container, deployment, live, pod, waiting

EXCEEDED = condition("Progressing", "False", "ProgressDeadlineExceeded", 30, "ReplicaSet timed out")


def voted(*pods: dict[str, Any], state: dict[str, Any] = EXCEEDED, **facts: Any) -> Vote | None:
    return progress.vote(live(*pods, of=deployment(conditions=[state], **facts)), POLICY, NOW)


def verdict(*pods: dict[str, Any], **facts: Any) -> str:
    vote = voted(*pods, **facts)
    assert vote is not None
    return vote.verdict


def started(seconds: float, **changes: Any) -> dict[str, Any]:
    state = {"running": {"startedAt": ago(seconds)}}
    return pod(container(state=state, **changes), ready=False)


def test_a_pod_that_ran_for_the_whole_deadline_is_broken() -> None:
    vote = voted(started(600))
    assert vote is not None
    assert (vote.verdict, vote.action, vote.lasting) == ("bad", "rollback", False)
    assert vote.message == "ProgressDeadlineExceeded: ReplicaSet timed out"


def test_a_pod_that_started_late_has_its_time_yet() -> None:
    assert verdict(started(599)) == "none"


def test_a_restart_gives_no_new_time() -> None:
    assert verdict(started(5, restartCount=1)) == "bad"


@pytest.mark.parametrize("reason", ["ContainerCreating", "PodInitializing", "ImagePullBackOff"])
def test_pulling_counts_against_nothing(reason: str) -> None:
    assert verdict(pod(waiting(reason), ready=False)) == "none"


def test_waiting_for_a_node_counts_against_nothing() -> None:
    unscheduled = {"metadata": {"name": "x"}, "status": {"phase": "Pending"}}
    assert verdict(unscheduled) == "none"


@pytest.mark.parametrize("reason", ["CreateContainerConfigError", "CrashLoopBackOff", ""])
def test_other_waiting_is_not_slowness(reason: str) -> None:
    assert verdict(pod(waiting(reason), ready=False)) == "bad"


def test_one_stuck_pod_is_enough() -> None:
    assert verdict(pod(), pod(waiting("ContainerCreating"), ready=False), started(700)) == "bad"


def test_pods_that_do_not_exist_are_no_slow_pods() -> None:
    assert verdict() == "bad"
    assert verdict(pod(), replicas=2) == "bad"


def test_a_condition_that_lags_behind_ready_pods_is_not_believed() -> None:
    assert verdict(pod()) == "none"


@pytest.mark.parametrize("reason", ["NewReplicaSetAvailable", "ReplicaSetUpdated"])
def test_within_the_deadline_is_good(reason: str) -> None:
    state = condition("Progressing", "True", reason, 5)
    assert verdict(started(700), state=state) == "good"


def test_what_is_about_an_older_spec_says_nothing() -> None:
    assert voted(started(700), observedGeneration=1) is None
    assert progress.vote(live(started(700)), POLICY, NOW) is None


def test_the_deadline_is_the_deployments() -> None:
    of = deployment(conditions=[EXCEEDED])
    of["spec"]["progressDeadlineSeconds"] = 10
    vote = progress.vote(live(started(10), of=of), POLICY, NOW)
    assert vote is not None
    assert vote.verdict == "bad"


def test_without_a_deadline_it_is_that_of_kubernetes() -> None:
    of = deployment(conditions=[EXCEEDED])
    del of["spec"]["progressDeadlineSeconds"]
    verdicts = {age: progress.vote(live(started(age), of=of), POLICY, NOW) for age in (599, 600)}
    assert {age: vote.verdict for age, vote in verdicts.items() if vote} == {
        599: "none",
        600: "bad",
    }
