"""Starts the verifier: `python -m interlock.verifier --config FILE`."""

import argparse
import asyncio
import logging
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from aiohttp import web

from interlock.api.config import Config
from interlock.policy import settings
from interlock.verifier import walls
from interlock.verifier.desk import Desk
from interlock.verifier.jobs import Jobs
from interlock.verifier.server import application

_GRACE = 5.0
"""Seconds that requests under way get to end on SIGTERM."""
_log = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT. Exit code 2: the configuration cannot be used."""
    parser = argparse.ArgumentParser(
        prog="interlock.verifier",
        description="Fetches and parses foreign bytes for the controller, over a Unix socket.",
    )
    parser.add_argument("--config", type=Path, required=True, help="the configuration (YAML)")
    path: Path = parser.parse_args(argv).config
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)
    try:
        config = settings.read(path)
    except settings.SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    if config.verifier is None:
        print(f"{path}: verifier.socket is missing; name the socket to serve.", file=sys.stderr)
        return 2
    asyncio.run(serve(config, config.verifier.socket))
    return 0


async def serve(config: Config, socket: Path) -> None:
    """Serve on `socket` until a signal asks to stop. A socket left behind is replaced."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    for gap in walls.gaps():
        _log.warning("%s; docs/limits.md says what that means", gap)
    walls.adopt_orphans()
    jobs = Jobs(config.state_dir, alone=True)
    await jobs.start()
    runner = web.AppRunner(application(Desk(config, jobs)), shutdown_timeout=_GRACE)
    await runner.setup()
    socket.unlink(missing_ok=True)
    site = web.UnixSite(runner, str(socket))
    await site.start()
    socket.chmod(0o600)
    _log.info("verifier serves on %s", socket)
    await stop.wait()
    await runner.cleanup()


if __name__ == "__main__":
    sys.exit(main())
