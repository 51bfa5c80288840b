"""A version is registered last; a run that failed says so."""

import json
from pathlib import Path
from typing import Any

import pytest

from interlock.api.digests import sha256
from interlock_pipelines.errors import Refused, Unavailable
from interlock_pipelines.model import Mlflow, Registered
from interlock_pipelines.tree import read_tree

BASE = "https://mlflow.example"
API = f"{BASE}/api/2.0/mlflow"
FILES = f"{BASE}/api/2.0/mlflow-artifacts/artifacts"


class Fake:
    """An MLflow that says yes; `fails` maps the end of an address to another status."""

    def __init__(self, server: Any) -> None:
        self.fails: dict[str, int] = {}
        self.scheme = "mlflow-artifacts:/"
        self._server = server
        server.handler = self.handle

    def handle(self, _: str, url: str, __: bytes) -> Any:
        for end, status in self.fails.items():
            if url.endswith(end):
                said = {"error_code": "RESOURCE_ALREADY_EXISTS"} if status == 400 else {}
                return self._server.answer(status, json.dumps(said).encode())
        return self._server.answer(200, json.dumps(self._says(url)).encode())

    def _says(self, url: str) -> dict[str, Any]:
        run = {"run_id": "r1", "artifact_uri": f"{self.scheme}1/r1/artifacts"}
        model = {"model_id": "m-1", "artifact_uri": f"{self.scheme}1/models/m-1/artifacts"}
        answers: dict[str, dict[str, Any]] = {
            "experiments/get-by-name?experiment_name=press": {"experiment": {"experiment_id": "1"}},
            "experiments/create": {"experiment_id": "9"},
            "runs/create": {"run": {"info": run}},
            "logged-models": {"model": {"info": model}},
            "model-versions/create": {"model_version": {"version": "3"}},
        }
        return answers.get(url.removeprefix(f"{API}/"), {})


def register(model: Path, name: str = "press") -> Registered:
    mlflow = Mlflow(f"{BASE}/", ("trainer", "x"))
    return mlflow.register(name, "press", read_tree(model), {"model": b"bundle"})


def test_the_version_comes_last_and_whole(server: Any, model: Path) -> None:
    Fake(server)
    assert register(model) == Registered("press", "3", "r1", "m-1")
    calls = server.calls()
    assert [call.replace(f"{API}/", "").replace(f"{FILES}/", "") for call in calls] == [
        "GET experiments/get-by-name?experiment_name=press",
        "POST registered-models/create",
        "POST runs/create",
        "POST logged-models",
        "PUT 1/models/m-1/artifacts/a.json",
        "PUT 1/models/m-1/artifacts/a/weights.bin",
        f"PUT 1/r1/artifacts/interlock/evidence/model-{sha256(b'bundle')[:12]}.sigstore.json",
        "PATCH logged-models/m-1",
        "POST model-versions/create",
        "POST runs/update",
    ]
    assert json.loads(server.asked[-2][2]) == {
        "name": "press",
        "run_id": "r1",
        "source": "models:/m-1",
        "model_id": "m-1",
    }
    assert json.loads(server.asked[-1][2])["status"] == "FINISHED"


def test_what_is_there_already_is_used(server: Any, model: Path) -> None:
    Fake(server).fails = {"registered-models/create": 400}
    assert register(model).version == "3"


def test_another_refusal_of_the_name_is_told(server: Any, model: Path) -> None:
    said = b'{"error_code": "INVALID_PARAMETER_VALUE", "message": "too long"}'
    fake = Fake(server)
    server.handler = lambda method, url, body: (
        server.answer(400, said)
        if url.endswith("registered-models/create")
        else fake.handle(method, url, body)
    )
    with pytest.raises(Refused, match="no registered model 'press': too long"):
        register(model)


def test_a_new_experiment_is_made(server: Any, model: Path) -> None:
    Fake(server).fails = {"experiment_name=press": 404}
    register(model)
    (run,) = [body for _, url, body, _ in server.asked if url.endswith("runs/create")]
    assert json.loads(run)["experiment_id"] == "9"


def test_a_dot_in_the_name_is_no_dot_in_the_logged_models(server: Any, model: Path) -> None:
    Fake(server)
    register(model, "press.v2")
    (logged,) = [body for _, url, body, _ in server.asked if url.endswith("logged-models")]
    assert json.loads(logged)["name"] == "press-v2"


@pytest.mark.parametrize("place", ["weights.bin", "sigstore.json", "logged-models/m-1"])
def test_a_failure_leaves_no_version_and_a_failed_run(server: Any, model: Path, place: str) -> None:
    Fake(server).fails = {place: 500}
    with pytest.raises(Unavailable, match="answered 500"):
        register(model)
    assert not any(call.endswith("model-versions/create") for call in server.calls())
    assert json.loads(server.asked[-1][2]) == {"run_id": "r1", "status": "FAILED"}


def test_the_first_failure_is_the_one_that_is_told(server: Any, model: Path) -> None:
    Fake(server).fails = {"weights.bin": 403, "runs/update": 500}
    with pytest.raises(Refused, match=r"weights\.bin answered 403"):
        register(model)


def test_files_that_interlock_could_not_read_are_not_sent(server: Any, model: Path) -> None:
    Fake(server).scheme = "s3://bucket/"
    with pytest.raises(Refused, match="start it with --serve-artifacts"):
        register(model)
    assert not any(call.startswith("PUT") for call in server.calls())


def version_of(server: Any, run: str) -> None:
    """An MLflow that has version 3 of `press`, made by this run."""
    described = {"run": {"info": {"artifact_uri": f"mlflow-artifacts:/1/{run}/artifacts"}}}
    says = {
        f"{API}/model-versions/get?name=press&version=3": {"model_version": {"run_id": run}},
        f"{API}/runs/get?run_id={run}": described,
    }
    server.handler = lambda method, url, _: (
        server.answer(200, json.dumps(says.get(url, {})).encode())
        if url in says or method == "PUT"
        else None
    )


def test_evidence_is_put_beside_the_run_that_made_the_version(server: Any) -> None:
    version_of(server, "r7")
    mlflow = Mlflow(BASE, None)
    path = mlflow.attach(mlflow.run_of("press", "3"), "evaluation", b"bundle")
    assert path == f"interlock/evidence/evaluation-{sha256(b'bundle')[:12]}.sigstore.json"
    assert server.calls()[-1] == f"PUT {FILES}/1/r7/artifacts/{path}"
    assert server.asked[-1][2] == b"bundle"


def test_a_version_that_no_run_made_has_no_place_for_evidence(server: Any) -> None:
    version_of(server, "")
    with pytest.raises(Refused, match="press version 3 came from no run"):
        Mlflow(BASE, None).run_of("press", "3")
    with pytest.raises(Refused, match="answered 404"):
        Mlflow(BASE, None).run_of("press", "4")
