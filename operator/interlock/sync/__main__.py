"""Starts the git syncer: `python -m interlock.sync --config FILE`."""

import argparse
import asyncio
import logging
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from interlock.api.config import Config
from interlock.policy import settings
from interlock.sync.loop import run
from interlock.sync.webhook import SecretRefused


def main(argv: Sequence[str] | None = None) -> int:
    """Sync until SIGTERM or SIGINT. Exit code 2: the configuration cannot be used."""
    parser = argparse.ArgumentParser(
        prog="interlock.sync",
        description="Writes what git says into the namespaces of AgentRepositories.",
    )
    parser.add_argument("--config", type=Path, required=True, help="the configuration (YAML)")
    parser.add_argument("--kubeconfig", type=Path, help="the pod's own account where none is given")
    parser.add_argument("--listen", default="", help="HOST:PORT for health and webhooks")
    chosen = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        config = settings.read(chosen.config)
    except settings.SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    host, _, port = chosen.listen.rpartition(":")
    try:
        asyncio.run(serve(config, chosen.kubeconfig, (host, int(port)) if port else None))
    except SecretRefused as error:
        print(error, file=sys.stderr)
        return 2
    return 0


async def serve(
    config: Config, kubeconfig: Path | None, listen: tuple[str, int] | None = None
) -> None:
    """Sync until a signal asks to stop."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await run(config, kubeconfig, stop, listen)


if __name__ == "__main__":
    sys.exit(main())
