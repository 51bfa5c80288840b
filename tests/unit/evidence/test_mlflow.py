"""MLflow's answers as we read them; the real server is in tests/cluster."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from interlock.api.config import Registry
from interlock.api.digests import ModelFile
from interlock.evidence import artifacts, mlflow
from interlock.evidence.http import Blob, NotFound, SourceRefused, SourceUnavailable
from interlock.evidence.mlflow import Mlflow, ModelVersion
from support.web import Web

BASE = "https://mlflow.example"
API = f"{BASE}/api/2.0/mlflow"
FILES = f"{BASE}/api/2.0/mlflow-artifacts/artifacts"
ROOT, RUN = "1/models/m-1/artifacts", "1/run/artifacts"
MODEL_ID = f"m-{'1' * 32}"
MODEL = f"models:/{MODEL_ID}"
CREATED = 1_790_000_000_250
VERSION = ModelVersion("press", "12", ROOT, RUN, MODEL_ID, "2026-09-21T14:13:20.250Z")


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Web:
    """A registry with version 12 of `press`: two files in two folders, one bundle in its run."""
    web = Web()
    monkeypatch.setattr(mlflow, "Http", web.make)
    version = {
        "version": "12",
        "status": "READY",
        "run_id": "run",
        "source": MODEL,
        "creation_timestamp": CREATED,
    }
    web.says(f"{BASE}/version", b"3.17.2", "text/html")
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
    version = {"version": "12", "source": f"runs:/{'2' * 32}/model"}
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
    version = {"version": "12", "status": "PENDING_REGISTRATION", "source": MODEL}
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


@pytest.mark.parametrize(
    "source",
    ["s3://bucket/model", "dbfs:/model", "file:///etc", "https://other.example/m", "", "m"],
)
async def test_a_version_that_was_made_of_something_elsewhere_is_refused(
    web: Web, source: str
) -> None:
    version = {"version": "12", "run_id": "run", "source": source}
    web.says(f"{API}/model-versions/get?name=press&version=12", {"model_version": version})
    with pytest.raises(SourceRefused, match="the version was made of"):
        await registry().version("press", "12", None)


@pytest.mark.parametrize(
    "said",
    [b"3.10.1", b"2.22.4", b"0.99.9", b"", b"<html>login</html>", b"4", b"\xff", b"3.11.0\n3"],
)
async def test_a_server_with_known_holes_is_refused(web: Web, said: bytes) -> None:
    """CVE-2026-2651, CVE-2026-2614, CVE-2025-10279."""
    web.says(f"{BASE}/version", said, "text/html")
    with pytest.raises(SourceRefused, match=r"MLflow 3\.11 or later was expected"):
        await registry().version("press", "12", None)


@pytest.mark.parametrize("said", [b"3.11.0", b"3.17.2\n", b"3.18.0rc1", b"4.0.0"])
async def test_a_server_without_them_is_asked_once(web: Web, said: bytes) -> None:
    web.says(f"{BASE}/version", said, "text/html")
    client = registry()
    await client.version("press", "12", None)
    await client.version("press", "12", None)
    assert web.asked.count(f"{BASE}/version") == 1


async def test_a_server_that_does_not_say_its_version_is_refused(web: Web) -> None:
    del web.answers[f"{BASE}/version"]
    with pytest.raises(SourceRefused, match="or let the address through"):
        await registry().version("press", "12", None)
    web.says(f"{BASE}/version", b"3.17.2", status=503)
    with pytest.raises(SourceUnavailable, match="answered 503"):
        await registry().version("press", "12", None)


async def test_a_model_that_was_deleted_and_made_again_is_another_one(web: Web) -> None:
    before = await registry().version("press", "12", None)
    version = {
        "version": "12",
        "source": f"models:/m-{'2' * 32}",
        "creation_timestamp": CREATED + 1,
    }
    web.says(f"{API}/model-versions/get?name=press&version=12", {"model_version": version})
    web.says(f"{API}/logged-models/m-{'2' * 32}", {"model": {"info": {}}})
    after = await registry().version("press", "12", None)
    assert (before.name, before.version) == (after.name, after.version)
    assert before.model_id != after.model_id
    assert before.created != after.created


@pytest.mark.parametrize("created", [None, "soon", -1, 1 << 52, 1.5])
async def test_a_creation_time_that_is_none_is_left_out(web: Web, created: Any) -> None:
    version = {"version": "12", "run_id": "run", "source": MODEL, "creation_timestamp": created}
    web.says(f"{API}/model-versions/get?name=press&version=12", {"model_version": version})
    assert (await registry().version("press", "12", None)).created is None


@pytest.mark.parametrize("chunk", [1, 3, 1 << 20])
async def test_each_file_is_hashed_from_its_bytes(web: Web, chunk: int) -> None:
    web.chunk = chunk
    tree = await registry().tree(VERSION)
    assert list(tree.files) == [
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
        await registry().tree(VERSION)


async def test_folders_without_end_are_refused(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(artifacts, "MAX_FOLDERS", 5)
    folder(web, ROOT, *({"path": f"d{n}", "is_dir": True} for n in range(6)))
    with pytest.raises(SourceRefused, match="more than 5 folders"):
        await registry().tree(VERSION)


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


async def test_a_bundle_whose_name_is_a_trick_is_refused(web: Web) -> None:
    entry = {"path": "a\\b.sigstore.json", "is_dir": False}
    folder(web, f"{RUN}/interlock/evidence", entry)
    with pytest.raises(SourceRefused, match="plain file names"):
        await registry().evidence(VERSION)


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
