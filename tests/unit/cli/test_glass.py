"""`kubectl interlock break-glass` against a kubectl that answers from files."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from interlock.api import names
from interlock.cli import exits
from interlock.cli.kubectl import collection
from interlock.cli.plugin import interlock
from support.fakekubectl import FakeKubectl

HOME = names.agent_namespace("line-4", "press")
AGENTS = collection("agentdeployments", "line-4")
GLASS = collection("agentbreakglasses", "line-4")
OLD, NEW = "9f" * 32, "a7" * 32
SAID = ("--reason", "double bookings", "--ticket", "INC-4711")


def agent(candidate: str = NEW[:10]) -> dict[str, Any]:
    meta = {"name": "press", "namespace": "line-4", "creationTimestamp": "2026-11-08T12:00:00Z"}
    return {"metadata": meta, "spec": {}, "status": {"serving": OLD[:10], "candidate": candidate}}


def revision(digest: str, tag: str) -> dict[str, Any]:
    content = {"image": f"registry.example/press:{tag}@sha256:{'0' * 64}"}
    return {"spec": {"digest": digest, "content": content}}


@pytest.fixture
def kubectl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeKubectl:
    fake = FakeKubectl(tmp_path)
    monkeypatch.setenv("KUBECTL", str(fake.program))
    fake.get(f"{AGENTS}/press", agent())
    both = [revision(OLD, "1.4.1"), revision(NEW, "1.4.2\x1b[31m")]
    fake.get(collection("agentrevisions", HOME), {"items": both})
    meta = {"name": "press-x7", "resourceVersion": "41"}
    asked = {"metadata": meta, "spec": {"agent": "press", "requestedBy": "sre-1@line-4.example"}}
    fake.create(GLASS, asked)
    done = {
        "phase": "Committed",
        "message": "Done; recorded as press-17.",
        "transition": "press-17",
    }
    fake.watch(GLASS, asked | {"status": done})
    return fake


def call(*args: str) -> int:
    return exits.main(interlock, "kubectl interlock", ["break-glass", "press", *SAID, *args])


def test_it_asks_for_the_whole_digest_of_what_is_wanted(
    kubectl: FakeKubectl, capsys: pytest.CaptureFixture[str]
) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    assert call("--yes", "--for", "90m") == 0
    made = kubectl.created
    assert (made["kind"], made["apiVersion"]) == ("AgentBreakGlass", names.API_VERSION)
    expires = datetime.fromisoformat(made["spec"].pop("expires"))
    assert timedelta(minutes=90) <= expires - before < timedelta(minutes=92)
    assert made["spec"] == {
        "agent": "press",
        "digest": NEW,
        "reason": "double bookings",
        "ticket": "INC-4711",
    }
    said = capsys.readouterr().out
    assert "requested by sre-1@line-4.example" in said
    assert "kubectl interlock why press -n line-4" in said


def test_it_shows_what_goes_in_and_asks(
    kubectl: FakeKubectl, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda _: "n")
    assert call() == exits.REFUSED
    said = capsys.readouterr().err
    assert f"press: {OLD[:10]} → {NEW[:10]}" in said
    assert "1.4.1" in said
    assert "1.4.2\\u001b[31m" in said
    assert not [one for one in kubectl.calls if "create" in one]


@pytest.mark.parametrize(
    ("candidate", "args", "why"),
    [
        ("-", (), "wants nothing that does not serve already"),
        (NEW[:10], ("--digest", "0123456789"), f"wants {NEW[:10]}, not 0123456789"),
        (NEW[:10], ("--digest", NEW[:10] + "0" * 54), f"wants {NEW[:10]}, not {NEW[:10]}"),
        ("bb" * 5, (), "was not judged yet"),
    ],
    ids=["nothing", "another", "another-tail", "unknown"],
)
def test_what_is_not_clear_is_refused(
    kubectl: FakeKubectl,
    capsys: pytest.CaptureFixture[str],
    candidate: str,
    args: tuple[str, ...],
    why: str,
) -> None:
    kubectl.get(f"{AGENTS}/press", agent(candidate))
    assert call("--yes", *args) == exits.REFUSED
    assert why in capsys.readouterr().err
    assert not [one for one in kubectl.calls if "create" in one]


def test_a_whole_digest_is_enough_where_revisions_may_not_be_read(kubectl: FakeKubectl) -> None:
    forbidden = "Error from server (Forbidden): not yours"
    kubectl.get(collection("agentrevisions", HOME), forbidden)
    assert call("--yes", "--digest", NEW, "--no-wait") == 0
    assert kubectl.created["spec"]["digest"] == NEW


@pytest.mark.parametrize("text", ["4", "4d", "0h", "-1h", "1h30m", "1000000h"])
def test_a_duration_that_is_none_is_usage(
    kubectl: FakeKubectl, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    assert call("--yes", f"--for={text}") == exits.USAGE
    assert "expected minutes or hours, such as 30m or 4h" in capsys.readouterr().err


def test_a_ticket_is_asked_for(kubectl: FakeKubectl, capsys: pytest.CaptureFixture[str]) -> None:
    args = ["break-glass", "press", "--reason", "r", "--yes"]
    assert exits.main(interlock, "kubectl interlock", args) == exits.USAGE
    assert "--ticket" in capsys.readouterr().err
