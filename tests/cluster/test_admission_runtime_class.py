"""What isolates a tier's pods is compared, too: a pod in another runtime class is another pod."""

import pytest

from interlock.render import namespace
from support import agents
from support.agents import TEAM, Agent
from support.documents import Object, changed
from support.kube import Answer, Api, until

CLASS = "interlock-sandboxed"
OVERHEAD = {"podFixed": {"memory": "64Mi", "cpu": "50m"}}


@pytest.fixture(scope="module")
def agent(admin: Api, controller: Api) -> Agent:
    """An agent, in a cluster that has another runtime class."""
    body = {
        "apiVersion": "node.k8s.io/v1",
        "kind": "RuntimeClass",
        "metadata": {"name": CLASS},
        "handler": "runsc",
        "overhead": OVERHEAD,
    }
    assert admin.post("/apis/node.k8s.io/v1/runtimeclasses", body).code in (201, 409)
    return agents.make("runtime", admin, controller)


def sandboxed(pod: Object) -> Object:
    return changed(pod, "spec.runtimeClassName", CLASS)


def refused(answer: Answer) -> bool:
    return not answer.ok and "the runtime class is not the one" in answer.message


def test_a_pod_in_another_class_than_the_admitted_is_refused(agent: Agent) -> None:
    assert agent.dry_run(agent.pod()).ok
    answer = agent.dry_run(sandboxed(agent.pod()))
    assert refused(answer), answer.message


def test_where_a_class_was_admitted_no_other_passes(agent: Agent) -> None:
    entry = agent.entry("old") | {"runtimeClass": CLASS}
    agent.apply(namespace.agent_admission(TEAM, agent.name, [entry], quarantined=False))
    until(lambda: agent.dry_run(sandboxed(agent.pod())).ok, "the class admitted")
    answer = agent.dry_run(sandboxed(agent.pod()))
    assert answer.body["spec"]["overhead"] == OVERHEAD["podFixed"]
    assert refused(agent.dry_run(agent.pod()))
