"""The git syncer delivers AgentDeployments and ConfigMaps; a stolen token does no more (I12)."""

import pytest

from interlock.api.names import ANNOTATION_EMERGENCY, LABEL_SYNCED_BY
from support import agents
from support.agents import Agent
from support.documents import BASES, Object, changed
from support.kube import APPLY, OURS, Answer, Api
from support.stolen import FOREIGN, all_verbs

__all__ = ["all_verbs"]  # a fixture that every test here uses
NAMESPACES = "/api/v1/namespaces"
AGENT_DEPLOYMENTS = f"{OURS}/namespaces/default/agentdeployments"
CONFIG: Object = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "mes-1f09c2", "labels": {LABEL_SYNCED_BY: "agents"}},
    "immutable": True,
    "data": {"schema.json": "{}"},
}


@pytest.fixture(scope="module")
def agent(admin: Api, controller: Api) -> Agent:
    return agents.make("synced", admin, controller)


@pytest.fixture
def wish(admin: Api) -> str:
    """The path of a stored AgentDeployment."""
    body = changed(BASES["AgentDeployment"], "metadata.name", "held")
    assert admin.post(AGENT_DEPLOYMENTS, body).code in (201, 409)
    return f"{AGENT_DEPLOYMENTS}/held"


def refused(answer: Answer, why: str) -> None:
    assert answer.code in (403, 422), answer.body
    assert why in answer.message


def applied(syncer: Api, path: str, body: Object) -> Answer:
    return syncer.patch(path, body, APPLY, fieldManager="interlock-sync", force="true")


def test_the_syncer_delivers_and_prunes(syncer: Api) -> None:
    wish = changed(BASES["AgentDeployment"], "metadata.name", "synced")
    for path, body in (
        (f"{AGENT_DEPLOYMENTS}/synced", wish),
        (f"{NAMESPACES}/default/configmaps/mes-1f09c2", CONFIG),
    ):
        for _ in range(2):
            answer = applied(syncer, path, body)
            assert answer.ok, answer.message
        assert syncer.delete(path).ok


@pytest.mark.parametrize(
    "case",
    ["mutable", "of nobody", "in Interlock's namespace", "in kube-system", "in an agent's"],
)
def test_the_syncer_writes_only_its_own_kind_of_config_map(
    agent: Agent, syncer: Api, case: str
) -> None:
    where = {
        "in Interlock's namespace": "interlock-system",
        "in kube-system": "kube-system",
        "in an agent's": agent.home,
    }.get(case, "default")
    body = CONFIG
    if case == "mutable":
        body = changed(CONFIG, "immutable", False)
    if case == "of nobody":
        body = changed(CONFIG, "metadata.labels", {})
    refused(
        syncer.post(f"{NAMESPACES}/{where}/configmaps", body, dryRun="All"), "the syncer may not"
    )


def test_the_syncer_remembers_where_refs_were_and_cannot_forget_it(syncer: Api) -> None:
    where = f"{NAMESPACES}/interlock-system/configmaps"
    meta = {"name": "sync-tips-default"}
    kind = {"apiVersion": "v1", "kind": "ConfigMap"}
    assert syncer.post(where, {**kind, "metadata": meta, "data": {"a": "1"}}).ok
    path = f"{where}/sync-tips-default"
    assert syncer.patch(path, {"data": {"a": "2", "b": "1"}}).ok
    refused(syncer.patch(path, {"data": {"a": None}}), "the syncer may not")
    refused(syncer.delete(path), "the syncer may not")
    elsewhere = {**kind, "metadata": {"name": "governance-manifest"}, "data": {"a": "1"}}
    refused(syncer.post(where, elsewhere, dryRun="All"), "the syncer may not")


def test_the_syncer_touches_no_config_map_of_others(syncer: Api) -> None:
    path = f"{NAMESPACES}/default/configmaps/kube-root-ca.crt"
    refused(syncer.delete(path), "the syncer may not")
    take_over = {"metadata": {"labels": {LABEL_SYNCED_BY: "agents"}}, "immutable": True}
    refused(syncer.patch(path, take_over), "the syncer may not")


def test_the_syncer_does_not_lift_a_finalizer(controller: Api, syncer: Api, wish: str) -> None:
    hold = {"metadata": {"finalizers": ["interlock.dev/finalizer"]}}
    assert controller.patch(wish, hold).ok
    refused(syncer.patch(wish, {"metadata": {"finalizers": None}}), "the syncer may not")
    assert syncer.patch(wish, {"spec": {"replicas": 2}}).ok
    assert controller.patch(wish, {"metadata": {"finalizers": None}}).ok


@pytest.mark.parametrize("what", FOREIGN)
def test_the_syncer_writes_a_fixed_list_of_kinds(syncer: Api, what: str) -> None:
    path, body = FOREIGN[what]
    refused(syncer.post(path.format("default"), body), "the syncer may not")


def test_the_syncer_asks_for_no_rollback_and_moves_no_traffic(agent: Agent, syncer: Api) -> None:
    body = changed(BASES["AgentRollback"], "metadata.name", "synced")
    path = f"{OURS}/namespaces/default/agentrollbacks"
    refused(syncer.post(path, body), "the syncer may not")
    assert not agent.point("old", syncer).ok
    assert not agent.point("old", syncer, annotations={ANNOTATION_EMERGENCY: "x"}).ok


def test_the_syncer_does_not_deliver_into_an_agents_namespace(agent: Agent, syncer: Api) -> None:
    body = changed(BASES["AgentDeployment"], "metadata.namespace", agent.home)
    answer = syncer.post(f"{OURS}/namespaces/{agent.home}/agentdeployments", body, dryRun="All")
    refused(answer, "the syncer may not")
