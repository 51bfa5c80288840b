"""An HTTP port without a network: answers by address, in chunks as small as wished."""

import json
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from interlock.evidence.http import Answer, Http, SourceRefused


@dataclass
class Web:
    """What a whole world of servers answers. `make` takes the place of the class Http."""

    answers: dict[str, Answer] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    logins: list[tuple[str, str] | None] = field(default_factory=list)
    chunk: int = 1 << 20

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

    async def stream(
        self, url: str, headers: Mapping[str, str] | None = None
    ) -> AsyncGenerator[bytes, None]:
        """The body of the answer, piece by piece."""
        answer = await self.get(url, limit=1 << 40, headers=headers)
        self.expect_ok(answer.status, url)
        for start in range(0, len(answer.body), self._web.chunk):
            yield answer.body[start : start + self._web.chunk]
