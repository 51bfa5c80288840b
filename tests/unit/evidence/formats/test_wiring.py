"""A model's files are looked into in the one pass that hashes them, and off the event loop."""

import asyncio
import gzip
import hashlib
import threading

import pytest

from interlock.api.config import Registry
from interlock.evidence import formats, mlflow
from interlock.evidence.mlflow import Mlflow, ModelVersion
from interlock.evidence.modeltree import Tree
from support.hostile import safetensors, tensor, zipped
from support.pickles import GLOBAL
from support.web import Web

BASE = "https://mlflow.example"
FILES = f"{BASE}/api/2.0/mlflow-artifacts/artifacts"
ROOT = "1/models/m-1/artifacts"
MODEL = {
    "MLmodel": b"flavors:\n  python_function:\n    loader_module: mlflow.pytorch\n",
    "model.safetensors": safetensors({"a": tensor(0, 3 << 20)}, bytes(3 << 20)),
    "model.pt": zipped(("archive/data.pkl", GLOBAL)),
    "more.txt.gz": gzip.compress(b"text"),
    "agent.py": b"import os\n",
    "requirements.txt": b"numpy\n",
}


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Web:
    web = Web(chunk=100_000)
    files = [{"path": path, "is_dir": False, "file_size": len(MODEL[path])} for path in MODEL]
    web.says(f"{FILES}?path={ROOT}", {"files": files})
    for path, data in MODEL.items():
        web.says(f"{FILES}/{ROOT}/{path}", data, "application/octet-stream")
    monkeypatch.setattr(mlflow, "Http", web.make)
    return web


async def tree() -> Tree:
    return await Mlflow("default", Registry(mlflow=BASE)).tree(ModelVersion("m", "1", ROOT, ""))


async def test_content_is_made_of_the_bytes_that_are_hashed(web: Web) -> None:
    found = await tree()
    assert {each.path: each.sha256 for each in found.files} == {
        path: hashlib.sha256(data).hexdigest() for path, data in MODEL.items()
    }
    assert web.sent == sum(map(len, MODEL.values()))
    content = found.content
    assert content.formats == {"yaml": 1, "safetensors": 1, "zip": 1, "gzip": 1, "text": 2}
    assert content.first["safetensors"] == "model.safetensors"
    assert [(each.path, each.imports) for each in content.pickles] == [
        ("model.pt!/archive/data.pkl", ["trap.system"])
    ]
    assert (content.loaders, content.code) == (["mlflow.pytorch"], ["agent.py"])
    assert content.loose == ["requirements.txt: numpy"]
    assert content.faults == []


async def test_nothing_is_looked_into_on_the_event_loop(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look waits until the event loop has answered: on the loop itself that could not be."""
    loop, threads = asyncio.get_running_loop(), set[int]()
    real = formats.inspect

    def answered() -> None:
        threads.add(threading.get_ident())
        asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop).result(timeout=10)

    class Waiting:
        def __init__(self, path: str) -> None:
            self._inspector = real(path)

        def feed(self, chunk: bytes) -> None:
            answered()
            self._inspector.feed(chunk)

        def close(self) -> formats.FileFindings:
            answered()
            return self._inspector.close()

    monkeypatch.setattr(formats, "inspect", Waiting)
    found = await tree()
    assert found.content.formats["safetensors"] == 1
    assert threading.get_ident() not in threads
