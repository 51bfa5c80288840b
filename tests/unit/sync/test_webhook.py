import asyncio
import hashlib
import hmac
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest
from aiohttp import ClientSession
from aiohttp.test_utils import TestServer

from interlock.sync import webhook
from interlock.sync.__main__ import main

SECRET = b"0123456789abcdef0123456789abcdef"
NONE: Mapping[str, str] = {}
BODY = b'{"ref": "refs/heads/main"}'


class Syncing:
    def __init__(self) -> None:
        self.alive = True
        self.woken: list[tuple[str, str]] = []

    def wake(self, namespace: str, name: str) -> None:
        self.woken.append((namespace, name))


@pytest.fixture
def syncing() -> Syncing:
    return Syncing()


@pytest.fixture
async def url(syncing: Syncing) -> AsyncIterator[str]:
    async with TestServer(webhook.application(syncing, SECRET)) as server:
        yield f"http://{server.host}:{server.port}"


def signed(body: bytes, secret: bytes = SECRET) -> str:
    return hmac.new(secret, body, hashlib.sha256).hexdigest()


async def post(url: str, body: bytes = BODY, headers: Mapping[str, str] = NONE) -> int:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with (
        ClientSession() as session,
        session.post(f"{url}/wake/line-4/agents", data=body, headers=named) as answer,
    ):
        return answer.status


@pytest.mark.parametrize(
    "headers",
    [
        {"X_Hub_Signature_256": f"sha256={signed(BODY)}"},
        {"X_Gitea_Signature": signed(BODY)},
        {"X_Forgejo_Signature": signed(BODY)},
        {"X_Gitlab_Token": SECRET.decode()},
    ],
)
async def test_a_forge_s_delivery_wakes_the_repository_that_its_path_names(
    url: str, syncing: Syncing, headers: dict[str, str]
) -> None:
    assert await post(url, headers=headers) == 202
    assert syncing.woken == [("line-4", "agents")]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X_Hub_Signature_256": "sha256="},
        {"X_Hub_Signature_256": f"sha256={signed(b'another body')}"},
        {"X_Hub_Signature_256": f"sha256={signed(BODY, b'another secret')}"},
        {"X_Gitea_Signature": ""},
        {"X_Gitlab_Token": "guessed"},
        {"X_Gitlab_Token": "", "X_Hub_Signature_256": f"sha256={signed(BODY)}"},
    ],
)
async def test_anybody_else_s_wakes_nothing(
    url: str, syncing: Syncing, headers: dict[str, str]
) -> None:
    assert await post(url, headers=headers) == 401
    assert syncing.woken == []


async def test_a_delivery_without_end_wakes_nothing(
    url: str, syncing: Syncing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook, "MAX_BODY", 1000)
    body = b"x" * 2000
    assert await post(url, body, {"X_Gitea_Signature": signed(body)}) == 401
    assert syncing.woken == []


async def test_without_a_secret_there_is_no_webhook(syncing: Syncing) -> None:
    async with TestServer(webhook.application(syncing, b"")) as server:
        where = f"http://{server.host}:{server.port}"
        assert await post(where, headers={"X_Gitea_Signature": signed(BODY, b"")}) == 404


async def test_health_and_readiness(url: str, syncing: Syncing) -> None:
    async def status(path: str) -> int:
        async with ClientSession() as session, session.get(url + path) as answer:
            return answer.status

    assert (await status("/healthz"), await status("/readyz")) == (200, 200)
    syncing.alive = False
    assert (await status("/healthz"), await status("/readyz")) == (200, 503)
    assert await status("/metrics") == 200


def test_a_secret_that_can_be_guessed_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_bytes(SECRET + b"\n")
    assert webhook.read_secret(file) == SECRET
    file.write_bytes(b"hook")
    with pytest.raises(webhook.SecretRefused, match="has 4 bytes, expected 16 or more"):
        webhook.read_secret(file)
    with pytest.raises(webhook.SecretRefused, match="cannot be read: No such file"):
        webhook.read_secret(tmp_path / "none")


def test_a_syncer_without_its_secret_says_so_and_does_not_start(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(f"webhook: {{secretFile: {tmp_path / 'none'}}}\n")
    assert main(["--config", str(config)]) == 2
    assert "leave webhook out of the configuration" in capsys.readouterr().err


@pytest.mark.parametrize("header", ["X-Hub-Signature-256", "X-Gitea-Signature", "X-Gitlab-Token"])
async def test_a_header_that_is_no_text_wakes_nothing(
    url: str, syncing: Syncing, caplog: pytest.LogCaptureFixture, header: str
) -> None:
    """And is no error of ours that fills a log."""
    host, _, port = url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = f"POST /wake/line-4/agents HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n{header}: "
    writer.write(head.encode() + b"\xff\xfe\r\nConnection: close\r\n\r\n{}")
    answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert syncing.woken == []
    assert caplog.records == []


async def test_what_cannot_be_a_signature_costs_no_reading(
    url: str, syncing: Syncing, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no(*_: object, **__: object) -> None:
        raise AssertionError("the body was hashed")

    monkeypatch.setattr(hmac, "new", no)
    for said in ("", "sha256=", "ab" * 31, "zz" * 32, f"sha1={'ab' * 20}"):
        assert await post(url, headers={"X_Hub_Signature_256": said}) == 401
