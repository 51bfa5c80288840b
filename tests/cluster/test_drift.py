"""What somebody changes in an agent's namespace past the policies is seen and put right."""

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from interlock.actions.inspect import MOST_SHOWN
from interlock.api import names
from support.changes import CHANGES, OTHER, RBAC, STRATEGIC, WIDE, added, binding, patched
from support.controller import TEAMS
from support.engine import Agent, Engine, Pair, until
from support.kube import ADMISSION, JSON_PATCH, switched_off
from support.patrol import Patrol, counted, patrolling

Object = dict[str, Any]

LOCKS = (
    "agent-objects",
    "limit-syncer",
    "namespaces",
    "pods",
    "pods-frozen",
    "records",
    "services",
)
"""Policies without which an administrator can change an agent; the controller's limits stay."""


@pytest.fixture(scope="module")
def two(engine: Engine) -> Iterator[Pair]:
    """An agent with two healthy revisions, its controller at rest and the locks taken off."""
    network = {"egress": [{"to": {"namespace": "mes"}, "port": 443, "reason": "orders"}]}
    agent = engine.agent(TEAMS[-1])
    old = agent.serves("old", network=network)
    new = agent.serves("new", network=network)
    agent.until("can go back", lambda status: status["rollback"] == "warm")
    engine.stop()
    bindings = f"{ADMISSION}/validatingadmissionpolicybindings"
    with ExitStack() as off:
        for lock in LOCKS:
            off.enter_context(switched_off(engine.api, f"{bindings}/interlock-{lock}"))
        until(lambda: _unlocked(agent), bool, "the locks are off")
        yield Pair(agent, old, new)
    engine.start()


@pytest.fixture
async def patrol(engine: Engine) -> AsyncIterator[Patrol]:
    async with patrolling(engine.kubeconfig) as found:
        yield found


def _unlocked(agent: Agent) -> bool:
    api, labels = agent.api, {"metadata": {"labels": {"x": "y"}}}
    policy = {"spec": {"podSelector": {}}, "metadata": {"name": "probe"}}
    tried = (
        api.patch(agent.place("Service", "agent"), labels, dryRun="All"),
        api.patch(f"/api/v1/namespaces/{agent.home}", labels, dryRun="All"),
        api.patch(agent.place("AgentAdmission", "current"), labels, dryRun="All"),
        api.post(agent.place("NetworkPolicy"), policy, dryRun="All"),
    )
    return all(answer.ok for answer in tried)


@pytest.mark.parametrize("name", CHANGES)
async def test_a_change_is_put_right(two: Pair, patrol: Patrol, name: str) -> None:
    agent, (change, what) = two.agent, CHANGES[name]
    assert await patrol.look(agent, two.new, two.old) == ()
    before = spec_of(agent)
    change(agent, two)

    drift = await patrol.look(agent, two.new, two.old)
    assert any(what in one for one in drift), drift
    assert "not repaired" not in " ".join(drift)
    assert len(patrol.memory(agent).repairs) == 1
    assert spec_of(agent) == before
    until(lambda: rolled(agent, two.new), bool, "the Deployment has rolled")
    assert await patrol.look(agent, two.new, two.old) == ()
    assert len(patrol.memory(agent).repairs) == 1


def rolled(agent: Agent, digest: str) -> bool:
    """Whether every pod of a revision is one that its Deployment asks for now."""
    found = agent.api.get(agent.place("Deployment", agent.revision(digest))).body
    status, seen = found["status"], found["metadata"]["generation"]
    ready = status.get("updatedReplicas") == status.get("replicas") == status.get("readyReplicas")
    seen_it = status.get("observedGeneration") == seen
    whole = len(agent.pods(digest)) == found["spec"]["replicas"]
    return bool(seen_it and ready and whole)


def spec_of(agent: Agent) -> Object:
    """What stands in the agent's namespace, save what the API server counts."""
    found = {}
    for kind in ("NetworkPolicy", "ResourceQuota", "Service", "Deployment"):
        for one in agent.objects(kind):
            found[f"{kind}/{one['metadata']['name']}"] = (
                one["metadata"].get("labels"),
                one["spec"],
            )
    return found


def test_nobody_else_is_named(two: Pair) -> None:
    """The writer that a sentence names is the one who wrote."""
    managers = {
        entry["manager"]
        for kind in ("NetworkPolicy", "ResourceQuota", "Deployment", "Service")
        for one in two.agent.objects(kind)
        for entry in one["metadata"]["managedFields"]
        if not entry.get("subresource")
    }
    assert managers <= {"interlock", "kube-controller-manager"}


async def test_who_changed_it_is_named(two: Pair, patrol: Patrol) -> None:
    change, _ = CHANGES["default-deny lets in"]
    change(two.agent, two)
    (said,) = await patrol.look(two.agent, two.new)
    assert said == "NetworkPolicy/default-deny: spec.ingress was added (written by kubectl-edit)"


