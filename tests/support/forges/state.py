"""What a forge of the tests holds, and how one of its three faces is served."""

import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web

REPOSITORY = "line-4/agents"
PAGE = 2
"""Entries of a page, whatever is asked for: real forges have a cap of their own, too."""
START = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
TOKEN = "bridge-token"


@dataclass
class Forge:
    """One repository with one pull request, and who did what to it."""

    users: dict[int, str] = field(default_factory=lambda: {1: "interlock", 41: "dev"})
    bots: set[int] = field(default_factory=set)
    author: int = 41
    state: str = "open"
    merged: bool = False
    head: str = "a" * 40
    branch: str = "change"
    updated: datetime = START
    versions: list[tuple[str, datetime]] = field(default_factory=lambda: [("a" * 40, START)])
    reviews: list[dict[str, Any]] = field(default_factory=list)
    """id, user, word (approve, reject, comment), commit, at; official, stale, dismissed."""
    pushes: list[tuple[int, str]] = field(default_factory=lambda: [(41, "a" * 40)])
    commits: list[tuple[int | None, str]] = field(
        default_factory=lambda: [(41, "dev@line-4.example")]
    )
    message: str = "change"
    """Of each commit."""
    files: dict[str, dict[str, bytes]] = field(default_factory=dict)
    """By commit or branch, then by path."""
    links: set[str] = field(default_factory=set)
    """Paths of files that are symbolic links."""
    tags: dict[str, str] = field(default_factory=dict)
    """Name to commit."""
    changed: list[str] = field(default_factory=list)
    statuses: list[dict[str, Any]] = field(default_factory=list)
    comments: list[dict[str, Any]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    answer: Callable[[web.Request], web.Response | None] = lambda _: None
    """What is answered instead, while it answers anything."""

    def at(self, **delta: float) -> datetime:
        """A moment after the beginning."""
        return START + timedelta(**delta)

    def user(self, number: int) -> str:
        """The login of an account."""
        return self.users.get(number, f"user-{number}")


def stamp(moment: datetime) -> str:
    """As forges write moments."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def page(request: web.Request, entries: Sequence[Any]) -> tuple[list[Any], int, bool]:
    """The entries of the page that is asked for, its number, and whether there are more."""
    number = int(request.query.get("page", "1"))
    start = (number - 1) * PAGE
    return list(entries[start : start + PAGE]), number, start + PAGE < len(entries)


def linked(request: web.Request, entries: Sequence[Any]) -> web.Response:
    """A page with a Link header, as GitHub and GitLab have it: none where there is one page."""
    found, number, more = page(request, entries)
    headers = {}
    if more:
        url = request.url.update_query(page=str(number + 1))
        headers["Link"] = f'<{url}>; rel="next", <{url}>; rel="last"'
    return web.json_response(found, headers=headers)


def counted(request: web.Request, entries: Sequence[Any]) -> web.Response:
    """A page with the count of all, as Gitea has it."""
    found, _, _ = page(request, entries)
    return web.json_response(found, headers={"X-Total-Count": str(len(entries))})


def guarded(forge: Forge, header: str, value: str) -> Any:
    """Refuses who shows no token, and answers instead where the test wants it."""

    @web.middleware
    async def guard(request: web.Request, handler: Any) -> web.StreamResponse:
        forge.asked.append(f"{request.method} {request.path_qs}")
        if request.headers.get(header) != value:
            return web.json_response({"message": "Requires authentication"}, status=401)
        instead = forge.answer(request)
        return instead if instead is not None else await handler(request)

    return guard


@asynccontextmanager
async def serving(app: web.Application) -> AsyncIterator[str]:
    """Serve on loopback; the address."""
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    try:
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()


async def body(request: web.Request) -> dict[str, Any]:
    """The JSON object that was written."""
    found: dict[str, Any] = json.loads(await request.read())
    return found
