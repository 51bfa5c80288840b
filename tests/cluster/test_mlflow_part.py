"""The sandbox's MLflow: the trainer writes, even over what is registered; Interlock reads."""

import base64
import hashlib
import json
import stat
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from interlock.api.config import Registry
from interlock.evidence.hashing import HashCache
from interlock.evidence.mlflow import Mlflow
from interlock_sandbox.mlflow import MLflow
from support.parts import running

Outputs = Mapping[str, str]
API = "/api/2.0/mlflow"
FILES = "/api/2.0/mlflow-artifacts/artifacts"


@dataclass(frozen=True)
class Model:
    """What the trainer registered: version 1 of `press`."""

    experiment: str
    run: str
    model_id: str
    root: str  # of its artifacts, as a path
    evidence: str  # a file of the run, as a path


@pytest.fixture(scope="module")
def mlflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outputs]:
    with running(MLflow(), tmp_path_factory.mktemp("sandbox")) as outputs:
        yield outputs


def ask(
    mlflow: Outputs, account: str | None, method: str, path: str, body: object = None
) -> tuple[int, bytes]:
    """One request as `account`; `body` is sent as JSON unless it is bytes."""
    data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    url = f"{mlflow['mlflow_url']}{path}"
    request = urllib.request.Request(url, data=data, method=method)  # noqa: S310 - on loopback
    if isinstance(body, dict):
        request.add_header("Content-Type", "application/json")
    if account:
        user = mlflow[f"mlflow_{account}_username"]
        password = Path(mlflow[f"mlflow_{account}_password_file"]).read_text()
        encoded = base64.b64encode(f"{user}:{password}".encode()).decode()
        request.add_header("Authorization", f"Basic {encoded}")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def must(mlflow: Outputs, account: str, method: str, path: str, body: object = None) -> Any:
    status, content = ask(mlflow, account, method, path, body)
    assert status == 200, content
    return json.loads(content) if content.startswith(b"{") else content


def path_of(uri: str) -> str:
    scheme, _, path = uri.partition(":/")
    assert scheme == "mlflow-artifacts"
    return path


@pytest.fixture(scope="module")
def model(mlflow: Outputs) -> Model:
    """Registered over REST as the trainer, with one file and one piece of evidence."""

    def post(path: str, body: object) -> Any:
        return must(mlflow, "trainer", "POST", f"{API}/{path}", body)

    experiment = post("experiments/create", {"name": "press"})["experiment_id"]
    run = post("runs/create", {"experiment_id": experiment})["run"]["info"]
    logged = {"experiment_id": experiment, "name": "press", "source_run_id": run["run_id"]}
    info = post("logged-models", logged)["model"]["info"]
    model_id, root = info["model_id"], path_of(info["artifact_uri"])
    evidence = f"{path_of(run['artifact_uri'])}/interlock/evidence/model.sigstore.json"
    must(mlflow, "trainer", "PUT", f"{FILES}/{root}/weights.bin", b"abc")
    must(mlflow, "trainer", "PUT", f"{FILES}/{evidence}", b"{}")
    ready = {"model_id": model_id, "status": "LOGGED_MODEL_READY"}
    must(mlflow, "trainer", "PATCH", f"{API}/logged-models/{model_id}", ready)
    post("registered-models/create", {"name": "press"})
    source = {"source": f"models:/{model_id}", "model_id": model_id, "run_id": run["run_id"]}
    version = post("model-versions/create", {"name": "press", **source})["model_version"]
    assert version["version"] == "1"
    return Model(experiment, run["run_id"], model_id, root, evidence)


def test_interlock_reads_version_model_files_and_evidence(mlflow: Outputs, model: Model) -> None:
    def get(path: str) -> Any:
        return must(mlflow, "interlock", "GET", path)

    version = get(f"{API}/model-versions/get?name=press&version=1")["model_version"]
    assert version["source"] == f"models:/{model.model_id}"
    place = get(f"{API}/model-versions/get-download-uri?name=press&version=1")
    assert path_of(place["artifact_uri"]) == model.root
    info = get(f"{API}/logged-models/{model.model_id}")["model"]["info"]
    assert info["source_run_id"] == model.run
    files = get(f"{FILES}?path={urllib.parse.quote(model.root)}")["files"]
    assert files == [{"path": "weights.bin", "is_dir": False, "file_size": 3}]
    assert get(f"{API}/runs/get?run_id={model.run}")["run"]["info"]["status"]
    assert ask(mlflow, "interlock", "GET", f"{FILES}/{model.evidence}") == (200, b"{}")


