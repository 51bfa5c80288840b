"""The controller as a process of its own, with lease times that a test can wait for."""

import argparse
import asyncio
import json
import logging
from pathlib import Path

from interlock.api.config import Config
from interlock.cluster.lease import LeaseTimes
from interlock.handlers.controller import Options, run


def options(config: Path, kubeconfig: Path, times: LeaseTimes) -> Options:
    """How one controller of a test runs."""
    parsed = Config.model_validate(json.loads(config.read_text()))
    return Options(parsed, kubeconfig, ("127.0.0.1", 0), times)


def log_plainly() -> None:
    """Log what a failing test wants to show."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("kopf").setLevel(logging.WARNING)


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--kubeconfig", type=Path, required=True)
    parser.add_argument("--lease", type=float, nargs=3, default=(5.0, 1.5, 4.0))
    given = parser.parse_args()
    log_plainly()
    asyncio.run(run(options(given.config, given.kubeconfig, LeaseTimes(*given.lease))))


if __name__ == "__main__":
    _main()
