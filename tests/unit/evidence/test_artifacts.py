"""What is read of MLflow's files, what is read again, and what is remembered of them."""

import hashlib
from dataclasses import dataclass, field

import pytest

from interlock.api.config import Registry
from interlock.api.digests import ModelFile
from interlock.evidence import formats, mlflow, modeltree
from interlock.evidence.artifacts import REHASH
from interlock.evidence.formats import FileFindings
from interlock.evidence.hashing import HashCache
from interlock.evidence.http import SourceRefused, SourceUnavailable
from interlock.evidence.mlflow import Mlflow, ModelVersion
from interlock.evidence.modeltree import Tree
from support.web import Web

BASE = "https://mlflow.example"
FILES = f"{BASE}/api/2.0/mlflow-artifacts/artifacts"
ROOT = "1/models/m-1/artifacts"
VERSION = ModelVersion("press", "12", ROOT, "")


@dataclass
class Looked:
    """An inspector that notes what it was given."""

    path: str
    data: bytes = b""

    def feed(self, chunk: bytes) -> None:
        self.data += chunk

    def close(self) -> FileFindings:
        return FileFindings(self.path, "text", code=(self.data.decode(),))


@dataclass
class Shelf:
    """A model of two files, a clock, and the cache that outlives the client."""

    web: Web = field(default_factory=Web)
    now: float = 1000.0

    def __post_init__(self) -> None:
        self.cache = HashCache(lambda: self.now)
        self.lists(("small", 5), ("big", 7))
        self.holds("small", b"small", '"1"')
        self.holds("big", b"bigfile", '"2"')

    def lists(self, *entries: tuple[str, int]) -> None:
        files = [{"path": path, "is_dir": False, "file_size": size} for path, size in entries]
        self.web.says(f"{FILES}?path={ROOT}", {"files": files})

    def holds(self, path: str, data: bytes, etag: str) -> None:
        self.web.says(f"{FILES}/{ROOT}/{path}", data, "text/plain", ETag=etag)

    async def tree(self) -> Tree:
        return await Mlflow("default", Registry(mlflow=BASE), self.cache).tree(VERSION)

    async def sent(self) -> int:
        """Bytes that are sent for one reading of the model."""
        before = self.web.sent
        await self.tree()
        return self.web.sent - before


@pytest.fixture
def shelf(monkeypatch: pytest.MonkeyPatch) -> Shelf:
    shelf = Shelf()
    monkeypatch.setattr(mlflow, "Http", shelf.web.make)
    monkeypatch.setattr(formats, "inspect", Looked)
    return shelf


def file(path: str, data: bytes) -> ModelFile:
    return ModelFile(path, len(data), hashlib.sha256(data).hexdigest())


@pytest.mark.parametrize("chunk", [1, 4, 100])
async def test_a_file_is_hashed_and_looked_into_in_one_pass(shelf: Shelf, chunk: int) -> None:
    shelf.web.chunk = chunk
    tree = await shelf.tree()
    assert tree.files == (file("big", b"bigfile"), file("small", b"small"))
    assert tree.content.code == ["bigfile", "small"]
    assert shelf.web.sent == len(b"bigfile" + b"small")


async def test_the_largest_is_read_first(shelf: Shelf) -> None:
    await shelf.tree()
    asked = [url.rpartition("/")[2] for url in shelf.web.asked if url.endswith(("big", "small"))]
    assert asked == ["big", "small"]


@pytest.mark.parametrize("conditions", [True, False])
async def test_what_the_server_says_is_unchanged_is_not_read_again(
    shelf: Shelf, conditions: bool
) -> None:
    shelf.web.conditions = conditions
    first = await shelf.tree()
    sent = shelf.web.sent
    assert await shelf.tree() == first
    assert shelf.web.sent == sent


async def test_a_changed_file_is_read_again_and_only_that(shelf: Shelf) -> None:
    await shelf.tree()
    shelf.holds("big", b"swapped", '"3"')
    assert await shelf.sent() == len(b"swapped")
    assert file("big", b"swapped") in (await shelf.tree()).files


@pytest.mark.parametrize("etag", ["", 'W/"1"', "1", '"' + "x" * 256 + '"', '"\x01"'])
async def test_what_has_no_strong_name_is_read_again(shelf: Shelf, etag: str) -> None:
    """A weak validator promises something like the bytes, not the bytes (RFC 9110 8.8.1)."""
    shelf.holds("small", b"small", etag)
    await shelf.tree()
    assert await shelf.sent() == len(b"small")


async def test_whatever_the_server_says_a_file_is_read_again_in_time(shelf: Shelf) -> None:
    await shelf.tree()
    shelf.now += REHASH
    assert await shelf.sent() == 0
    shelf.now += 1
    assert await shelf.sent() == len(b"bigfile" + b"small")


async def test_a_name_is_asked_for_whole_whatever_it_means_in_an_address(shelf: Shelf) -> None:
    shelf.lists(("a?b#c d", 1))
    shelf.holds("a?b#c d", b"x", "")
    assert [each.path for each in (await shelf.tree()).files] == ["a?b#c d"]
    assert shelf.web.asked[-1] == f"{FILES}/{ROOT}/a%3Fb%23c%20d"


async def test_an_unasked_unchanged_is_no_answer(shelf: Shelf) -> None:
    shelf.web.says(f"{FILES}/{ROOT}/small", b"", status=304)
    with pytest.raises(SourceUnavailable, match="answered 304"):
        await shelf.tree()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"etag": 1}'])
async def test_what_a_cache_holds_is_checked(shelf: Shelf, text: str) -> None:
    shelf.cache.put(f"{FILES}/{ROOT}/small", text)
    assert await shelf.sent() == len(b"bigfile" + b"small")


async def test_what_was_known_of_another_file_is_not_taken(shelf: Shelf) -> None:
    shelf.holds("small", b"small", '"2"')
    await shelf.tree()
    known = shelf.cache.items()
    shelf.cache.load({f"{FILES}/{ROOT}/small": known[f"{FILES}/{ROOT}/big"]})
    assert file("small", b"small") in (await shelf.tree()).files


async def test_files_that_are_not_read_again_count_too(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shelf.tree()
    monkeypatch.setattr(modeltree, "MAX_BYTES", 11)
    with pytest.raises(SourceRefused, match="Split the model"):
        await shelf.tree()


async def test_bytes_without_end_are_refused(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(modeltree, "MAX_BYTES", 11)
    with pytest.raises(SourceRefused, match="Split the model"):
        await shelf.tree()