async def test_a_tree_is_read_once_until_a_byte_of_it_is_overwritten(
    mlflow: Outputs, model: Model
) -> None:
    """The server's own word for a state of a file (its ETag) is what a digest is kept for."""
    client = Mlflow("default", registry(mlflow), cache := HashCache())
    try:
        version = await client.version("press", "1", None)
        assert (version.files, version.model_id) == (model.root, model.model_id)
        assert version.created
        first = await client.tree(version)
        assert [file.size for file in first.files] == [3]
        cache.load({key: (at, marked(text)) for key, (at, text) in cache.items().items()})
        assert [file.sha256 for file in (await client.tree(version)).files] == ["0" * 64]
        must(mlflow, "trainer", "PUT", f"{FILES}/{model.root}/weights.bin", b"abd")
        second = await client.tree(version)
        assert second.files[0].sha256 == hashlib.sha256(b"abd").hexdigest()
        must(mlflow, "trainer", "PUT", f"{FILES}/{model.root}/weights.bin", b"abc")
        assert (await client.tree(version)).files == first.files
    finally:
        await client.close()


def registry(mlflow: Outputs) -> Registry:
    folder = Path(mlflow["mlflow_interlock_password_file"]).parent
    (folder / "username").write_text(mlflow["mlflow_interlock_username"])
    return Registry.model_validate(
        {
            "mlflow": mlflow["mlflow_url"],
            "usernameFile": str(folder / "username"),
            "passwordFile": mlflow["mlflow_interlock_password_file"],
        }
    )


def marked(text: str) -> str:
    """A remembered file with another digest: who returns it did not read the file."""
    return json.dumps(json.loads(text) | {"sha256": "0" * 64})


def test_interlock_reads_prompts(mlflow: Outputs) -> None:
    tags = [{"key": "mlflow.prompt.is_prompt", "value": "true"}]
    text = {"key": "mlflow.prompt.text", "value": "Be brief."}
    create = {"name": "system", "tags": tags}
    must(mlflow, "trainer", "POST", f"{API}/registered-models/create", create)
    version = {"name": "system", "source": "prompt-template", "tags": [*tags, text]}
    must(mlflow, "trainer", "POST", f"{API}/model-versions/create", version)
    path = f"{API}/model-versions/get?name=system&version=1"
    assert text in must(mlflow, "interlock", "GET", path)["model_version"]["tags"]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", FILES + "/{root}/weights.bin", b"evil"),
        ("PUT", FILES + "/{evidence}", b"evil"),
        ("PUT", FILES + "/elsewhere/file", b"evil"),
        ("DELETE", FILES + "/{root}/weights.bin", None),
        ("POST", API + "/experiments/create", {"name": "mine"}),
        ("POST", API + "/runs/create", {"experiment_id": "{experiment}"}),
        ("POST", API + "/logged-models", {"experiment_id": "{experiment}", "name": "mine"}),
        ("POST", API + "/registered-models/create", {"name": "mine"}),
        ("POST", API + "/registered-models/alias", {"name": "press", "alias": "a", "version": "1"}),
        ("DELETE", API + "/registered-models/delete", {"name": "press"}),
        ("POST", API + "/model-versions/create", {"name": "press", "source": "models:/{model_id}"}),
        (
            "POST",
            API + "/model-versions/set-tag",
            {"name": "press", "version": "1", "key": "approved", "value": "true"},
        ),
        ("POST", API + "/users/create", {"username": "mine", "password": "0123456789abcdef"}),
    ],
    ids=lambda value: str(value)[:60] if isinstance(value, str) else "",
)
def test_interlock_cannot_write(
    mlflow: Outputs, model: Model, method: str, path: str, body: object
) -> None:
    known = {name: getattr(model, name) for name in Model.__dataclass_fields__}
    if isinstance(body, dict):
        body = {key: value.format(**known) for key, value in body.items()}
    assert ask(mlflow, "interlock", method, path.format(**known), body)[0] == 403


def test_the_trainer_can_change_a_file_after_registration(mlflow: Outputs, model: Model) -> None:
    """The attack of the story: MLflow keeps versions, not bytes."""
    path = f"{FILES}/{model.root}/weights.bin"
    before = must(mlflow, "interlock", "GET", f"{API}/model-versions/get?name=press&version=1")
    must(mlflow, "trainer", "PUT", path, b"abd")
    assert ask(mlflow, "interlock", "GET", path) == (200, b"abd")
    after = must(mlflow, "interlock", "GET", f"{API}/model-versions/get?name=press&version=1")
    assert after == before
    must(mlflow, "trainer", "PUT", path, b"abc")


def test_who_is_unknown_gets_401(mlflow: Outputs, model: Model) -> None:
    assert ask(mlflow, None, "GET", f"{API}/model-versions/get?name=press&version=1")[0] == 401
    assert ask(mlflow, None, "GET", f"{FILES}/{model.root}/weights.bin")[0] == 401


def test_passwords_are_the_owners_alone(mlflow: Outputs) -> None:
    files = {Path(value) for key, value in mlflow.items() if key.endswith("password_file")}
    assert len(files) == 2
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert len({file.read_text() for file in files}) == 2
