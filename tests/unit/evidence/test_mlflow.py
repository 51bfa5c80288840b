"""MLflow's answers as we read them; the real server is in tests/cluster."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from interlock.api.config import Registry
from interlock.api.digests import ModelFile
from interlock.evidence import mlflow
from interlock.evidence.http import Blob, NotFound, SourceRefused, SourceUnavailable
from interlock.evidence.mlflow import Mlflow, ModelVersion
from support.web import Web

BASE = "https://mlflow.example"
API = f"{BASE}/api/2.0/mlflow"
FILES = f"{BASE}/api/2.0/mlflow-artifacts/artifacts"
ROOT, RUN = "1/models/m-1/artifacts", "1/run/artifacts"
VERSION = ModelVersion("press", "12", ROOT, RUN)
MODEL = f"models:/m-{'1' * 32}"


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Web:
    """A registry with version 12 of `press`: two files in two folders, one bundle in its run."""
    web = Web()
    monkeypatch.setattr(mlflow, "Http", web.make)
    version = {"version": "12", "status": "READY", "run_id": "run", "source": MODEL}
    web.says(f"{API}/model-versions/get?name=press&version=12", {"model_version": version})
    place = {"artifact_uri": f"mlflow-artifacts:/{ROOT}"}
    web.says(f"{API}/model-versions/get-download-uri?name=press&version=12", place)
    run = {"run": {"info": {"artifact_uri": f"mlflow-artifacts:/{RUN}"}}}
    web.says(f"{API}/runs/get?run_id=run", run)
    folder(web, ROOT, {"path": "code", "is_dir": True}, {"path": "MLmodel", "is_dir": False})
    folder(web, f"{ROOT}/code", {"path": "a b.py", "is_dir": False})
    web.says(f"{FILES}/{ROOT}/MLmodel", b"flavors", "text/plain")
    web.says(f"{FILES}/{ROOT}/code/a b.py", b"", "text/plain")
    return web


def folder(web: Web, path: str, *entries: dict[str, Any]) -> None:
    web.says(f"{FILES}?path={path}", {"files": list(entries)})


def registry() -> Mlflow:
    return Mlflow("default", Registry(mlflow=f"{BASE}/"))


async def test_a_version_is_found_by_number_and_by_alias(web: Web) -> None:
    assert await registry().version("press", "12", None) == VERSION
    by_alias = f"{API}/registered-models/alias?name=press&alias=prod"
    web.answers[by_alias] = web.answers[f"{API}/model-versions/get?name=press&version=12"]
    assert await registry().version("press", None, "prod") == VERSION


async def test_the_run_of_a_logged_model_is_the_versions_run(web: Web) -> None:
    version = {"version": "12", "run_id": "", "source": MODEL}
    web.says(f"{API}/model-versions/get?name=press&version=12", {"model_version": version})
    info = {"model": {"info": {"source_run_id": "run"}}}
    web.says(f"{API}/logged-models/{MODEL.removeprefix('models:/')}", info)
    assert (await registry().version("press", "12", None)).run == RUN


async def test_a_version_without_a_run_has_no_evidence(web: Web) -> None:
    version = {"version": "12", "source": "elsewhere"}
    web.says(f"{API}/model-versions/get?name=press&version=12", {"model_version": version})
    found = await registry().version("press", "12", None)
    assert found.run == ""
    assert await registry().evidence(found) == []


async def test_what_is_not_there_is_not_found(web: Web) -> None:
    with pytest.raises(NotFound, match="has no version 13 of 'press'"):
        await registry().version("press", "13", None)
    with pytest.raises(NotFound, match="has no alias 'prod' of 'press'"):
        await registry().version("press", None, "prod")


async def test_a_version_that_is_not_ready_is_waited_for(web: Web) -> None:
    version = {"version": "12", "status": "PENDING_REGISTRATION"}
    web.says(f"{API}/model-versions/get?name=press&version=12", {"model_version": version})
    with pytest.raises(SourceUnavailable, match="not READY"):
        await registry().version("press", "12", None)


@pytest.mark.parametrize(
    "uri",
    [
        "s3://bucket/model",
        "s3:/bucket/model",
        "mlflow-artifacts://other.example/model",
        "https://other.example/model",
        "mlflow-artifacts:/1/../2",
        "file:///etc",
    ],
)
async def test_files_come_from_mlflows_own_server_only(web: Web, uri: str) -> None:
    """GHSA-mr9f-g8qf-4w4j: an artifact URI may name a host."""
    place = {"artifact_uri": uri}
    web.says(f"{API}/model-versions/get-download-uri?name=press&version=12", place)
    with pytest.raises(SourceRefused):
        await registry().version("press", "12", None)
    assert all(url.startswith(BASE) for url in web.asked)


@pytest.mark.parametrize("chunk", [1, 3, 1 << 20])
async def test_each_file_is_hashed_from_its_bytes(web: Web, chunk: int) -> None:
    web.chunk = chunk
    files = await registry().files(VERSION)
    assert files == [
        ModelFile("MLmodel", 7, hashlib.sha256(b"flavors").hexdigest()),
        ModelFile("code/a b.py", 0, hashlib.sha256(b"").hexdigest()),
    ]


@pytest.mark.parametrize(
    "entry",
    [
        {"path": "../weights", "is_dir": False},
        {"path": "..", "is_dir": True},
        {"path": "code/a b.py", "is_dir": False},
        {"path": "a%2fb", "is_dir": False},
        {"path": "a", "is_dir": "no"},
        {"path": 1},
        "a",
    ],
)
async def test_a_listing_with_path_tricks_is_refused(web: Web, entry: Any) -> None:
    folder(web, ROOT, entry)
    with pytest.raises(SourceRefused):
        await registry().files(VERSION)


async def test_folders_without_end_are_refused(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mlflow, "MAX_FOLDERS", 5)
    folder(web, ROOT, *({"path": f"d{n}", "is_dir": True} for n in range(6)))
    with pytest.raises(SourceRefused, match="more than 5 folders"):
        await registry().files(VERSION)


async def test_bundles_of_the_run_are_read_and_nothing_else(web: Web) -> None:
    place = f"{RUN}/interlock/evidence"
    names = ("b.sigstore.json", "a.sigstore.json", "notes.txt")
    folder(web, place, *({"path": name, "is_dir": False} for name in names))
    for name in names:
        web.says(f"{FILES}/{place}/{name}", name.encode())
    assert await registry().evidence(VERSION) == [
        Blob(f"mlflow:press/12/interlock/evidence/{name}", name.encode())
        for name in ("a.sigstore.json", "b.sigstore.json")
    ]


async def test_too_many_bundles_are_refused(web: Web) -> None:
    entries = ({"path": f"{n}.sigstore.json", "is_dir": False} for n in range(65))
    folder(web, f"{RUN}/interlock/evidence", *entries)
    with pytest.raises(SourceRefused, match="65 bundles"):
        await registry().evidence(VERSION)


async def test_a_prompt_is_the_text_in_its_tag(web: Web) -> None:
    tags = [{"key": "owner", "value": "x"}, {"key": "mlflow.prompt.text", "value": "Be\nbrief."}]
    answer = {"model_version": {"version": "3", "tags": tags}}
    web.says(f"{API}/model-versions/get?name=system&version=3", answer)
    assert await registry().prompt("system", "3") == "Be\nbrief."
    with pytest.raises(NotFound, match="is not a prompt"):
        await registry().prompt("press", "12")


async def test_the_login_comes_from_files(web: Web, tmp_path: Path) -> None:
    (tmp_path / "user").write_text("interlock\n")
    (tmp_path / "password").write_text("secret\n")
    files = {"username_file": tmp_path / "user", "password_file": tmp_path / "password"}
    Mlflow("default", Registry.model_validate({"mlflow": BASE, **files}))
    assert web.logins == [("interlock", "secret")]
