"""The API server and the models accept and refuse the same documents."""

import pytest
from pydantic import ValidationError

from interlock.api.kinds import KINDS, Kind
from interlock.render.namespace import namespace_objects
from support import agents
from support.documents import BASES, CASES, HEX, TIME, Case, Object, changed
from support.kube import OURS, Answer, Api

BY_NAME: dict[str, type[Kind]] = {kind.__name__: kind for kind in KINDS}
RECORDS = ("AgentRevision", "GateDecision", "AgentTransition", "AgentAdmission")
END = {"outcome": "Committed", "at": TIME, "signature": "c2ln"}


class Place:
    """Where a kind is written and by whom: records by the controller, in an agent's namespace."""

    def __init__(self, admin: Api, controller: Api) -> None:
        self.admin, self.controller = admin, controller
        body = namespace_objects("crds", "records", "uid")[0]
        assert controller.post(agents.collection(body), body).ok
        self.home = body["metadata"]["name"]
        self.team = "crd-documents"
        team = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.team}}
        assert admin.post("/api/v1/namespaces", team).ok

    def of(self, kind: str) -> tuple[Api, str, str]:
        """Identity, namespace and path of the collection."""
        cls = BY_NAME[kind]
        if cls.cluster_scoped:
            return self.admin, "", f"{OURS}/{cls.plural}"
        api, namespace = (
            (self.controller, self.home) if kind in RECORDS else (self.admin, self.team)
        )
        return api, namespace, f"{OURS}/namespaces/{namespace}/{cls.plural}"

    def post(self, kind: str, document: Object, **query: str) -> Answer:
        """Create a document of a kind, strictly."""
        api, namespace, path = self.of(kind)
        if namespace:
            document = changed(document, "metadata.namespace", namespace)
        return api.post(path, document, fieldValidation="Strict", **query)

    def patch(self, kind: str, patch: Object, subresource: str = "") -> Answer:
        """Change the document of a kind that was created."""
        api, _, path = self.of(kind)
        name = BASES[kind]["metadata"]["name"]
        return api.patch(f"{path}/{name}{subresource}", patch)


@pytest.fixture(scope="module")
def place(admin: Api, controller: Api) -> Place:
    return Place(admin, controller)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_model_and_server_agree(case: Case, place: Place) -> None:
    document = case.document()
    answer = place.post(case.kind, document, dryRun="All")
    # The name is looked up last: whatever exists already was found to be valid.
    accepted = answer.ok or answer.body.get("reason") == "AlreadyExists"
    try:
        BY_NAME[case.kind].parse(document)
        parsed, complaint = True, ""
    except ValidationError as error:
        parsed, complaint = False, str(error)
    assert (accepted, parsed) == (case.good, case.good), f"{answer.message}\n{complaint}"


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        ("AgentRollback", "reason", "another"),
        ("AgentQuarantine", "agent", "another"),
        ("AgentRelease", "digest", HEX),
        ("AgentBreakGlass", "expires", TIME),
        ("AgentRevision", "renderer", "2"),
        ("GateDecision", "verdict", "Blocked"),
        ("GateDecision", "facts", "{ }"),
        ("AgentTransition", "to", "press-1"),
    ],
)
def test_what_is_asked_or_recorded_never_changes(
    kind: str, field: str, value: str, place: Place
) -> None:
    place.post(kind, BASES[kind])  # of another row, it may be there already
    answer = place.patch(kind, {"spec": {field: value}})
    assert answer.code == 422
    assert "never changes" in answer.message


def test_raw_fields_do_not_change_either_though_the_schema_cannot_see_into_them(
    place: Place,
) -> None:
    place.post("AgentRevision", BASES["AgentRevision"])
    for patch in ({"content": {"image": "evil"}}, {"objects": [{"evil": "x", "worse": {}}]}):
        answer = place.patch("AgentRevision", {"spec": patch})
        assert not answer.ok
        assert "never changes" in answer.message


def test_the_end_of_a_transition_is_written_once(place: Place) -> None:
    place.post("AgentTransition", BASES["AgentTransition"])
    for patch in ({"end": END}, {"healthy": {"at": TIME, "signature": "c2ln"}}):
        assert place.patch("AgentTransition", {"status": patch}, "/status").ok
    rewritten = {"end": {**END, "outcome": "Failed"}}
    for status in (rewritten, {"end": None}, None, {"healthy": None}):
        answer = place.patch("AgentTransition", {"status": status}, "/status")
        assert answer.code == 422
        assert "is written once" in answer.message


def test_a_status_does_not_come_in_with_the_spec(place: Place) -> None:
    forged = {**BASES["AgentRollback"], "status": {"phase": "Committed"}}
    answer = place.post("AgentRollback", changed(forged, "metadata.name", "forged"))
    assert answer.ok
    assert "status" not in answer.body


def test_the_server_fills_nothing_in_that_a_digest_would_see(place: Place) -> None:
    sent = BASES["AgentDeployment"]
    assert place.post("AgentDeployment", sent, dryRun="All").body["spec"] == sent["spec"]


def test_kubectl_finds_everything_under_one_word(admin: Api) -> None:
    found = admin.get(OURS).body["resources"]
    listed = {entry["kind"] for entry in found if "agents" in entry.get("categories", ())}
    assert listed == BY_NAME.keys()
