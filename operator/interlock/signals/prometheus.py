"""Asks Prometheus instant questions that have one number for an answer, and bounds everything.

No data is never good (I5): what is empty, not a number, late, too long, redirected or incomplete
raises `Unmeasured`, and a signal makes of that a sample that says nothing.
"""

import asyncio
import math
import ssl
from collections.abc import Awaitable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import aiohttp

from interlock.api.config import Prometheus as Settings
from interlock.api.kinds.base import seconds
from interlock.policy import strict_json
from interlock.signals.contract import Sample
from interlock.signals.fields import field, sentence

MAX_BYTES = 64 * 1024
"""One number needs 200 bytes. Reading more would keep the event loop from moving traffic."""
MAX_TOKEN = 16 * 1024
CONNECTIONS = 16
QUESTION = "question"
"""Label by which the answers to several questions in one query are told apart."""
_OK = 200


class Unmeasured(Exception):
    """There is no number. The sentence says why."""


class Numbers(Protocol):
    """Where signals get numbers from. Both raise Unmeasured and end when cancelled."""

    async def value(self, query: str, timeout: str) -> float:
        """Return the one number that a query amounts to now."""

    async def values(self, queries: Mapping[str, str], timeout: str) -> dict[str, float]:
        """Return the numbers of several queries, asked as one; what has no data is left out."""


class Prometheus:
    """One Prometheus, or what speaks its API."""

    def __init__(self, settings: Settings) -> None:
        self._url = f"{settings.url.rstrip('/')}/api/v1/query"
        self._token = settings.token_file
        self._tls = ssl.create_default_context(cafile=settings.ca_file)
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close the connections."""
        if self._session:
            await self._session.close()

    async def value(self, query: str, timeout: str) -> float:
        """Return the one number that a query amounts to now."""
        data = await self._ask(query, timeout)
        result = data.get("result")
        if data.get("resultType") == "scalar":
            return _number(result)
        series = _series(data)
        if len(series) > 1:
            raise Unmeasured(
                f"the query amounts to {len(series)} series, expected one; aggregate it, as sum()"
            )
        if not series:
            raise Unmeasured("the query has no data")
        return _number(series[0].get("value"))

    async def values(self, queries: Mapping[str, str], timeout: str) -> dict[str, float]:
        """Return the numbers of several queries, asked as one; what has no data is left out."""
        one = " or ".join(
            f'label_replace({query}, "{QUESTION}", "{name}", "", "")'
            for name, query in queries.items()
        )
        series = _series(await self._ask(one, timeout))
        found = {str(field(each, "metric", QUESTION)): each for each in series}
        if len(found) != len(series) or not found.keys() <= queries.keys():
            raise Unmeasured("Prometheus answered what was not asked")
        return {
            name: number
            for name, each in found.items()
            if not math.isnan(number := _float(each.get("value")))
        }

    async def _ask(self, query: str, timeout: str) -> Mapping[str, Any]:
        try:
            async with asyncio.timeout(seconds(timeout)):
                body = await self._body(query, timeout)
        except TimeoutError:
            raise Unmeasured(f"Prometheus did not answer within {timeout}") from None
        except (aiohttp.ClientError, OSError) as error:
            words = sentence(str(error)) or type(error).__name__
            raise Unmeasured(f"Prometheus cannot be asked: {words}") from None
        except ValueError as error:
            raise Unmeasured(f"Prometheus answered no JSON of its API: {error}") from None
        return body

    async def _body(self, query: str, timeout: str) -> Mapping[str, Any]:
        form = {"query": query, "timeout": timeout}
        async with self._opened().post(
            self._url, data=form, headers=_login(self._token), allow_redirects=False
        ) as answer:
            raw = await _read(answer)
            if answer.status != _OK:
                raise Unmeasured(f"Prometheus answered {answer.status}{_reason(raw)}")
        said = strict_json.load(raw, limit=MAX_BYTES)
        if field(said, "status") != "success":
            raise Unmeasured("Prometheus did not succeed")
        if field(said, "warnings"):
            raise Unmeasured("Prometheus answered with warnings: its data may be incomplete")
        data = field(said, "data")
        return data if isinstance(data, dict) else {}

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=self._tls, limit=CONNECTIONS),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                headers={"Accept-Encoding": "identity"},
            )
        return self._session


async def measured(now: datetime, asked: Awaitable[Sample]) -> Sample:
    """Return a sample that is being asked for, or one that says nothing where there is no data."""
    try:
        return await asked
    except Unmeasured as error:
        return Sample(now, "none", str(error))


def _login(token: Path | None) -> dict[str, str]:
    if token is None:
        return {}
    text = token.read_bytes()[:MAX_TOKEN].decode("ascii").strip()  # anew: tokens are rotated
    return {"Authorization": f"Bearer {text}"}


async def _read(answer: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in answer.content.iter_any():
        body += chunk
        if len(body) > MAX_BYTES:
            answer.close()
            raise Unmeasured(f"the answer is longer than {MAX_BYTES} bytes; narrow the query")
    return bytes(body)


def _reason(raw: bytes) -> str:
    try:
        words = field(strict_json.load(raw, limit=MAX_BYTES), "error")
    except ValueError:
        return ""
    return f": {sentence(words)}" if isinstance(words, str) else ""


def _series(data: Mapping[str, Any]) -> list[dict[str, Any]]:
    result = data.get("result")
    if data.get("resultType") != "vector" or not isinstance(result, list):
        raise Unmeasured("the query amounts to no number; it must be an instant vector or a scalar")
    return [each if isinstance(each, dict) else {} for each in result]


def _number(value: object) -> float:
    number = _float(value)
    if math.isnan(number) or number == -math.inf:
        raise Unmeasured("the query amounts to NaN, which is no data")
    return number


def _float(value: object) -> float:
    """Return the number of a pair [time, text], as Prometheus writes it."""
    match value:
        case [int() | float(), str() as text]:
            try:
                return float(text)
            except ValueError:
                pass
    raise Unmeasured("Prometheus answered a series without a number")
