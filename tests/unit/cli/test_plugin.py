"""`kubectl interlock` against a kubectl that answers from files: requests, waits, refusals."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from interlock.api import names
from interlock.cli import exits
from interlock.cli.kubectl import collection
from interlock.cli.plugin import COMMANDS, interlock
from support.fakekubectl import FakeKubectl

HOME = names.agent_namespace("line-4", "press")
AGENTS = collection("agentdeployments", "line-4")
ROLLBACKS = collection("agentrollbacks", "line-4")
RELEASES = collection("agentreleases", "line-4")
TRANSITIONS = collection("agenttransitions", HOME)
OLD, NEW = "9f3c51b6e0", "a71e0c93d2"


@pytest.fixture
def kubectl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeKubectl:
    fake = FakeKubectl(tmp_path)
    monkeypatch.setenv("KUBECTL", str(fake.program))
    fake.get(f"{AGENTS}/press", agent())
    return fake


def agent(**status: Any) -> dict[str, Any]:
    whole = {"serving": NEW, "ready": "True", "candidate": "-", "gate": "-", "reason": "Serving"}
    meta = {"name": "press", "namespace": "line-4", "creationTimestamp": "2026-11-08T12:00:00Z"}
    return {"metadata": meta, "spec": {}, "status": whole | status}


def request(phase: str = "", message: str = "", **spec: Any) -> dict[str, Any]:
    """The request as the API server stored it, judged if a phase is given."""
    meta = {"name": "press-x7", "namespace": "line-4", "resourceVersion": "41"}
    whole = {"agent": "press", "reason": "r", "requestedBy": "sre-1@line-4.example"} | spec
    body: dict[str, Any] = {"kind": "AgentRollback", "metadata": meta, "spec": whole}
    if phase:
        body["status"] = {"phase": phase, "message": message, "transition": "press-17"}
    return body


def transition() -> dict[str, Any]:
    return {
        "metadata": {"name": "press-17", "resourceVersion": "42"},
        "spec": {
            "number": 17,
            "type": "Rollback",
            "from": f"press-{NEW}",
            "to": f"press-{OLD}",
            "at": "2999-01-01T00:00:00.006Z",
            "reason": "Requested",
            "message": "rejects up",
            "requestedBy": "sre-1@line-4.example",
        },
        "status": {"end": {"outcome": "Committed", "at": "2999-01-01T00:00:00.014Z"}},
    }


def call(*args: str) -> int:
    return exits.main(interlock, "kubectl interlock", list(args))


def rollback(kubectl: FakeKubectl, *args: str, answer: dict[str, Any] | None = None) -> int:
    kubectl.create(ROLLBACKS, request(expect=NEW))
    kubectl.watch(ROLLBACKS, request(expect=NEW), answer or request("Committed", expect=NEW))
    kubectl.get(f"{TRANSITIONS}/press-17", transition())
    return call("rollback", "press", "--reason", "rejects up", *args)


def test_a_rollback_expects_what_serves_and_shows_when_traffic_moved(
    kubectl: FakeKubectl, capsys: pytest.CaptureFixture[str]
) -> None:
    assert rollback(kubectl) == 0
    assert kubectl.created["spec"] == {"agent": "press", "expect": NEW, "reason": "rejects up"}
    assert kubectl.created["metadata"] == {"generateName": "press-"}
    said = capsys.readouterr().out.splitlines()
    assert said[0] == f"press: {NEW} → {OLD}"
    assert said[1] == f"    0 ms requested by sre-1@line-4.example, expecting {NEW}"
    assert said[2].endswith("ms recorded (transition press-17)")
    assert said[3].endswith("ms traffic moved")
    assert "kubectl interlock release press -n line-4" in said[4]


def test_the_two_records_of_a_clock_are_never_compared_with_another_that_is_ahead(
    kubectl: FakeKubectl, capsys: pytest.CaptureFixture[str]
) -> None:
    early = transition()
    early["spec"]["at"] = "2000-01-01T00:00:00.006Z"
    early["status"]["end"]["at"] = "2000-01-01T00:00:00.014Z"
    rollback(kubectl)
    capsys.readouterr()
    kubectl.get(f"{TRANSITIONS}/press-17", early)
    assert call("rollback", "press", "--reason", "r") == 0
    said = capsys.readouterr().out.splitlines()
    assert said[2:4] == ["    0 ms recorded (transition press-17)", "    8 ms traffic moved"]


def test_what_was_asked_for_goes_into_the_request(kubectl: FakeKubectl) -> None:
    rollback(kubectl, "--to", "0123456789", "--expect", "ab" * 32, "--cut")
    assert kubectl.created["spec"] == {
        "agent": "press",
        "expect": "ab" * 32,
        "reason": "rejects up",
        "to": "0123456789",
        "cut": True,
    }


def test_a_refusal_is_the_controllers_sentence_and_exit_1(
    kubectl: FakeKubectl, capsys: pytest.CaptureFixture[str]
) -> None:
    sentence = f"Refused: {OLD} serves, the request expected {NEW}."
    assert rollback(kubectl, answer=request("Refused", sentence)) == 1
    assert sentence in capsys.readouterr().err


def test_no_answer_is_an_error_that_says_what_to_look_at(
    kubectl: FakeKubectl, capsys: pytest.CaptureFixture[str]
) -> None:
    assert rollback(kubectl, answer=request()) == 3
    assert "kubectl get pods -n interlock-system" in capsys.readouterr().err


def test_a_record_that_the_user_may_not_read_leaves_the_controllers_word(
    kubectl: FakeKubectl, capsys: pytest.CaptureFixture[str]
) -> None:
    rollback(kubectl)
    capsys.readouterr()
    kubectl.get(f"{TRANSITIONS}/press-17", "Error from server (Forbidden): not yours")
    kubectl.watch(ROLLBACKS, request("Committed", "Done; recorded as press-17.", expect=NEW))
    assert call("rollback", "press", "--reason", "r") == 0
    assert "Done; recorded as press-17." in capsys.readouterr().out


def test_what_the_api_server_forbids_is_exit_1(
    kubectl: FakeKubectl, capsys: pytest.CaptureFixture[str]
) -> None:
    kubectl.create(ROLLBACKS, "Error from server (Forbidden): sre-2 cannot create\x07\u202e")
    assert call("rollback", "press", "--reason", "r") == 1
    said = capsys.readouterr().err
    assert "sre-2 cannot create" in said
    assert "cannot create\\u0007\\u202e" in said


def test_a_cluster_that_is_away_is_exit_3(kubectl: FakeKubectl) -> None:
    kubectl.get(f"{AGENTS}/press", "Error: dial tcp 127.0.0.1:1: connect: connection refused")
    assert call("why", "press") == 3


def test_no_kubectl_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KUBECTL", "/nonexistent/kubectl")
    assert call("why", "press", "-n", "line-4") == 3
    assert "kubectl was not found" in capsys.readouterr().err


def test_a_release_means_the_only_requested_hold(kubectl: FakeKubectl) -> None:
    held = {"digest": "ab" * 32, "cause": "requested"}
    failed = {"digest": "cd" * 32, "cause": "failed"}
    kubectl.get(f"{AGENTS}/press", agent(holds=[failed, held]))
    kubectl.create(RELEASES, request())
    assert call("release", "press", "--reason", "r", "--no-wait") == 0
    assert kubectl.created["kind"] == "AgentRelease"
    assert kubectl.created["spec"]["digest"] == "ab" * 32


def test_several_holds_must_be_told_apart(
    kubectl: FakeKubectl, capsys: pytest.CaptureFixture[str]
) -> None:
    holds = [{"digest": mark * 32, "cause": "requested"} for mark in ("ab", "cd")]
    kubectl.get(f"{AGENTS}/press", agent(holds=holds))
    assert call("release", "press", "--reason", "r") == 1
    assert "2 holds (ababababab, cdcdcdcdcd). Name one with --digest." in capsys.readouterr().err


def test_a_restore_asks_for_the_quarantine(kubectl: FakeKubectl) -> None:
    kubectl.create(RELEASES, request())
    assert call("restore", "press", "--reason", "r", "--no-wait") == 0
    assert kubectl.created["spec"] == {"agent": "press", "quarantine": True, "reason": "r"}


def test_the_history_lists_records_by_number(
    kubectl: FakeKubectl, capsys: pytest.CaptureFixture[str]
) -> None:
    second = transition()
    second["spec"] |= {"number": 9, "type": "Promotion", "requestedBy": ""}
    kubectl.get(TRANSITIONS, {"items": [transition(), second]})
    assert call("history", "press") == 0
    said = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in said] == ["#", "9", "17"]
    assert said[2].split()[2:5] == ["Rollback", NEW, OLD]
    assert "sre-1@line-4.example" in said[2]


def test_get_prints_the_columns_of_kubectl(
    kubectl: FakeKubectl, capsys: pytest.CaptureFixture[str]
) -> None:
    kubectl.get(AGENTS, {"items": [agent(rollback="warm")]})
    assert call("get") == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].split() == [
        *("NAME", "READY", "SERVING", "CANDIDATE", "GATE", "REASON", "ROLLBACK", "BREAKGLASS"),
        "AGE",
    ]
    assert said[1].split()[:4] == ["press", "True", NEW, "-"]


def test_json_is_json(kubectl: FakeKubectl, capsys: pytest.CaptureFixture[str]) -> None:
    for args in (("why", "press"), ("history", "press")):
        assert call(*args, "-o", "json") == 0
        assert isinstance(json.loads(capsys.readouterr().out), dict)


def test_an_agent_that_is_not_there_is_exit_1(kubectl: FakeKubectl) -> None:
    assert call("why", "nobody") == 1


def test_the_flags_of_kubectl_are_passed_on(kubectl: FakeKubectl) -> None:
    call("why", "press", "--kubeconfig", "/tmp/kc", "--context", "factory", "-n", "line-4")
    assert all(args[:2] == ["--kubeconfig=/tmp/kc", "--context=factory"] for args in kubectl.calls)


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (("get",), "agentdeployment.interlock.dev/press"),
        (("why", "press"), "agentdeployment.interlock.dev/press"),
        (("history", "press"), "agenttransition.interlock.dev/press-17"),
    ],
)
def test_names_are_those_of_kubectl(
    kubectl: FakeKubectl, capsys: pytest.CaptureFixture[str], args: tuple[str, ...], expected: str
) -> None:
    kubectl.get(AGENTS, {"items": [agent()]})
    kubectl.get(TRANSITIONS, {"items": [transition()]})
    assert call(*args, "-o", "name") == 0
    assert capsys.readouterr().out == f"{expected}\n"


def test_a_rollback_by_a_script_prints_the_request(
    kubectl: FakeKubectl, capsys: pytest.CaptureFixture[str]
) -> None:
    assert rollback(kubectl, "-o", "name") == 0
    assert capsys.readouterr().out == "agentrollback.interlock.dev/press-x7\n"
    assert rollback(kubectl, "-o", "yaml") == 0
    assert yaml.safe_load(capsys.readouterr().out)["status"]["phase"] == "Committed"


def test_a_freeze_is_lifted_by_name(kubectl: FakeKubectl) -> None:
    kubectl.create(RELEASES, request())
    assert call("release", "press", "--frozen", "--reason", "r", "--no-wait") == 0
    assert kubectl.created["spec"] == {"agent": "press", "frozen": True, "reason": "r"}
    assert call("release", "press", "--frozen", "--digest", "ab", "--reason", "r") == 2


def test_an_answer_that_was_not_seen_is_told_from_one_that_was_not_given(
    kubectl: FakeKubectl, capsys: pytest.CaptureFixture[str]
) -> None:
    kubectl.create(ROLLBACKS, request(expect=NEW))
    kubectl.break_watch(ROLLBACKS, "error: unexpected EOF")
    assert call("rollback", "press", "--reason", "r") == 3
    said = capsys.readouterr().err
    assert "AgentRollback press-x7 was created, its answer was not seen" in said
    assert "kubectl get agentrollback press-x7 -n line-4" in said


def test_the_last_endpoint_that_left_is_told(
    kubectl: FakeKubectl, capsys: pytest.CaptureFixture[str]
) -> None:
    slices = f"/apis/discovery.k8s.io/v1/namespaces/{HOME}/endpointslices"

    def piece(*pods: str) -> dict[str, Any]:
        endpoints = [{"targetRef": {"name": pod}} for pod in pods]
        return {"metadata": {"name": "agent-x"}, "endpoints": endpoints}

    kubectl.watch(slices, piece(f"press-{NEW}-a"), piece(f"press-{OLD}-b"))
    assert rollback(kubectl) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[4].endswith(
        f" ms last endpoint of {NEW} gone from the Service; open connections drain for 30 s"
    )


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_helps_with_an_example(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(name, "--help") == 0
    said = capsys.readouterr().out
    assert "Example:\n" in said
    assert f"kubectl interlock {name}" in said
    assert COMMANDS[name].summary.endswith(".")
