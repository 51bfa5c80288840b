"""Whatever one team feeds Interlock, its agent says what and where, and nobody else notices (I13).

All processes are real. Beside each bad input a healthy neighbour serves, and gets a new content.
"""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import socket
from typing import Any

import pytest
import yaml

from interlock_sandbox.images import push_blob, push_manifest
from interlock_sandbox.sandbox import Sandbox
from support.whole import BAD, GOOD, HANGING, NEIGHBOUR, PARTS, Object, Whole, agent, condition

BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
MANY = 20
"""Agents whose git server hangs: more than there are workers and jobs to wait for it."""
PINNED = f"sha256:{'a' * 64}"


class LoginPage(BaseHTTPRequestHandler):
    """What a proxy answers in MLflow's place."""

    def do_GET(self) -> None:
        body = b"<!doctype html><title>Please log in</title>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def dead() -> Iterator[str]:
    """An address where nobody listens and nobody else can."""
    with socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"


@pytest.fixture(scope="module")
def html() -> Iterator[str]:
    """An address that answers everything with a login page."""
    with ThreadingHTTPServer(("127.0.0.1", 0), LoginPage) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def whole(dead: str, html: str) -> Iterator[Whole]:
    """Interlock with a healthy agent, and a team whose git server hangs from the start."""
    with Sandbox(PARTS) as sandbox:
        whole = Whole(sandbox, {"dead": dead, "html": html})
        try:
            whole.set_up()
            whole.deliver(HANGING, whole.hanging["agents"])
            for number in range(MANY):
                whole.apply(f"waits-{number}", whole.spec("waits"), team=HANGING)
            yield whole
        finally:
            whole.stop()


def modelled(whole: Whole, registry: str) -> Object:
    """A spec whose model lies in a registry of that name."""
    model = {"registry": registry, "name": "press", "version": "1", "tree": PINNED}
    return whole.spec(registry, model=model)


def text(name: str, spec: Object) -> str:
    """The file of an agent."""
    return yaml.safe_dump(agent(name, spec), sort_keys=False)


def stalled(whole: Whole, name: str, reason: str, team: str = BAD) -> str:
    """Wait until an agent is stalled for a reason, and return what it says in `kubectl get`."""
    status = whole.until(team, name, lambda s: condition(s, "Stalled").get("reason") == reason)
    assert (status["gate"], status["ready"]) == ("Error", "False")
    assert condition(status, "Stalled")["message"].startswith(status["reason"])
    return str(status["reason"])


def test_malformed_yaml_names_file_and_line_and_the_rest_is_delivered(whole: Whole) -> None:
    before = whole.roll_out("press")
    good = whole.files["agents/press.yaml"]
    commit = whole.push(press=good + b"  tools: [never closed\n")
    line = good.count(b"\n") + 1
    status = whole.delivery(GOOD, lambda s: s.get("commit") == commit)
    (refused,) = status["refused"]
    assert refused["path"] == "agents/press.yaml"
    assert "this is not YAML" in refused["message"]
    assert f"from line {line} on" in refused["message"]
    assert status["reason"].startswith(f"agents/press.yaml: {refused['message']}")
    whole.unaffected()
    assert whole.seen(GOOD, "press")["serving"] == before
    whole.push(press=good)
    whole.delivery(GOOD, lambda s: s.get("ready") == "True")


def test_unknown_fields_are_named_with_their_line_and_nothing_of_the_file_is_applied(
    whole: Whole,
) -> None:
    rollout = {"bake": "1s", "brake": "on"}
    lines = text("typo", whole.spec("typo", replica=3, rollout=rollout)).splitlines()
    commit = whole.push(typo="\n".join(lines).encode())
    status = whole.delivery(GOOD, lambda s: s.get("commit") == commit)
    (refused,) = status["refused"]
    assert refused["path"] == "agents/typo.yaml"
    for field in ("replica", "rollout.brake"):
        where = 1 + next(n for n, line in enumerate(lines) if f"{field.split('.')[-1]}:" in line)
        assert f"line {where}: spec.{field}: no such field" in refused["message"]
    assert status["reason"].startswith("agents/typo.yaml: line ")
    whole.unaffected()
    assert whole.api.get(whole.path(GOOD, "typo")).code == 404
    del whole.files["agents/typo.yaml"]
    whole.push()
    whole.delivery(GOOD, lambda s: s.get("ready") == "True")


