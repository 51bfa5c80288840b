"""An HTTP port without a network: answers by address, in chunks as small as wished."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from interlock.evidence.http import Answer, Body, Http, SourceRefused


@dataclass
class Web:
    """What a whole world of servers answers. `make` takes the place of the class Http."""

    answers: dict[str, Answer] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    logins: list[tuple[str, str] | None] = field(default_factory=list)
    chunk: int = 1 << 20
    conditions: bool = True
    """Whether requests with the condition If-None-Match are understood."""
    sent: int = 0
    """Bytes of bodies that were asked for piece by piece."""

    def says(
        self,
        url: str,
        body: bytes | Mapping[str, object],
        kind: str = "application/json",
        status: int = 200,
        **headers: str,
    ) -> None:
        """From now on `url` answers so."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {key.replace("_", "-"): value for key, value in headers.items()}
        self.answers[url] = Answer(status, {"Content-Type": kind, **named}, data)

    def make(
        self, name: str, ca_file: Path | None = None, login: tuple[str, str] | None = None
    ) -> "FakeHttp":
        """What a module gets for `Http(...)`."""
        self.logins.append(login)
        return FakeHttp(name, self)


class FakeHttp(Http):
    """Http with its two ways of asking replaced; what it makes of the answers is the real one."""

    def __init__(self, name: str, web: Web) -> None:
        self.name = name
        self._web = web

    async def close(self) -> None:
        """Nothing is open."""

    async def get(
        self, url: str, *, limit: int = 1 << 22, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """The answer, or a 404."""
        self._web.asked.append(url)
        self._web.tokens.append((headers or {}).get("Authorization", ""))
        answer = self._web.answers.get(unquote(url), Answer(404, {}, b"{}"))
        if len(answer.body) > limit:
            raise SourceRefused(f"{url} sent more than {limit} bytes")
        return answer

    @asynccontextmanager
    async def opened(
        self, url: str, headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[Body]:
        """The answer, its body piece by piece; 304 to who names its ETag."""
        answer = await self.get(url, limit=1 << 40, headers=headers)
        etag = answer.headers.get("ETag", "")
        if etag and self._web.conditions and (headers or {}).get("If-None-Match") == etag:
            yield Body(304, etag, None, self._pieces(b""))
            return
        yield Body(answer.status, etag, len(answer.body), self._pieces(answer.body))

    async def _pieces(self, body: bytes) -> AsyncIterator[bytes]:
        for start in range(0, len(body), self._web.chunk):
            self._web.sent += len(body[start : start + self._web.chunk])
            yield body[start : start + self._web.chunk]
