"""A21: file names that mean another place, in MLflow's listing, in a volume's layer and on disk.

`..`, absolute paths, backslashes, percent signs, NUL and other characters that do not print, names
that differ in case or composition only, a name that is file and folder, links and devices.
"""

import io
import tarfile
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import pytest

from interlock.api.config import Registry
from interlock.api.digests import sha256
from interlock.evidence import mlflow
from interlock.evidence.http import NotFound, SourceError, SourceRefused
from interlock.evidence.layer import read_layer
from interlock.evidence.mlflow import Mlflow, ModelVersion
from support.web import Web

MLFLOW, ROOT = "https://mlflow.example", "1/models/m-1/artifacts"
FILES = f"{MLFLOW}/api/2.0/mlflow-artifacts/artifacts"
NAMES = [
    "../weights",
    "a/../../weights",
    "..",
    ".",
    "/etc/passwd",
    "a//b",
    "a/",
    "a\\..\\b",
    "C:\\weights",
    "a%2e%2e%2fb",
    "a\x00.safetensors",
    "a\nb",
    "a\x7fb",
    "weights\u202esrotnesefas.lkp",
    "a\u2028b",
    ".wh.weights",
    ".wh..wh..opq",
    "x" * 256,
    "/".join("x" * 17),
]
PAIRS = [
    ("Weights", "weights"),
    ("caf\u00e9", "cafe\u0301"),
    ("\ufb01le", "FILE"),
    ("a", "a/b"),
    ("A", "a/b"),
    ("Code/a", "code/b"),
]


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Web:
    web = Web()
    monkeypatch.setattr(mlflow, "Http", web.make)
    return web


async def refused(web: Web, folders: dict[str, list[Any]]) -> str:
    """What is said of an MLflow that lists these entries."""
    for path, entries in folders.items():
        web.says(f"{FILES}?path={path}", {"files": entries})
    with pytest.raises(SourceError) as caught:
        await Mlflow("default", Registry(mlflow=MLFLOW)).tree(ModelVersion("press", "1", ROOT, ""))
    assert not isinstance(caught.value, NotFound)
    return str(caught.value)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("folder", [False, True])
async def test_no_listing_leads_elsewhere(web: Web, name: str, folder: bool) -> None:
    await refused(web, {ROOT: [{"path": name, "is_dir": folder}]})
    assert web.asked == [f"{FILES}?path={quote(ROOT, safe='')}"]


@pytest.mark.parametrize(("first", "second"), PAIRS)
async def test_no_listing_names_one_file_twice(web: Web, first: str, second: str) -> None:
    folders: dict[str, list[Any]] = {ROOT: []}
    for path in (first, second):
        folder, _, name = path.rpartition("/")
        if folder:
            folders[ROOT].append({"path": folder, "is_dir": True})
        folders.setdefault(f"{ROOT}/{folder}".rstrip("/"), []).append({"path": name})
    said = await refused(web, folders)
    assert "twice" in said or "file and a folder" in said


async def test_a_folder_in_itself_without_end_is_refused(web: Web) -> None:
    """What a link on the server's disk would look like."""
    deep = [f"{ROOT}{'/a' * depth}" for depth in range(40)]
    said = await refused(web, {path: [{"path": "a", "is_dir": True}] for path in deep})
    assert "deeper than" in said


def tar(*entries: tarfile.TarInfo) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for entry in entries:
            archive.addfile(entry)
    return packed.getvalue()


def entry(path: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(path)
    info.mode, info.type, info.linkname = 0o444, kind, link
    return info


async def read(data: bytes) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield data

    await read_layer(chunks(), f"sha256:{sha256(data)}", len(data), "volume")


@pytest.mark.parametrize("name", NAMES)
async def test_no_layer_leads_elsewhere(name: str) -> None:
    with pytest.raises(SourceRefused):
        await read(tar(entry(name)))


@pytest.mark.parametrize(("first", "second"), PAIRS)
async def test_no_layer_names_one_file_twice(first: str, second: str) -> None:
    paths = sorted((first, second), key=str.encode)
    with pytest.raises(SourceRefused, match=r"twice|file and a folder"):
        await read(tar(*map(entry, paths)))


@pytest.mark.parametrize(
    ("kind", "link"),
    [
        (tarfile.SYMTYPE, "/etc/passwd"),
        (tarfile.SYMTYPE, "weights"),
        (tarfile.LNKTYPE, "MLmodel"),
        (tarfile.FIFOTYPE, ""),
        (tarfile.CHRTYPE, ""),
        (tarfile.BLKTYPE, ""),
        (tarfile.DIRTYPE, ""),
    ],
)
async def test_a_layer_holds_plain_files_only(kind: bytes, link: str) -> None:
    with pytest.raises(SourceRefused, match="not a plain file"):
        await read(tar(entry("weights", kind, link)))