def test_an_mlflow_that_cannot_be_reached_is_named_with_its_address(
    whole: Whole, dead: str
) -> None:
    whole.apply("unreachable", modelled(whole, "dead"))
    said = stalled(whole, "unreachable", "SourceUnavailable")
    assert f"MLflow registry 'dead': {dead}/api/2.0/mlflow/model-versions/get" in said
    assert "cannot be read" in said
    whole.unaffected()


def test_an_mlflow_that_answers_html_is_named_with_what_it_answered(
    whole: Whole, html: str
) -> None:
    whole.apply("login-page", modelled(whole, "html"))
    said = stalled(whole, "login-page", "SourceUnavailable")
    assert f"MLflow registry 'html': {html}/api/2.0/mlflow/model-versions/get" in said
    assert "answered text/html" in said
    assert "where JSON was expected" in said
    whole.unaffected()


def test_a_bundle_of_100_mb_is_not_read_and_is_named_with_its_place(whole: Whole) -> None:
    registry, repository = whole.outputs["registry"], "agents/big"
    image = push_manifest(registry, repository, manifest(registry, repository, b"{}"))
    bundle = push_manifest(registry, repository, manifest(registry, repository, bytes(100 << 20)))
    entry = {"mediaType": MANIFEST, "digest": bundle, "size": 1, "artifactType": BUNDLE}
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]}
    push_manifest(registry, repository, index, image.replace(":", "-"))
    before = whole.peak("verifier")
    spec = whole.spec("big", image=f"{registry}/{repository}@{image}", riskTier="medium")
    whole.apply("big", spec)
    status = whole.until(BAD, "big", lambda s: s.get("gate") == "Blocked")
    assert status["reason"].startswith("image-signature: no bundle proves")
    where = f"oci:{registry}/{repository}@{bundle}"
    assert f"{where}: TooLarge, got more than 4 MiB, expected at most 4 MiB" in status["reason"]
    whole.unaffected()
    assert whole.peak("verifier") - before < 50 << 20


def manifest(registry: str, repository: str, layer: bytes) -> Object:
    """An image, or an artifact, of one layer."""
    empty = push_blob(registry, repository, b"{}", "application/vnd.oci.empty.v1+json")
    only = push_blob(registry, repository, layer, BUNDLE)
    return {"schemaVersion": 2, "mediaType": MANIFEST, "config": empty, "layers": [only]}


def test_a_git_server_that_hangs_is_named_by_the_syncer_and_by_the_verifier(whole: Whole) -> None:
    whole.unaffected()
    said = stalled(whole, "waits-0", "SourceUnavailable", team=HANGING)
    assert f"{whole.hanging['approvals']} could not be fetched" in said
    status = whole.delivery(HANGING, lambda s: s.get("ready") == "False")
    assert condition(status, "Ready")["reason"] == "FetchFailed"
    assert f"{whole.hanging['agents']} could not be fetched" in status["reason"]
    whole.unaffected()


def test_a_killed_verifier_is_said_stops_no_way_back_and_is_asked_again(whole: Whole) -> None:
    old, new = whole.seen(GOOD, NEIGHBOUR)["serving"], whole.roll_out()
    whole.until(GOOD, NEIGHBOUR, lambda s: s["rollback"] == "warm" and s["reason"] == "-")
    whole.kill("verifier")
    socket = whole.home / "verifier.sock"
    whole.apply("unheard", whole.spec("unheard"))
    said = stalled(whole, "unheard", "VerifierUnavailable")
    assert f"The verifier cannot be asked: Connection refused (socket {socket})" in said
    whole.roll_back(NEIGHBOUR, new)
    whole.until(GOOD, NEIGHBOUR, lambda s: s["serving"] == old and s["ready"] == "True")
    whole.alive()
    whole.start("verifier")
    whole.until(BAD, "unheard", lambda s: s["ready"] == "True" and s["reason"] == "-")
    whole.unaffected()
