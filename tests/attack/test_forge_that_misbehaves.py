"""A forge that is down, hangs, answers a login page or a million reviews costs its own time only.

It signs nothing, takes nothing back, is said in a sentence, and other pull requests are looked at.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from interlock.api import config
from interlock.bridge import look, rest
from interlock.bridge.governed import Governed
from interlock.bridge.look import Watch
from interlock.bridge.port import Forge as Port
from interlock.bridge.service import forge as adapter
from support import facts, forges
from support.forges.state import START, TOKEN, Forge
from support.forgetown import ACCOUNTS, HEAD, Town, agent_file, town


class Place:
    """A forge over HTTP, and the bridge's look at it."""

    def __init__(self, home: Path, state: Forge, port: Port) -> None:
        self.town: Town = town(home)
        self.state, self.watch = state, Watch(self.town.watch._bridge, port)

    async def look(self) -> None:
        self.town.now += timedelta(minutes=1)
        await self.watch.look(Governed(self.town.policy, self.town.targets))


@asynccontextmanager
async def at(home: Path) -> AsyncIterator[Place]:
    state = Forge(files={HEAD: {facts.PATH: agent_file()}}, changed=[facts.PATH])
    said = {"id": 1, "user": ACCOUNTS["quality-1"], "word": "approve", "commit": HEAD}
    state.reviews = [said | {"at": START}]
    (home / "token").write_text(TOKEN)
    async with forges.serving(forges.gitea(state)) as api:
        whole = {"url": "https://git.example", "kind": "gitea", "api": api}
        port = adapter(config.Forge.model_validate(whole | {"tokenFile": str(home / "token")}))
        yield Place(home, state, port)
        await port.close()


APPROVED = [("quality-1", "approve")]


@pytest.mark.parametrize(
    "answer",
    [
        {"status": 500, "text": "<h1>Internal error</h1>"},
        {"status": 200, "text": "<html>Sign in</html>", "content_type": "text/html"},
        {"status": 200, "text": "[" * 100_000},
        {"status": 200, "text": "[{}]"},
        {"status": 200, "text": "null"},
        {"status": 404, "text": "{}"},
        {"status": 302, "headers": {"Location": "https://evil.example/"}},
    ],
)
async def test_what_is_no_answer_changes_nothing(
    answer: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with at(tmp_path) as place:
        await place.look()
        assert await place.town.words() == APPROVED
        place.state.reviews[0]["dismissed"] = True

        def broken(request: web.Request) -> web.Response | None:
            return web.Response(**answer) if "reviews" in request.path else None

        place.state.answer = broken
        with caplog.at_level(logging.WARNING):
            await place.look()
        assert await place.town.words() == APPROVED
        assert "line-4/agents#7 was not looked at" in caplog.text
        place.state.answer = lambda _: None
        place.state.updated = START + timedelta(minutes=5)
        await place.look()
        assert await place.town.words() == [*APPROVED, ("quality-1", "revoke")]


async def test_a_page_without_end_is_read_no_further(tmp_path: Path) -> None:
    async with at(tmp_path) as place:
        place.state.answer = lambda request: (
            web.Response(body=b"[" + b" " * (5 * 1024 * 1024))
            if "reviews" in request.path
            else None
        )
        await place.look()
        assert await place.town.words() == []
        assert "more than 4194304 bytes" in place.state.statuses[-1]["description"]


async def test_a_million_reviews_are_refused_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rest, "MAX_ITEMS", 40)
    async with at(tmp_path) as place:
        one = place.state.reviews[0]
        place.state.reviews = [one | {"id": n} for n in range(1, 1001)]
        await place.look()
        assert await place.town.words() == []
        assert place.state.statuses[-1]["state"] == "error"
        assert "no more are read" in place.state.statuses[-1]["description"]
        asked = len(place.state.asked)
        await place.look()
        assert len([path for path in place.state.asked[asked:] if "reviews" in path]) == 0


async def test_a_forge_that_hangs_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(look, "MAX_SECONDS", 0.2)
    async with at(tmp_path) as place:
        stuck = asyncio.Event()
        port: Any = place.watch._forge
        reviews = port.reviews

        async def hang(_: Any) -> Any:
            await stuck.wait()

        port.reviews = hang
        await place.look()
        assert await place.town.words() == []
        port.reviews = reviews
        monkeypatch.setattr(look, "MAX_SECONDS", 60.0)
        await place.look()
        assert await place.town.words() == APPROVED
