"""Servers without a network: every request is written down and answered by a function."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from email.message import Message
from pathlib import Path

import pytest

from interlock_pipelines.http import Answer, Http

Handler = Callable[[str, str, bytes], Answer | None]


def _answer(status: int, body: bytes = b"{}", **headers: str) -> Answer:
    """An answer; `Content_Type="…"` sets a header."""
    message = Message()
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    return Answer(status, message, body)


@dataclass
class Server:
    """What all servers do: the handler decides, 404 where it has no answer."""

    handler: Handler = lambda *_: None
    asked: list[tuple[str, str, bytes, dict[str, str]]] = field(default_factory=list)

    def answer(self, status: int, body: bytes = b"{}", **headers: str) -> Answer:
        """An answer for a handler to give."""
        return _answer(status, body, **headers)

    def calls(self) -> list[str]:
        return [f"{method} {url}" for method, url, _, _ in self.asked]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    made = Server()

    def ask(
        _: Http,
        method: str,
        url: str,
        body: bytes | Iterable[bytes] | None,
        headers: Mapping[str, str],
    ) -> Answer:
        data = body if isinstance(body, bytes) else b"".join(body or ())
        made.asked.append((method, url, data, dict(headers)))
        return made.handler(method, url, data) or _answer(404)

    monkeypatch.setattr(Http, "_ask", ask)
    return made


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A folder with two files, one of them deep."""
    folder = tmp_path / "model"
    (folder / "a").mkdir(parents=True)
    (folder / "a" / "weights.bin").write_bytes(b"\x01" * 1000)
    (folder / "a.json").write_bytes(b"{}")
    return folder
