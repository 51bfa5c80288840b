from interlock.api import names
from interlock.signals import pods
from support.live import NOW, ago, container, deployment, pod, waiting


def test_what_the_deployment_says() -> None:
    seen = pods.workload(deployment(replicas=3, ready=2), [pod(), pod()])
    assert (seen.revision, seen.replicas, seen.ready, seen.pods) == ("press-04bd62f1aa", 3, 2, 2)
    assert (seen.updated, seen.retiring, seen.drained) == (True, False, "")
    assert seen.warm


def test_a_status_about_an_older_spec_is_not_updated() -> None:
    assert not pods.workload(deployment(observedGeneration=1), []).updated
    assert not pods.workload(deployment(replicas=2, updatedReplicas=1), []).updated


def test_marks_of_our_own() -> None:
    of = deployment()
    of["metadata"]["annotations"] = {names.ANNOTATION_RETIRING: "1"}
    of["spec"]["template"] = {"metadata": {"annotations": {names.ANNOTATION_DRAINED: "press-3"}}}
    seen = pods.workload(of, [])
    assert (seen.retiring, seen.drained, seen.warm) == (True, "press-3", False)


def test_started_is_the_oldest_start_of_what_is_not_ready() -> None:
    late = pod(container(state={"running": {"startedAt": ago(20)}}), ready=False)
    young = pod(container(state={"running": {"startedAt": ago(5)}}), ready=False)
    pulling = pod(waiting("ContainerCreating"), ready=False)
    started = pods.workload(deployment(), [pod(), young, late, pulling]).started
    assert started is not None
    assert (NOW - started).total_seconds() == 20


def test_copying_a_model_counts_as_pulling_does_and_not_as_a_start() -> None:
    copying = pod(waiting("PodInitializing"), ready=False)
    copying["status"]["initContainerStatuses"] = [
        container(name="model", state={"running": {"startedAt": ago(3600)}})
    ]
    assert pods.workload(deployment(), [copying]).started is None


def test_without_a_container_nothing_started() -> None:
    assert pods.workload(deployment(), [pod(), pod(waiting("x"), ready=False)]).started is None


def test_an_empty_deployment_is_one_of_one_replica() -> None:
    assert pods.workload({}, []).replicas == 1
