"""What the syncer listens on: its health and numbers, and forges that say that there was a push.

A delivery says when to look and nothing else. The path names the AgentRepository, the body is only
what the signature is over: no forge's JSON is parsed, and a delivery that was forged or replayed
costs one look at git.
"""

import asyncio
import hashlib
import hmac
import re
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

MAX_BODY = 32 * 1024 * 1024
"""Bytes of a delivery; GitHub sends at most 25 MB."""
MAX_SECONDS = 10.0
MIN_SECRET = 16
_SIGNATURES = ("X-Hub-Signature-256", "X-Gitea-Signature", "X-Forgejo-Signature")
"""HMAC-SHA256 over the body, in hex: GitHub's name for it, and those of Gitea and Forgejo."""
_DIGEST = re.compile(r"(sha256=)?[0-9a-f]{64}")
_TOKEN = "X-Gitlab-Token"  # noqa: S105 - a header's name
"""GitLab sends the secret itself."""


class Wakes(Protocol):
    """What a delivery may reach."""

    @property
    def alive(self) -> bool:
        """Whether syncing goes on."""
        ...

    def wake(self, namespace: str, name: str) -> None:
        """Look at a repository soon."""
        ...


class SecretRefused(ValueError):
    """A webhook's secret that cannot be used; the message names the file and not its content."""


def read_secret(path: Path) -> bytes:
    """Return the secret that forges were given. Raises SecretRefused for one easily guessed."""
    try:
        secret = path.read_bytes().strip()
    except OSError as error:
        raise SecretRefused(
            f"the webhook's secret {path} cannot be read: {error.strerror}; mount it, or leave "
            "webhook out of the configuration"
        ) from None
    if len(secret) < MIN_SECRET:
        raise SecretRefused(
            f"the webhook's secret in {path} has {len(secret)} bytes, expected {MIN_SECRET} or "
            "more; write one with `openssl rand -hex 32`"
        )
    return secret


async def serve(served: web.Application, host: str, port: int) -> web.AppRunner:
    """Serve what `application` or `listener` made."""
    runner = web.AppRunner(served, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    return runner


def application(syncing: Wakes, secret: bytes) -> web.Application:
    """Return what answers for the syncer: /metrics beside the rest, and /wake/NAMESPACE/NAME."""

    def unready() -> str:
        return "" if syncing.alive else "the API server does not answer"

    def wake(namespace: str, name: str) -> str:
        syncing.wake(namespace, name)
        return ""

    async def numbers(_: web.Request) -> web.Response:
        """Give the metrics."""
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = listener(secret, "{namespace:[a-z0-9-]{1,63}}/{name:[a-z0-9.-]{1,63}}", wake, unready)
    app.router.add_get("/metrics", numbers)
    return app


def listener(
    secret: bytes, place: str, wake: Callable[..., str], unready: Callable[[], str]
) -> web.Application:
    """Return what answers: /healthz, /readyz, and /wake/PLACE where there is a secret.

    `wake` is given what a delivery's place names, and returns a sentence where it knows no such
    place; `unready` says why the process is not ready, and nothing where it is.
    """

    async def health(_: web.Request) -> web.Response:
        """Say that the process answers."""
        return web.Response(text="ok\n")

    async def ready(_: web.Request) -> web.Response:
        """Say whether it does its work."""
        why = unready()
        return web.Response(status=503, text=f"{why}\n") if why else web.Response(text="ok\n")

    async def woken(request: web.Request) -> web.Response:
        """Look at one place soon."""
        if not await from_a_forge(request, secret):
            said = "the delivery's signature or token is not that of our secret\n"
            return web.Response(status=401, text=said)
        if unknown := wake(**request.match_info):
            return web.Response(status=404, text=f"{unknown}\n")
        return web.Response(status=202, text="ok\n")

    app = web.Application()
    app.router.add_get("/healthz", health)
    app.router.add_get("/readyz", ready)
    if secret:
        app.router.add_post(f"/wake/{place}", woken)
    return app


async def from_a_forge(request: web.Request, secret: bytes) -> bool:
    """Whether a delivery is by somebody who knows the secret."""
    if _TOKEN in request.headers:
        # aiohttp keeps bytes that are no UTF-8 as surrogates
        token = request.headers[_TOKEN].encode(errors="surrogateescape")
        return hmac.compare_digest(token, secret)
    said = next((request.headers[name] for name in _SIGNATURES if name in request.headers), "")
    made = await _digest(request, secret) if _DIGEST.fullmatch(said) else ""
    return made != "" and hmac.compare_digest(said.removeprefix("sha256="), made)


async def _digest(request: web.Request, secret: bytes) -> str:
    """Return the signature that the body should have; nothing for one without end."""
    made, size = hmac.new(secret, digestmod=hashlib.sha256), 0
    try:
        async with asyncio.timeout(MAX_SECONDS):
            async for chunk in request.content.iter_chunked(64 * 1024):
                made.update(chunk)
                size += len(chunk)
                if size > MAX_BODY:
                    return ""
    except TimeoutError:
        return ""
    return made.hexdigest()
