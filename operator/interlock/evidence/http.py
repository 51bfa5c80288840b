"""Bounded HTTP for bytes that others control: no redirects, no proxies, a cap on everything.

A server that is down, slow, endless or answers a login page costs one sentence, not a process.
Credentials go to the configured address and nowhere else: a redirect is refused, not followed.
"""

import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from interlock.api.facts import Unresolved
from interlock.api.reasons import Reason
from interlock.policy import strict_json

CHUNK = 1024 * 1024
MAX_JSON_BYTES = 4 * 1024 * 1024
MAX_BLOB_BYTES = 4 * 1024 * 1024
TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=20)
"""Seconds. The total is capped by whoever gathers findings."""
_OK, _UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND = 200, 401, 403, 404


class SourceError(Exception):
    """A source of evidence did not do its part. The sentence says what, where and what next."""

    reason = Reason.SOURCE_UNAVAILABLE

    def unresolved(self) -> Unresolved:
        """Return it as the controller is told."""
        return Unresolved(reason=self.reason, message=shown(str(self)))


class SourceUnavailable(SourceError):
    """The source cannot be reached or cannot answer now: worth asking again."""


class SourceRefused(SourceError):
    """The source answered something that we will not take: asking again changes nothing."""

    reason = Reason.SOURCE_REFUSED


class NotFound(SourceError):
    """The source has no such thing, or does not show it to us."""

    reason = Reason.PIN_MISSING


def shown(text: str, limit: int = 1024) -> str:
    """Return foreign text as it may be shown: control characters visible, length capped."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)[:limit]


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer, within its cap."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Body:
    """An answer whose bytes are still to come."""

    status: int
    etag: str
    """What the server calls this state of the bytes (RFC 9110 section 8.8.3); empty for nothing."""
    length: int | None
    chunks: AsyncIterator[bytes]


@dataclass(frozen=True, slots=True)
class Blob:
    """A piece of evidence as it was found. `data` is None where it is over its cap."""

    location: str
    data: bytes | None


class Http:
    """One origin's connections. `name` is what messages call it."""

    def __init__(
        self, name: str, ca_file: Path | None = None, login: tuple[str, str] | None = None
    ) -> None:
        self.name = name
        self._login = {"Authorization": aiohttp.encode_basic_auth(*login)} if login else {}
        self._tls = ssl.create_default_context(cafile=ca_file) if ca_file else True
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close the connections."""
        if self._session:
            await self._session.close()

    async def get(
        self, url: str, *, limit: int = MAX_JSON_BYTES, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Return the answer to a GET, whatever its status. Raises SourceError."""
        async with self._open(url, headers or {}) as response:
            return Answer(
                response.status, dict(response.headers), await self._whole(response, limit)
            )

    async def send(
        self,
        method: str,
        url: str,
        data: bytes,
        *,
        headers: Mapping[str, str] | None = None,
        limit: int = MAX_JSON_BYTES,
    ) -> Answer:
        """Return the answer to JSON that was written, whatever its status. Raises SourceError."""
        named = {"Content-Type": "application/json", **(headers or {})}
        async with self._open(url, named, method, data) as response:
            return Answer(
                response.status, dict(response.headers), await self._whole(response, limit)
            )

    async def json(self, url: str) -> dict[str, Any]:
        """Return a JSON object. Raises NotFound for 404, SourceError for anything but an object."""
        answer = await self.get(url)
        self.expect_ok(answer.status, url)
        return self.parsed(answer, url)

    async def blob(self, url: str, location: str, headers: Mapping[str, str] | None = None) -> Blob:
        """Return a piece of evidence, read no further than its cap. Raises SourceError."""
        data = bytearray()
        async with aclosing(self.stream(url, headers)) as chunks:
            async for chunk in chunks:
                data += chunk
                if len(data) > MAX_BLOB_BYTES:
                    return Blob(location, None)
        return Blob(location, bytes(data))

    async def stream(
        self, url: str, headers: Mapping[str, str] | None = None
    ) -> AsyncGenerator[bytes, None]:
        """Yield the body of a 200 answer in chunks. Raises SourceError."""
        async with self.opened(url, headers) as body:
            self.expect_ok(body.status, url)
            async for chunk in body.chunks:
                yield chunk

    @asynccontextmanager
    async def opened(
        self, url: str, headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[Body]:
        """Give the answer to a GET before its body was read. Raises SourceError."""
        async with self._open(url, headers or {}) as response:
            etag = response.headers.get("ETag", "")
            chunks = response.content.iter_chunked(CHUNK)
            yield Body(response.status, etag, response.content_length, chunks)

    def expect_ok(self, status: int, url: str) -> None:
        """Raise the fitting SourceError unless `status` is 200."""
        if status == _OK:
            return
        if status == _NOT_FOUND:
            raise NotFound(f"{self.name}: {url} does not exist.")
        if status in (_UNAUTHORIZED, _FORBIDDEN):
            raise SourceUnavailable(
                f"{self.name}: {url} answered {status}: it is not there, or Interlock may not read "
                "it. Check the name, and the account in the configuration and its right to read."
            )
        raise SourceUnavailable(
            f"{self.name}: {url} answered {status} where 200 was expected. "
            "Look at the server's log; Interlock asks again."
        )

    def parsed(self, answer: Answer, url: str) -> dict[str, Any]:
        """Return the body as a JSON object. Raises SourceUnavailable: a proxy may be in the way."""
        try:
            value = strict_json.load(answer.body, limit=MAX_JSON_BYTES)
        except ValueError as error:
            kind = answer.headers.get("Content-Type", "no content type")
            raise SourceUnavailable(
                f"{self.name}: {url} answered {shown(kind, 60)} where JSON was expected ({error}). "
                "Is a login page or a proxy in the way? Check the address in the configuration."
            ) from error
        if not isinstance(value, dict):
            raise SourceRefused(f"{self.name}: {url} answered JSON that is not an object.")
        return value

    async def _whole(self, response: aiohttp.ClientResponse, limit: int) -> bytes:
        body = bytearray()
        async for chunk in response.content.iter_chunked(CHUNK):
            body += chunk
            if len(body) > limit:
                raise SourceRefused(
                    f"{self.name}: {response.url} sent more than {limit} bytes. "
                    "Ask its owner what it serves there."
                )
        return bytes(body)

    @asynccontextmanager
    async def _open(
        self, url: str, headers: Mapping[str, str], method: str = "GET", data: bytes | None = None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        try:
            async with self._opened().request(
                method,
                url,
                data=data,
                headers={**self._login, **headers},
                allow_redirects=False,
            ) as response:
                yield response
        except TimeoutError as error:
            raise SourceUnavailable(
                f"{self.name}: {url} did not answer in time. Interlock asks again."
            ) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise SourceUnavailable(
                f"{self.name}: {url} cannot be read: {shown(str(error), 200)}. "
                "Check the address in the configuration and the server."
            ) from error

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=self._tls, limit=8),
                timeout=TIMEOUT,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,  # what unpacks to gigabytes is refused unread
                headers={"Accept-Encoding": "identity"},
                read_bufsize=CHUNK,
            )
        return self._session
