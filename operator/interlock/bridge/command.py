"""`interlock forge-bridge`: signs what it saw of reviews, and tells pull requests the verdict."""

import asyncio
import os
import signal
from pathlib import Path

import click

from interlock.api.config import Config
from interlock.bridge.service import run
from interlock.cli import exits, logs, settings
from interlock.cli.exits import BadInput, Failed
from interlock.cli.run import address
from interlock.cluster.client import ClusterError
from interlock.evidence.http import SourceError


@click.command(epilog=exits.HELP)
@click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="INTERLOCK_CONFIG",
    required=True,
    help="The configuration (docs/configuration.md).",
)
@click.option(
    "--kubeconfig",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="KUBECONFIG",
    help="Which cluster, as whom; the pod's own account where none is named, or else no cluster.",
)
@click.option(
    "--listen",
    default="127.0.0.1:8082",
    show_default=True,
    help="Where /healthz, /readyz and /wake are served.",
)
def forge_bridge(*, config_file: Path, kubeconfig: Path | None, listen: str) -> None:
    """Read reviews of pull requests and sign what counts, until SIGTERM."""
    logs.setup()
    config = settings.read(config_file)
    if config.forge_bridge is None or config.verifier is None:
        raise BadInput(f"{config_file}: forgeBridge and verifier.socket are needed")
    try:
        asyncio.run(_serve(config, kubeconfig, address(listen)))
    except (SourceError, ClusterError, OSError, ValueError) as error:
        raise Failed(str(error)) from None


async def _serve(config: Config, kubeconfig: Path | None, listen: tuple[str, int]) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    pod = "KUBERNETES_SERVICE_HOST" in os.environ
    await run(config, kubeconfig, stop, in_cluster=pod, listen=listen)
