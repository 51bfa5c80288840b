"""HTTP requests that end in an answer or in a sentence.

Bodies stream, so that a model of many gigabytes needs no memory. A password goes to the address
that the user gave and nowhere else: requests are not redirected, save for blobs, without it.
Proxies and certificate authorities come from the environment, as for every other tool of a CI job.
"""

import base64
import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import urljoin, urlsplit

from interlock.evidence.http import shown
from interlock_pipelines.errors import BadInput, PipelineError, Refused, Unavailable

SECONDS = 60.0
"""How long a server may stay silent."""
MAX_ANSWER_BYTES = 4 * 1024 * 1024
_CHUNK = 1024 * 1024
_DENIED = (401, 403)
_ELSEWHERE = (301, 302, 303, 307, 308)
_SERVER_ERROR = 500
_Opened = http.client.HTTPResponse


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered."""

    status: int
    headers: Message
    body: bytes


class Http:
    """Requests to one service under one account. `name` is what messages call it."""

    def __init__(self, name: str, login: tuple[str, str] | None = None) -> None:
        self.name = name
        self.user = login[0] if login else ""
        self.basic = {"Authorization": _basic(*login)} if login else {}

    def send(
        self,
        method: str,
        url: str,
        accept: Collection[int] = (200,),
        body: bytes | Iterable[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Return the answer if its status is in `accept`. Raises PipelineError.

        The headers of a body that streams must say its Content-Length.
        """
        answer = self._ask(method, url, body, self.basic | dict(headers or {}))
        if answer.status not in accept:
            raise self._refusal(method, url, answer)
        return answer

    def ask(
        self,
        method: str,
        url: str,
        body: Mapping[str, object] | None = None,
        accept: Collection[int] = (200,),
    ) -> Answer:
        """Send a JSON object, if any."""
        data = None if body is None else json.dumps(body).encode()
        return self.send(method, url, accept, data, {"Content-Type": "application/json"})

    def json(self, method: str, url: str, body: Mapping[str, object] | None = None) -> Any:
        """Send a JSON object, if any, and return the JSON object of a 200 answer."""
        return self.parsed(url, self.ask(method, url, body))

    def parsed(self, url: str, answer: Answer) -> dict[str, Any]:
        """Return the body as a JSON object. Raises Unavailable: a proxy may be in the way."""
        try:
            value = json.loads(answer.body)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            kind = shown(answer.headers.get("Content-Type") or "no content type", 60)
            raise Unavailable(
                f"{self.name}: {url} answered {kind} where a JSON object was expected. "
                "Is a login page or a proxy in the way? Check the address."
            )
        return value

    def stream(self, url: str, headers: Mapping[str, str]) -> Iterator[bytes]:
        """Yield the body of a 200 answer in chunks. Raises PipelineError.

        Registries send readers of blobs to other hosts. Such a host is told neither password nor
        token; what it serves is worth what its digest is, which is for the caller to count.
        """
        with self._answered("GET", url, None, self.basic | dict(headers)) as answer:
            if answer.status not in _ELSEWHERE:
                yield from self._chunks("GET", url, answer)
                return
            place = urljoin(url, answer.headers.get("Location") or "")
        if urlsplit(place).scheme not in ("https", urlsplit(url).scheme):
            raise Refused(f"{self.name}: {url} sends its readers to {shown(place, 120)!r}.")
        with self._answered("GET", place, None, {}) as answer:
            yield from self._chunks("GET", place, answer)

    def _chunks(self, method: str, url: str, answer: _Opened) -> Iterator[bytes]:
        if answer.status != HTTPStatus.OK:
            body = answer.read(MAX_ANSWER_BYTES)
            raise self._refusal(method, url, Answer(answer.status, answer.headers, body))
        while chunk := answer.read(_CHUNK):
            yield chunk

    def _ask(
        self, method: str, url: str, body: bytes | Iterable[bytes] | None, headers: dict[str, str]
    ) -> Answer:
        with self._answered(method, url, body, headers) as answer:
            return Answer(answer.status, answer.headers, answer.read(MAX_ANSWER_BYTES))

    @contextmanager
    def _answered(
        self,
        method: str,
        url: str,
        body: bytes | Iterable[bytes] | None,
        headers: Mapping[str, str],
    ) -> Iterator[_Opened]:
        """Open the answer, whatever its status."""
        try:
            request = urllib.request.Request(url, body, dict(headers), method=method)  # noqa: S310
            with _opened(request) as answer:
                yield answer
        except (OSError, http.client.HTTPException) as error:
            reason = shown(str(getattr(error, "reason", error)), 200)
            raise Unavailable(
                f"{self.name}: {method} {url} got no answer: {reason}. "
                "Check the address and whether the service runs, then start again."
            ) from error
        except ValueError as error:
            raise BadInput(f"{self.name}: {shown(url, 200)!r} is no address: {error}.") from error

    def _refusal(self, method: str, url: str, answer: Answer) -> PipelineError:
        said = f"{self.name}: {method} {url} answered {answer.status}{_said(answer)}."
        if answer.status in _DENIED:
            account = f"account {self.user!r}" if self.user else "whoever has no account"
            return Refused(
                f"{said} Here {account} may not do this: check name, password and rights."
            )
        if answer.status >= _SERVER_ERROR:
            return Unavailable(f"{said} Look at the server's log, then start again.")
        return Refused(f"{said} Check what was asked for.")


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        """Let a redirect end as the answer that it is."""


_OPENER = urllib.request.build_opener(_NoRedirect)


def _opened(request: urllib.request.Request) -> _Opened:
    try:
        opened: http.client.HTTPResponse = _OPENER.open(request, timeout=SECONDS)
        return opened
    except urllib.error.HTTPError as answer:  # an answer like any other
        return cast(_Opened, answer)


def _basic(user: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


def _said(answer: Answer) -> str:
    """Return the message of an MLflow or OCI error answer, or nothing where it is none."""
    try:
        value = json.loads(answer.body)
        entry = value["errors"][0] if "errors" in value else value
        return f" ({shown(str(entry['message']), 300).rstrip('.')})"
    except (ValueError, LookupError, TypeError):
        return ""