@pytest.mark.parametrize("how", ["debugged", "another image"])
async def test_a_pod_that_was_entered_is_made_anew(two: Pair, patrol: Patrol, how: str) -> None:
    agent = two.agent
    (pod,) = agent.pods(two.new)
    place = agent.place("Pod", pod)
    if how == "debugged":
        closed = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
        debug = {"name": "debug", "image": OTHER, "securityContext": closed}
        body = {"spec": {"ephemeralContainers": [debug]}}
        answer = agent.api.patch(f"{place}/ephemeralcontainers", body, STRATEGIC)
    else:
        body = {"spec": {"containers": [{"name": "agent", "image": OTHER}]}}
        answer = agent.api.patch(place, body, STRATEGIC)
    assert answer.ok, answer.message

    (said,) = await patrol.look(agent, two.new)
    assert said.startswith(f"Pod/{pod}: spec.")
    until(lambda: pod in agent.pods(two.new), lambda there: not there, "the pod is gone")
    until(lambda: rolled(agent, two.new), bool, "another pod is ready")
    assert await patrol.look(agent, two.new) == ()


UNKNOWN: dict[str, tuple[str, Object]] = {
    "Role/extra": (RBAC + "/namespaces/{}/roles", {"metadata": {"name": "extra"}, "rules": []}),
    "ConfigMap/extra": ("/api/v1/namespaces/{}/configmaps", {"metadata": {"name": "extra"}}),
    "ServiceAccount/extra": (
        "/api/v1/namespaces/{}/serviceaccounts",
        {"metadata": {"name": "extra"}},
    ),
    "Service/extra": (
        "/api/v1/namespaces/{}/services",
        {"metadata": {"name": "extra"}, "spec": {"ports": [{"port": 80}]}},
    ),
}


@pytest.mark.parametrize("what", UNKNOWN)
async def test_what_opens_nothing_is_named_and_left(two: Pair, patrol: Patrol, what: str) -> None:
    path, body = UNKNOWN[what]
    added(path, body)(two.agent, two)
    try:
        (said,) = await patrol.look(two.agent, two.new)
        assert said.startswith(f"{what}: nobody rendered it")
        assert said.endswith("left as it is")
        assert not patrol.memory(two.agent).repairs
    finally:
        assert two.agent.api.delete(f"{path.format(two.agent.home)}/extra").ok


async def test_a_person_may_look_at_an_agent(two: Pair, patrol: Patrol) -> None:
    for role in ("view", "interlock-emergency"):
        added(RBAC + "/namespaces/{}/rolebindings", binding(role))(two.agent, two)
        assert await patrol.look(two.agent, two.new) == ()
        assert two.agent.api.delete(f"{RBAC}/namespaces/{two.agent.home}/rolebindings/more").ok


async def test_the_pointer_is_reported_and_never_written(two: Pair, patrol: Patrol) -> None:
    agent, port = two.agent, [{"op": "replace", "path": "/spec/ports/0/port", "value": 81}]
    patched("Service", "agent", port, JSON_PATCH)(agent, two)
    (said,) = await patrol.look(agent, two.new)
    assert said.startswith("Service/agent: spec.ports[0].port was changed")
    assert said.endswith("left as it is")
    port[0]["value"] = 80
    patched("Service", "agent", port, JSON_PATCH)(agent, two)
    elsewhere = {"spec": {"selector": {names.LABEL_REVISION: agent.revision(two.old)}}}
    patched("Service", "preview", elsewhere)(agent, two)
    patched("Deployment", "{new}", {"spec": {"replicas": 2}})(agent, two)
    assert await patrol.look(agent, two.new, two.old) == ()
    patched("Deployment", "{new}", {"spec": {"replicas": 1}})(agent, two)


async def test_many_changes_are_counted_and_cut(two: Pair, patrol: Patrol) -> None:
    path = "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies"
    for number in range(70):
        body = WIDE | {"metadata": {"name": f"wide-{number:02}-" + "x" * 200}}
        added(path, body)(two.agent, two)
    drift = await patrol.look(two.agent, two.new)
    assert len(drift) == MOST_SHOWN
    assert max(map(len, drift)) <= 200
    assert len(await patrol.look(two.agent, two.new)) == 6
    assert await patrol.look(two.agent, two.new) == ()
    assert len(patrol.memory(two.agent).repairs) == 2


async def test_a_look_at_what_is_known_is_seven_lists(two: Pair, patrol: Patrol) -> None:
    ports = await patrol.ports()
    await patrol.inspect(ports, two.agent, two.new, two.old)
    asked = counted(patrol.client)
    await patrol.inspect(ports, two.agent, two.new, two.old)
    assert {method for method, _ in asked} == {"GET"}
    assert len(asked) == 7
