"""Records are the controller's, statuses have one writer, requests carry the asker's real name."""

import pytest

from interlock.api.kinds import KINDS
from support import agents
from support.agents import Agent
from support.documents import BASES, TIME, Object, changed
from support.kube import ADMISSION, OURS, Answer, Api, switched_off, until

PLURAL = {kind.__name__: kind.plural for kind in KINDS}
RECORDS = ("AgentRevision", "GateDecision", "AgentTransition")
REQUESTS = ("AgentRollback", "AgentQuarantine", "AgentRelease")
WITH_STATUS = (
    *("AgentDeployment", *REQUESTS, "AgentBreakGlass"),
    *("AgentRepository", "Governance", "AgentTransition"),
)
SRE = "sre@line-4.example"


@pytest.fixture(scope="module")
def agent(admin: Api, controller: Api) -> Agent:
    made = agents.make("records", admin, controller)
    for kind in RECORDS:
        assert controller.post(path(kind, made.home), document(kind, made.home)).ok
    return made


@pytest.fixture(scope="module")
def sre(admin: Api) -> Api:
    """Who may ask in the namespace `default`, by the role `interlock-sre`."""
    rbac = "rbac.authorization.k8s.io"
    body = {
        "apiVersion": f"{rbac}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "sre"},
        "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": "interlock-sre"},
        "subjects": [{"kind": "User", "name": SRE, "apiGroup": rbac}],
    }
    answer = admin.post(f"/apis/{rbac}/v1/namespaces/default/rolebindings", body)
    assert answer.ok or answer.code == 409, answer.message
    api = admin.named(SRE)
    until(lambda: api.get(path("AgentRollback", "default")).ok, "the role in force")
    ask = changed(BASES["AgentRollback"], "metadata.name", "try")
    until(
        lambda: api.post(path("AgentRollback", "default"), ask, dryRun="All").ok, "the role whole"
    )
    return api


def path(kind: str, namespace: str, name: str = "") -> str:
    middle = "" if kind == "Governance" else f"/namespaces/{namespace}"
    return f"{OURS}{middle}/{PLURAL[kind]}" + (f"/{name}" if name else "")


def document(kind: str, namespace: str) -> Object:
    if kind == "Governance":
        return BASES[kind]
    return changed(BASES[kind], "metadata.namespace", namespace)


def refused(answer: Answer, why: str) -> None:
    assert answer.code in (403, 422), answer.body
    assert why in answer.message


ALONE = "are written by Interlock alone"


@pytest.mark.parametrize("kind", [*RECORDS, "AgentAdmission"])
@pytest.mark.parametrize("where", ["in the agent's namespace", "elsewhere"])
def test_a_record_is_not_forged(agent: Agent, kind: str, where: str) -> None:
    home = agent.home if where.startswith("in") else "default"
    forged = document(kind, home)
    if kind != "AgentAdmission":
        forged = changed(forged, "metadata.name", "forged")
    refused(agent.admin.post(path(kind, home), forged), ALONE)


def test_a_record_is_not_forged_by_the_syncer(agent: Agent, syncer: Api) -> None:
    forged = changed(document("GateDecision", agent.home), "metadata.name", "forged")
    assert syncer.post(path("GateDecision", agent.home), forged).code == 403


@pytest.mark.parametrize("kind", [*RECORDS, "AgentAdmission"])
def test_a_record_is_not_removed_or_touched(agent: Agent, kind: str) -> None:
    one = path(kind, agent.home, BASES[kind]["metadata"]["name"])
    refused(agent.admin.delete(one), ALONE)
    refused(agent.admin.delete(path(kind, agent.home)), ALONE)
    refused(agent.admin.patch(one, {"metadata": {"labels": {"a": "b"}}}), ALONE)


def test_nobody_admits_a_pod_of_their_own(agent: Agent) -> None:
    patch = {"spec": {"quarantined": False, "revisions": []}}
    refused(agent.admin.patch(path("AgentAdmission", agent.home, "current"), patch), ALONE)


def test_the_controller_does_not_rewrite_a_record_either(agent: Agent) -> None:
    """As many keys as before, but others: the schema's own rule overlooks that in a raw field."""
    one = path("AgentRevision", agent.home, BASES["AgentRevision"]["metadata"]["name"])
    patch = {"spec": {"objects": [{"evil": "x", "worse": {}}]}}
    refused(agent.controller.patch(one, patch), "a record never changes once created")


def test_the_controller_retires_records(agent: Agent) -> None:
    another = changed(document("GateDecision", agent.home), "metadata.name", "press-2")
    assert agent.controller.post(path("GateDecision", agent.home), another).ok
    assert agent.controller.delete(path("GateDecision", agent.home, "press-2")).ok


# --- statuses


@pytest.mark.parametrize("kind", WITH_STATUS)
def test_a_status_has_one_writer(agent: Agent, syncer: Api, kind: str) -> None:
    home = agent.home if kind == "AgentTransition" else "default"
    body = document(kind, home)
    name = body["metadata"]["name"]
    writer = agent.controller if kind in ("AgentTransition", "Governance") else agent.admin
    assert writer.post(path(kind, home), body).code in (201, 409)
    status = path(kind, home, name) + "/status"
    patch: Object = {"status": {"reason": "x"}}
    if kind in REQUESTS or kind == "AgentBreakGlass":
        patch = {"status": {"phase": "Refused"}}
    elif kind == "AgentTransition":
        patch = {"status": {"healthy": {"at": TIME, "signature": "c2ln"}}}
    refused(agent.admin.patch(status, patch), "is written by Interlock alone")
    owner, other = agent.controller, syncer
    if kind == "AgentRepository":
        owner, other = other, owner
    assert not other.patch(status, patch).ok
    answer = owner.patch(status, patch)
    assert answer.ok, answer.message


# --- requests


@pytest.mark.parametrize("kind", REQUESTS)
@pytest.mark.parametrize("said", ["nothing", "somebody else", "the controller"])
def test_a_request_carries_the_name_of_who_asked(sre: Api, kind: str, said: str) -> None:
    body = changed(BASES[kind], "metadata.name", f"asked-{len(said)}")
    if said != "nothing":
        body = changed(body, "spec.requestedBy", said)
    answer = sre.post(path(kind, "default"), body)
    assert answer.ok or answer.code == 409, answer.message
    stored = sre.get(path(kind, "default", body["metadata"]["name"])).body
    assert stored["spec"]["requestedBy"] == SRE


def test_a_request_is_not_signed_over_to_somebody_else(sre: Api, admin: Api) -> None:
    body = changed(BASES["AgentRollback"], "metadata.name", "mine")
    assert sre.post(path("AgentRollback", "default"), body).code in (201, 409)
    one = path("AgentRollback", "default", "mine")
    assert admin.patch(one, {"spec": {"requestedBy": "mallory"}}).code == 422
    assert sre.patch(one, {"spec": {"requestedBy": "mallory"}}).code == 403


def test_without_the_stamp_a_forged_name_is_refused(admin: Api) -> None:
    """The second policy stands by itself: also when somebody switched the first one off."""
    forged = changed(BASES["AgentQuarantine"], "spec.requestedBy", "mallory")
    forged = changed(forged, "metadata.name", "forged")

    def ask() -> Answer:
        return admin.post(path("AgentQuarantine", "default"), forged, dryRun="All")

    with switched_off(admin, f"{ADMISSION}/mutatingadmissionpolicybindings/interlock-requests"):
        until(lambda: not ask().ok, "the forgery refused")
        refused(ask(), "spec.requestedBy is mallory, expected sandbox-admin, who sends this")
    until(lambda: ask().ok, "the stamp back in force")
