"""A verifier's application on a Unix socket, and a client that talks to it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

from interlock.evidence.verifierclient import VerifierClient


@asynccontextmanager
async def talking(
    app: web.Application, folder: Path, seconds: float = 5.0
) -> AsyncIterator[VerifierClient]:
    """A client of `app`, which is served in `folder` meanwhile."""
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.UnixSite(runner, str(folder / "verifier.sock")).start()
    client = VerifierClient(folder / "verifier.sock", seconds)
    try:
        yield client
    finally:
        await client.close()
        await runner.cleanup()
