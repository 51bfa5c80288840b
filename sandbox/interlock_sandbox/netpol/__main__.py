"""`python -m interlock_sandbox.netpol`: enforces NetworkPolicy on this node until it is ended.

Says `ready` on stdout when the first complete ruleset is in force.
"""

import asyncio
import logging
import signal
from contextlib import suppress
from pathlib import Path

import click

from interlock_sandbox.netpol.enforce import enforce
from interlock_sandbox.netpol.nft import NftError
from interlock_sandbox.netpol.policy import Malformed, Network, network


def _networks(_: click.Context, option: click.Parameter, texts: tuple[str, ...]) -> list[Network]:
    try:
        return [network(text, option.opts[0]) for text in texts]
    except Malformed as error:
        raise click.BadParameter(str(error)) from error


@click.command()
@click.option(
    "--kubeconfig",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help="As whom to list and watch namespaces, pods and network policies.",
)
@click.option(
    "--pod-cidr",
    multiple=True,
    required=True,
    callback=_networks,
    help="A range that pods get addresses from; in it, unknown addresses are closed. Repeatable.",
)
def main(kubeconfig: Path, pod_cidr: list[Network]) -> None:
    """Enforce NetworkPolicy v1 for the pods of this node by nftables."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    try:
        asyncio.run(_until_ended(kubeconfig, pod_cidr))
    except NftError as error:
        raise click.ClickException(str(error)) from error


async def _until_ended(kubeconfig: Path, pod_cidr: list[Network]) -> None:
    task = asyncio.ensure_future(enforce(kubeconfig, pod_cidr))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    with suppress(asyncio.CancelledError):
        await task


if __name__ == "__main__":
    main()
