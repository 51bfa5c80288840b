"""`interlock follow`: brings the cluster's records into the log, from the outside.

A process of its own: a full disk delays the log and never a rollback. It polls, so that a missed
event costs half a second and not an entry.
"""

import asyncio
import logging
import signal
from pathlib import Path

import click

from interlock.audit.chain import Chain, ChainBroken, ChainBusy
from interlock.audit.follower import Follower
from interlock.audit.records import KeyRefused, Keyring, load_keys, read_public_key
from interlock.cli import exits, logs, settings
from interlock.cli.exits import BadInput, Failed
from interlock.cluster.client import Client, ClusterError, Object

log = logging.getLogger(__name__)
KINDS = ("AgentRevision", "GateDecision", "AgentTransition")
POLL_SECONDS = 0.5
Mark = tuple[str, str]


@click.command(epilog=exits.HELP)
@click.option("--log", "path", required=True, type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--public-key",
    "keys",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="A record key's public half (PEM); those of the configuration where none is named.",
)
@click.option(
    "--kubeconfig",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="KUBECONFIG",
    help="Which cluster, as whom; the pod's own account where none is named.",
)
@settings.option
def follow(
    *, path: Path, keys: tuple[Path, ...], kubeconfig: Path | None, config_file: Path | None
) -> None:
    """Append each record of the cluster to the log FILE within 2 s, until SIGTERM."""
    logs.setup()
    try:
        keyring = keyring_of(keys, config_file)
        chain = Chain.open(path)
    except (KeyRefused, ChainBroken) as error:
        raise BadInput(str(error)) from None
    except (ChainBusy, OSError) as error:
        raise Failed(f"the log {path} cannot be opened: {error}") from None
    if chain.torn:
        log.warning("%d bytes of a torn last line were cut off; it is taken up anew", chain.torn)
    try:
        asyncio.run(_follow(Follower(chain, keyring), kubeconfig))
    except OSError as error:
        raise Failed(f"the log {path} cannot be written: {error}") from None
    finally:
        chain.close()


def keyring_of(keys: tuple[Path, ...], config_file: Path | None) -> Keyring:
    """Return the keys that were named, or those of the configuration. Raises KeyRefused."""
    if keys:
        return Keyring([read_public_key(key) for key in keys])
    config = settings.load(config_file)
    if config.records is None:
        raise BadInput("name the record key's public half with --public-key")
    return load_keys(config.records)[1]


async def _follow(follower: Follower, kubeconfig: Path | None) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    client = await Client.connect(kubeconfig)
    seen: set[Mark] = set()
    told: set[Mark] = set()
    try:
        while not stop.is_set():
            seen = await _round(follower, client, seen)
            told = _alarm(follower, told)
            await _pause(stop)
    finally:
        await client.close()


async def _round(follower: Follower, client: Client, seen: set[Mark]) -> set[Mark]:
    """Take up what changed since `seen`; return what is seen now."""
    try:
        found = [(kind, obj) for kind in KINDS for obj in await client.list(kind)]
    except ClusterError as error:
        log.warning("the records cannot be listed, it is tried again: %s", error)
        return seen
    lines = await follower.catch_up((k, o) for k, o in found if _mark(o) not in seen)
    if lines:
        log.info("%d lines were appended", lines)
    return {_mark(obj) for _, obj in found}


def _alarm(follower: Follower, told: set[Mark]) -> set[Mark]:
    """Say once of each record that may not be logged that it is there."""
    now = {(one.uid, one.reason) for one in follower.unlogged}
    for one in follower.unlogged:
        if (one.uid, one.reason) not in told:
            log.error("%s %s/%s is not logged: %s", one.kind, one.namespace, one.name, one.reason)
    return now


async def _pause(stop: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(POLL_SECONDS):
            await stop.wait()
    except TimeoutError:
        return


def _mark(obj: Object) -> Mark:
    meta = obj["metadata"]
    return str(meta.get("uid")), str(meta.get("resourceVersion"))
