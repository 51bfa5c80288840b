"""The process: deliveries wake and do nothing else, each forge holds up itself alone."""

import asyncio
import hashlib
import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from interlock.api import config as settings
from interlock.api.config import Config
from interlock.bridge import service
from interlock.bridge.port import RateLimited
from interlock.bridge.service import Watcher, application, forge
from interlock.evidence.http import SourceRefused, SourceUnavailable
from support.forges import serving

SECRET = b"0123456789abcdef"


class Looks:
    """A watch and a governance that count, and do what the test says."""

    def __init__(self, *troubles: Exception | None) -> None:
        self.troubles = list(troubles)
        self.count = 0

    async def now(self) -> None:
        """No governance is needed."""

    async def look(self, governed: Any) -> None:
        self.count += 1
        trouble = self.troubles.pop(0) if self.troubles else None
        if trouble:
            raise trouble

    async def reach(self, count: int) -> None:
        """Wait until there were so many looks."""
        async with asyncio.timeout(10):
            while self.count < count:
                await asyncio.sleep(0.001)


def watcher(looks: Any, url: str = "https://git.example", interval: float = 3600) -> Watcher:
    return Watcher(url, interval, looks, looks)


@asynccontextmanager
async def running(*watchers: Watcher) -> AsyncIterator[str]:
    tasks = [asyncio.create_task(one.run()) for one in watchers]
    try:
        async with serving(application(list(watchers), SECRET)) as url:
            yield url
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "LEAST_PAUSE", 0.0)


async def post(url: str, headers: dict[str, str], body: bytes = b"{}") -> int:
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, data=body, headers=headers) as response,
    ):
        return response.status


def signed(body: bytes, secret: bytes = SECRET) -> str:
    return hmac.new(secret, body, hashlib.sha256).hexdigest()


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Gitea-Signature": signed(b"{}")},
        {"X-Hub-Signature-256": f"sha256={signed(b'{}')}"},
        {"X-Gitlab-Token": SECRET.decode()},
    ],
)
async def test_a_delivery_of_each_forge_wakes(headers: dict[str, str]) -> None:
    looks = Looks()
    async with running(watcher(looks)) as url:
        await looks.reach(1)
        assert await post(f"{url}/wake/git.example", headers) == 202
        await looks.reach(2)
    assert looks.count == 2


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Gitea-Signature": signed(b"{}", b"another-secret-000")},
        {"X-Gitea-Signature": signed(b"other")},
        {"X-Gitlab-Token": "guess"},
        {"X-Gitlab-Token": ""},
    ],
)
async def test_a_delivery_without_the_secret_wakes_nobody(headers: dict[str, str]) -> None:
    looks = Looks()
    async with running(watcher(looks)) as url:
        await looks.reach(1)
        assert await post(f"{url}/wake/git.example", headers) == 401
    assert looks.count == 1


async def test_a_delivery_for_a_forge_that_is_not_ours_is_refused() -> None:
    looks = Looks()
    async with running(watcher(looks)) as url:
        await looks.reach(1)
        headers = {"X-Gitea-Signature": signed(b"{}")}
        assert await post(f"{url}/wake/other.example", headers) == 404
    assert looks.count == 1


@pytest.mark.parametrize(
    "trouble", [SourceUnavailable("down"), SourceRefused("no"), ValueError("a surprise")]
)
async def test_a_look_that_fails_is_followed_by_another(trouble: Exception) -> None:
    looks = Looks(trouble)
    async with running(watcher(looks, interval=0.001)):
        await looks.reach(2)


async def test_one_forge_that_hangs_holds_up_no_other() -> None:
    class Hangs(Looks):
        async def look(self, governed: Any) -> None:
            await asyncio.Event().wait()

    looks = Looks()
    async with running(watcher(Hangs(), "https://slow.example"), watcher(looks, interval=0.001)):
        await looks.reach(3)


async def test_a_forge_that_wants_patience_is_left_alone_even_when_it_wakes_us() -> None:
    looks = Looks(RateLimited("too many requests", 3600))
    one = watcher(looks, interval=0.001)
    async with running(one) as url:
        await looks.reach(1)
        assert await post(f"{url}/wake/git.example", {"X-Gitlab-Token": SECRET.decode()}) == 202
        assert looks.count == 1


async def test_a_bridge_whose_looks_do_not_end_is_not_ready() -> None:
    looks = Looks()
    one = watcher(looks)
    assert not one.alive
    async with running(one) as url, aiohttp.ClientSession() as session:
        await looks.reach(1)
        async with asyncio.timeout(10):
            while not one.alive:
                await asyncio.sleep(0)
        async with session.get(f"{url}/readyz") as ready, session.get(f"{url}/healthz") as well:
            assert (ready.status, well.status) == (200, 200)


@pytest.mark.parametrize(
    ("kind", "url", "api"),
    [
        ("gitea", "https://git.example", "https://git.example/api/v1"),
        ("github", "https://github.com", "https://api.github.com"),
        ("github", "https://ghe.example", "https://ghe.example/api/v3"),
        ("gitlab", "https://gitlab.example/git", "https://gitlab.example/git/api/v4"),
    ],
)
async def test_each_kind_has_its_api_where_it_has_it(
    tmp_path: Path, kind: str, url: str, api: str
) -> None:
    (tmp_path / "token").write_text("t0ken\n")
    whole = {"url": url, "kind": kind, "tokenFile": str(tmp_path / "token")}
    made: Any = forge(settings.Forge.model_validate(whole))
    assert made._rest._base == api
    await made.close()


@pytest.mark.parametrize("data", [b"", b"two\nlines", b"\xff"])
def test_a_token_that_is_none_is_a_sentence(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "token").write_bytes(data)
    whole = {"url": "https://git.example", "kind": "gitea", "tokenFile": str(tmp_path / "token")}
    with pytest.raises((SourceRefused, SourceUnavailable), match="token file"):
        forge(settings.Forge.model_validate(whole))


async def test_without_its_part_of_the_configuration_it_does_not_start() -> None:
    with pytest.raises(ValueError, match="forgeBridge"):
        await service.run(Config(), None, asyncio.Event(), in_cluster=False)
