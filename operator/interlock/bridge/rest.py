"""JSON over HTTP as forges speak it: pages, patience and a cap on each of them.

A forge that is down, answers a login page, or lists without end costs one sentence. What did not
change is not sent again (RFC 9110, 13.1.2): requests that answer 304 cost no quota at GitHub.
"""

import json
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode

from pydantic import BaseModel, ConfigDict, ValidationError

from interlock.bridge.port import RateLimited
from interlock.evidence.http import Answer, Http, NotFound, SourceRefused, SourceUnavailable, shown

MAX_ITEMS = 2000
"""Entries of one list that are read; a forge that lists more is refused."""
MAX_PAGES = 200
"""Pages in which they may come: who gives one entry a page is not asked two thousand times."""
MAX_TOKEN = 4096
LONGEST_WAIT = 3600.0
"""Seconds. However long a forge asks us to wait, it is asked again after this."""
SHORTEST_WAIT = 1.0
_KEPT = 256
_MAX_KEPT = 64 * 1024
_WAIT = 60.0
_NOT_MODIFIED, _FORBIDDEN, _TOO_MANY = 304, 403, 429
_CREATED = range(200, 300)


class Said(BaseModel):
    """A piece of a forge's answer: what we read of it is typed, the rest is left alone."""

    model_config = ConfigDict(extra="ignore", frozen=True)


S = TypeVar("S", bound=Said)


