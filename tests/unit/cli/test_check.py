"""`interlock check` judges with the controller's code, on what the world and the cluster say."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from interlock.api import names
from interlock.api.facts import Findings, Unresolved
from interlock.cli import check, exits
from interlock.cli.kubectl import collection
from support import facts, policies
from support.approver import Desk, desk
from support.fakekubectl import FakeKubectl

HOME = names.agent_namespace(policies.NAMESPACE, facts.NAME)
OLD = facts.subject(port=9090)
SIGNED = {"keyId": "k", "signature": "s"}
AGENT = {"namespace": policies.NAMESPACE, "name": facts.NAME, "uid": "u"}


def soon(**delta: float) -> str:
    return facts.at(datetime.now(UTC).isoformat(), **delta)


def findings(**changes: Any) -> Findings:
    """What the verifier would find now of the good case."""
    scan = facts.scan(
        **{"database": soon(hours=-2), "started": soon(hours=-2), "finished": soon(hours=-1)}
    )
    signed = [facts.model_signature(), facts.image_signature(), facts.scan_evidence(scan=scan)]
    times = {"not_before": soon(hours=-1), "not_after": soon(hours=1)}
    whole: dict[str, Any] = {
        "pins": facts.pins(),
        "evidence": signed,
        "approvals": [facts.quality(**times), facts.safety(**times)],
        "change": facts.change(),
    }
    return Findings.model_validate(whole | changes)


class World:
    """Stands in for the evidence: registries and git are tested elsewhere."""

    def __init__(self) -> None:
        self.answer: Findings | Unresolved = findings()
        self.asked: list[Any] = []

    def __call__(self, config: object) -> "World":
        return self

    async def findings(self, request: Any) -> Findings | Unresolved:
        """Answer, and remember what was asked."""
        self.asked.append(request)
        return self.answer

    async def close(self) -> None:
        """Nothing is open."""


@pytest.fixture
def team(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    return desk(tmp_path, monkeypatch)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    made = World()
    monkeypatch.setattr(check, "Gatherer", made)
    return made


@pytest.fixture
def kubectl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeKubectl:
    fake = FakeKubectl(tmp_path)
    monkeypatch.setenv("KUBECTL", str(fake.program))
    return fake


def call(team: Desk, *args: str) -> int:
    config = ["--config", str(team.home / "config.yaml")]
    return exits.main(check.check, "interlock check", [str(team.file), *config, *args])


def test_all_gates_pass(team: Desk, world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(team, "--serving", "none") == 0
    said = capsys.readouterr().out
    assert "  pass   change-approval        2 of 2" in said
    assert "Allowed." in said


def test_missing_approvals_alone_are_exit_0(team: Desk, world: World) -> None:
    world.answer = findings(approvals=[])
    assert call(team, "--serving", "none") == 0
    assert call(team, "--serving", "none", "--require-approval") == 1


def test_a_failed_gate_is_exit_1(
    team: Desk, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.answer = findings(evidence=[], approvals=[])
    assert call(team, "--serving", "none") == 1
    assert "FAIL   model-signature" in capsys.readouterr().out


def test_a_source_that_cannot_be_asked_is_exit_3(team: Desk, world: World) -> None:
    world.answer = Unresolved(reason="SourceUnavailable", message="MLflow is away")
    assert call(team, "--serving", "none") == 3


def test_what_is_not_granted_is_not_fetched(team: Desk, world: World) -> None:
    team.commit(facts.spec(image=f"elsewhere.example/x/y@sha256:{facts.IMAGE}"))
    assert call(team, "--serving", "none") == 1
    assert world.asked == []


def test_approvals_of_another_predecessor_do_not_count(team: Desk, world: World) -> None:
    assert call(team, "--serving", "ab" * 32, "--require-approval") == 1


def test_what_serves_already_needs_no_approval(
    team: Desk, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.answer = findings(approvals=[])
    assert call(team, "--serving", facts.CONTENT, "--require-approval") == 0
    assert "It serves already; nothing would move." in capsys.readouterr().out


@pytest.mark.parametrize("said", ["nothing", "ab", "sha256:xyz"])
def test_serving_is_none_or_a_digest(team: Desk, world: World, said: str) -> None:
    assert call(team, "--serving", said) == 2


def test_without_a_cluster_serving_must_be_given(
    team: Desk, world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KUBECTL", "/nonexistent/kubectl")
    assert call(team) == 2
    assert "Give --serving none or a digest" in capsys.readouterr().err


def test_an_agent_that_is_new_to_the_cluster_serves_nothing(
    team: Desk, world: World, kubectl: FakeKubectl
) -> None:
    assert call(team) == 0


def test_what_serves_is_read_from_the_records(
    team: Desk, world: World, kubectl: FakeKubectl, capsys: pytest.CaptureFixture[str]
) -> None:
    """The approvals of the good case name `none` as predecessor; here something serves."""
    serve_old(kubectl)
    assert call(team, "-o", "json") == 0
    said = json.loads(capsys.readouterr().out)
    assert said["serving"] == OLD.digest
    assert said["verdict"] == "Waiting"
    assert world.asked[0].since == "d0" * 20


def test_a_behaviour_that_is_held_does_not_pass(
    team: Desk, world: World, kubectl: FakeKubectl, capsys: pytest.CaptureFixture[str]
) -> None:
    serve_old(kubectl, held=facts.BEHAVIOUR)
    assert call(team) == 1
    assert "kubectl interlock release" in capsys.readouterr().out


def test_a_change_that_is_not_pushed_is_judged_as_if_it_were(team: Desk, world: World) -> None:
    """Whose hands were on it is then read from the clone; the author still does not count."""
    world.answer = findings(change=None)
    assert call(team, "--serving", "none", "--require-approval") == 0
    author = f"--author=quality-1 <{policies.email('quality-1')}>"
    team.git("-c", "user.name=d", "-c", "user.email=d", "commit", "--amend", author, "-m", "x")
    assert call(team, "--serving", "none", "--require-approval") == 1


def test_a_config_map_that_is_not_delivered_yet_is_read_beside_the_file(
    team: Desk, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    rules = [{"name": "limits", "configMap": "limits", "digest": f"sha256:{'00' * 32}"}]
    team.commit(facts.spec(policies=rules))
    assert call(team, "--serving", "none") == 1
    assert "not there" in capsys.readouterr().out
    body = '{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "limits"}}'
    (team.file.parent / "limits.yaml").write_text(body)
    assert call(team, "--serving", "none") == 1
    assert "not there" not in capsys.readouterr().out


def serve_old(kubectl: FakeKubectl, held: str = "") -> None:
    """The cluster's records: OLD serves; a behaviour may be held by request."""
    old = names.revision_name(facts.NAME, OLD.digest)
    about = {"agent": AGENT, "digest": OLD.digest, "behaviour": OLD.behaviour} | SIGNED
    revision = about | {"content": OLD.spec, "renderer": "v1", "objects": []}
    decided = {"change": {"commit": "d0" * 20}}
    decision = about | {"revision": old, "number": 1, "facts": json.dumps(decided)}
    moved = about | {"number": 1, "type": "Promotion", "to": old, "reason": "Promoted"}
    moved |= {"at": "2026-11-19T12:00:00Z", "decision": f"{old}-1", "from": "none"}
    items = [item(f"{facts.NAME}-1", moved)]
    if held:
        fall = about | {"number": 2, "type": "Release", "behaviour": held, "cause": "requested"}
        fall |= {"reason": "Requested", "at": "2026-11-19T13:00:00Z"}
        items.append(item(f"{facts.NAME}-2", fall))
    kubectl.get(collection("agentrevisions", HOME), {"items": [item(old, revision)]})
    kubectl.get(collection("gatedecisions", HOME), {"items": [item(f"{old}-1", decision)]})
    kubectl.get(collection("agenttransitions", HOME), {"items": items})


def item(name: str, spec: dict[str, Any]) -> dict[str, Any]:
    """An object of a list, ended where it is a transition."""
    meta = {"name": name, "namespace": HOME, "uid": name, "resourceVersion": "1"}
    meta["creationTimestamp"] = "2026-11-19T12:00:00Z"
    end = {"outcome": "Committed", "at": "2026-11-19T12:00:01Z", "signature": "s"}
    return {"metadata": meta, "spec": spec, "status": {"end": end}}
