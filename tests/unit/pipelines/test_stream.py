"""A blob may come from another host than its registry, which then learns nothing of ours."""

from collections.abc import Iterator
from contextlib import contextmanager
from email.message import Message
from types import SimpleNamespace
from typing import Any
from urllib.request import Request

import pytest

from interlock_pipelines import http
from interlock_pipelines.errors import Refused, Unavailable
from interlock_pipelines.http import Http

BLOB, STORE = "https://registry.example/v2/a/blobs/x", "https://store.example/x?signed=1"
TOKEN = {"Authorization": "Bearer t"}


class Answers:
    """What each address answers, and what it was told."""

    def __init__(self, **_: object) -> None:
        self.of: dict[str, tuple[int, str, bytes]] = {}
        self.told: list[tuple[str, dict[str, str]]] = []

    @contextmanager
    def open(self, request: Request) -> Iterator[Any]:
        self.told.append((request.full_url, dict(request.headers)))
        status, location, body = self.of[request.full_url]
        headers, left = Message(), [body]
        headers["Location"] = location
        yield SimpleNamespace(
            status=status, headers=headers, read=lambda _: left.pop() if left else b""
        )


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Answers:
    made = Answers()
    monkeypatch.setattr(http, "_opened", made.open)
    return made


def stream(login: tuple[str, str] | None = None) -> bytes:
    return b"".join(Http("registry", login).stream(BLOB, TOKEN))


def test_a_blob_comes_from_its_registry(answers: Answers) -> None:
    answers.of[BLOB] = (200, "", b"content")
    assert stream() == b"content"
    assert answers.told == [(BLOB, TOKEN)]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_another_host_is_told_no_secret(answers: Answers, status: int) -> None:
    answers.of = {BLOB: (status, STORE, b""), STORE: (200, "", b"content")}
    assert stream(("robot", "hunter2")) == b"content"
    assert answers.told[1] == (STORE, {})


@pytest.mark.parametrize("place", ["http://store.example/x", "file:///etc/passwd", "ftp://x/y"])
def test_a_blob_comes_by_no_weaker_way(answers: Answers, place: str) -> None:
    answers.of[BLOB] = (307, place, b"")
    with pytest.raises(Refused, match="sends its readers to"):
        stream()
    assert len(answers.told) == 1


def test_a_reader_is_sent_on_once(answers: Answers) -> None:
    answers.of = {BLOB: (307, STORE, b""), STORE: (307, BLOB, b"")}
    with pytest.raises(Refused, match="answered 307"):
        stream()


@pytest.mark.parametrize(("status", "kind"), [(404, Refused), (503, Unavailable)])
def test_what_is_not_there_is_a_sentence(
    answers: Answers, status: int, kind: type[Exception]
) -> None:
    answers.of[BLOB] = (status, "", b"{}")
    with pytest.raises(kind, match=f"answered {status}"):
        stream()