class Rest:
    """One forge's API. `base` is its address without a trailing slash.

    `linked` forges say in a Link header that there is a next page; of the others pages are asked
    for by number until they told us as many entries as they have, or answer an empty page.
    """

    def __init__(
        self,
        name: str,
        base: str,
        headers: Mapping[str, str],
        ca_file: Path | None = None,
        *,
        linked: bool = True,
    ) -> None:
        self._name, self._base, self._headers, self._linked = name, base, dict(headers), linked
        self._http = Http(name, ca_file)
        self._kept: OrderedDict[str, tuple[str, Answer]] = OrderedDict()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    async def get(self, kind: type[S], path: str, /, **query: str | int) -> S:
        """Return one object. Raises SourceError."""
        url = self._url(path, query)
        return self._typed(kind, self._parsed(await self._get(url), url), url)

    async def every(self, kind: type[S], path: str, /, **query: str | int) -> list[S]:
        """Return all entries of a list. Raises SourceError."""
        return [one async for one in self.pages(kind, path, **query)]

    async def whole(self, kind: type[S], path: str, /, **query: str | int) -> list[S]:
        """Return all entries of a list that has no pages. Raises SourceError."""
        url = self._url(path, query)
        found = self._listed(self._parsed(await self._get(url), url), url)
        return [self._typed(kind, one, url) for one in found[:MAX_ITEMS]]

    async def pages(self, kind: type[S], path: str, /, **query: str | int) -> AsyncIterator[S]:
        """Yield the entries of a list, page after page, until the forge says that it ends."""
        url, number, count = self._url(path, query), 1, 0
        while url:
            answer = await self._get(url)
            found = self._listed(self._parsed(answer, url), url)
            count += len(found)
            if count > MAX_ITEMS or number > MAX_PAGES:
                raise SourceRefused(
                    f"{self._name}: {self._url(path, query)} lists more than {MAX_ITEMS} entries, "
                    "and no more are read. Split the pull request, or close it."
                )
            for one in found:
                yield self._typed(kind, one, url)
            number += 1
            if self._linked:
                url = self._after(answer)
            else:
                ended = not found or str(count) == _header(answer, "x-total-count")
                url = "" if ended else self._url(path, {**query, "page": number})

    async def raw(
        self, path: str, limit: int, *, accept: str = "*/*", **query: str | int
    ) -> bytes | None:
        """Return the bytes of a file, None where there is none. Raises SourceError."""
        url = self._url(path, query)
        headers = {**self._headers, "Accept": accept}
        try:
            answer = await self._http.get(url, limit=limit, headers=headers)
            self._expect(answer, url)
        except NotFound:
            return None
        return answer.body

    async def send(self, method: str, path: str, body: Mapping[str, Any]) -> None:
        """Write something. Raises SourceError."""
        url = self._url(path, {})
        data = json.dumps(body).encode()
        answer = await self._http.send(method, url, data, headers=self._headers)
        if answer.status not in _CREATED:
            self._expect(answer, url)

    async def _get(self, url: str) -> Answer:
        etag, old = self._kept.get(url, ("", None))
        condition = {"If-None-Match": etag} if etag else {}
        answer = await self._http.get(url, headers={**self._headers, **condition})
        if old is not None and answer.status == _NOT_MODIFIED:
            self._kept.move_to_end(url)
            return old
        self._expect(answer, url)
        self._keep(url, answer)
        return answer

    def _keep(self, url: str, answer: Answer) -> None:
        etag = _header(answer, "etag")
        if etag and len(answer.body) <= _MAX_KEPT:
            self._kept[url] = (etag, answer)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)

    def _expect(self, answer: Answer, url: str) -> None:
        """Raise the fitting SourceError unless the answer is 200."""
        if (wait := _wait(answer)) is not None:
            raise RateLimited(
                f"{self._name}: {url} answered {answer.status}: too many requests. "
                f"It is asked again in {wait:.0f} s.",
                wait,
            )
        self._http.expect_ok(answer.status, url)

    def _after(self, answer: Answer) -> str:
        """Return the address of `rel="next"` (RFC 8288); credentials go to no other origin."""
        links = _header(answer, "link").split(",")
        link = next((each for each in links if 'rel="next"' in each), "")
        url = link.partition("<")[2].partition(">")[0]
        if url and not url.startswith(f"{self._base}/"):
            raise SourceRefused(f"{self._name}: the next page is said to be at {shown(url, 200)}.")
        return url

    def _parsed(self, answer: Answer, url: str) -> object:
        try:
            return json.loads(answer.body)
        except (ValueError, RecursionError) as error:
            kind = shown(_header(answer, "content-type"), 60) or "no content type"
            raise SourceUnavailable(
                f"{self._name}: {url} answered {kind} where JSON was expected. "
                "Is a login page or a proxy in the way? Check the address in the configuration."
            ) from error

    def _listed(self, value: object, url: str) -> list[object]:
        if not isinstance(value, list):
            raise SourceRefused(f"{self._name}: {url} answered JSON that is not a list.")
        return value

    def _typed(self, kind: type[S], value: object, url: str) -> S:
        try:
            return kind.model_validate(value)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, first["loc"])) or "the answer"
            raise SourceRefused(
                f"{self._name}: {url}: {shown(where, 100)}: {first['msg']}. "
                "Is this a forge of the kind that the configuration says?"
            ) from None

    def _url(self, path: str, query: Mapping[str, str | int]) -> str:
        return f"{self._base}{path}{'?' if query else ''}{urlencode(query)}"


def token(path: Path) -> str:
    """Return the token in a file. Raises SourceError."""
    try:
        text = path.read_text()[: MAX_TOKEN + 1].strip()
    except (OSError, UnicodeDecodeError):
        raise SourceUnavailable(f"the token file {path} cannot be read. Mount it.") from None
    if not text or len(text) > MAX_TOKEN or not text.isprintable():
        raise SourceRefused(f"the token file {path} does not hold one token on one line.")
    return text


def _wait(answer: Answer) -> float | None:
    """Return for how long the forge asks us to wait, None where it does not."""
    if answer.status not in (_FORBIDDEN, _TOO_MANY):
        return None
    after = _header(answer, "retry-after")
    left = _header(answer, "x-ratelimit-remaining") or _header(answer, "ratelimit-remaining")
    reset = _header(answer, "x-ratelimit-reset") or _header(answer, "ratelimit-reset")
    if answer.status == _FORBIDDEN and not after and left != "0":
        return None
    wait = _WAIT
    if after.isdigit():
        wait = float(after[:9])
    elif left == "0" and reset.isdigit():
        wait = float(reset[:12]) - time.time()
    return min(LONGEST_WAIT, max(SHORTEST_WAIT, wait))


def _header(answer: Answer, name: str) -> str:
    return next((value for key, value in answer.headers.items() if key.lower() == name), "")
