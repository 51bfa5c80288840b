"""The services: controller, verifier, syncer, and the first two as one.

The controller runs beside a verifier that may die of what it parses; whoever starts both must
start the verifier again, and must leave neither behind.
"""

import asyncio
import ctypes
import importlib
import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from interlock.api.kinds.base import seconds
from interlock.cli import exits, logs, settings
from interlock.cli.exits import BadInput

log = logging.getLogger(__name__)
GRACE_SECONDS = 10.0
"""How long a child may take to end on SIGTERM."""
FIRST_BACKOFF, LAST_BACKOFF = 0.5, 30.0
"""Seconds before a verifier that died is started again; doubled each time, up to the last."""
SETTLED_SECONDS = 60.0
"""A verifier that ran this long begins with the first back-off again."""
_PR_SET_PDEATHSIG = 1

_config = click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="INTERLOCK_CONFIG",
    required=True,
    help="The configuration (docs/configuration.md).",
)
_kubeconfig = click.option(
    "--kubeconfig",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="KUBECONFIG",
    help="Which cluster, as whom; the pod's own account where none is named.",
)
_listen = click.option(
    "--listen",
    default="127.0.0.1:8080",
    show_default=True,
    help="Where /livez, /readyz and /metrics are served.",
)
_lease = click.option(
    "--lease-duration",
    default="5s",
    show_default=True,
    help="A standby takes over this long after the last renewal.",
)


@click.command(epilog=exits.HELP)
@_config
@_kubeconfig
@_listen
@_lease
def controller(
    *, config_file: Path, kubeconfig: Path | None, listen: str, lease_duration: str
) -> None:
    """Run the controller until SIGTERM; a second one waits in hot standby."""
    from interlock.cluster.lease import LeaseTimes  # noqa: PLC0415 - kopf is slow to import
    from interlock.handlers import controller as service  # noqa: PLC0415
    from interlock.handlers.preflight import Trouble  # noqa: PLC0415

    logs.setup()
    config = settings.read(config_file)
    if kubeconfig is None and "KUBERNETES_SERVICE_HOST" not in os.environ:
        raise BadInput("this is no pod of a cluster: name one with --kubeconfig or $KUBECONFIG")
    if config.records is None or config.verifier is None:
        raise BadInput(f"{config_file}: records.keyFile and verifier.socket are needed")
    duration = float(seconds(lease_duration))
    times = LeaseTimes(duration, renew=0.3 * duration, deadline=0.8 * duration)
    options = service.Options(config, kubeconfig, address(listen), times)
    try:
        asyncio.run(service.run(options))
    except Trouble as trouble:
        for line in trouble.lines:
            click.echo(line, err=True)
        click.get_current_context().exit(exits.FAILED)
    except Exception:
        log.exception("the controller ended")
        click.get_current_context().exit(exits.FAILED)


@click.command(context_settings={"ignore_unknown_options": True}, add_help_option=False)
@click.argument("args", nargs=-1, type=click.UNPROCESSED)
def verifier(args: tuple[str, ...]) -> None:
    """Run the verifier: it fetches and parses foreign bytes for the controller."""
    click.get_current_context().exit(_main("interlock.verifier.__main__")(list(args)))


@click.command(context_settings={"ignore_unknown_options": True}, add_help_option=False)
@click.argument("args", nargs=-1, type=click.UNPROCESSED)
def sync(args: tuple[str, ...]) -> None:
    """Run the git syncer: it brings AgentDeployments from git into their namespaces."""
    click.get_current_context().exit(_main("interlock.sync.__main__")(list(args)))


@click.command(epilog=exits.HELP)
@_config
@_kubeconfig
@_listen
@_lease
def run(*, config_file: Path, kubeconfig: Path | None, listen: str, lease_duration: str) -> None:
    """Run verifier and controller as one service, until SIGTERM or the controller's end.

    A verifier that dies is started again; neither outlives this process.
    """
    logs.setup()
    settings.read(config_file)
    common = ["--config", str(config_file)]
    service = ["controller", *common, "--listen", listen, "--lease-duration", lease_duration]
    service += ["--kubeconfig", str(kubeconfig)] if kubeconfig else []
    code = asyncio.run(supervise(_words(service), _words(["verifier", *common])))
    click.get_current_context().exit(code)


async def supervise(service: Sequence[str], helper: Sequence[str]) -> int:
    """Run `service` and keep `helper` running beside it; return the service's exit code."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    main = await _start(service)
    helping = asyncio.create_task(_keep(helper))
    ended = asyncio.create_task(main.wait())
    stopped = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({ended, stopped}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopped.cancel()
        await _end(main)
        helping.cancel()
        await asyncio.gather(helping, return_exceptions=True)
    code = await ended
    return code if code >= 0 else exits.FAILED


def address(listen: str) -> tuple[str, int]:
    """Return host and port of `--listen`. Raises BadInput."""
    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise BadInput(f"--listen {listen!r}: expected HOST:PORT, such as 127.0.0.1:8080")
    return host.strip("[]"), int(port)


async def _keep(words: Sequence[str]) -> None:
    """Run a program for ever; when it dies, wait longer each time before the next."""
    backoff = FIRST_BACKOFF
    clock = asyncio.get_running_loop().time
    while True:
        started = clock()
        process = await _start(words)
        try:
            code = await process.wait()
        finally:
            await _end(process)
        backoff = FIRST_BACKOFF if clock() - started > SETTLED_SECONDS else backoff
        log.warning("the verifier ended with %s; it is started again in %.1f s", code, backoff)
        await asyncio.sleep(backoff)
        backoff = min(LAST_BACKOFF, 2 * backoff)


async def _start(words: Sequence[str]) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(*words, preexec_fn=_die_with_parent)


async def _end(process: asyncio.subprocess.Process) -> None:
    """End a child: politely, and then surely."""
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(GRACE_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def _words(args: Sequence[str]) -> list[str]:
    # -P: a folder `operator` in the current directory must not shadow the standard library's.
    return [sys.executable, "-P", "-m", "interlock", *args]


def _main(module: str) -> Callable[[list[str]], Any]:
    logs.setup()
    found: Callable[[list[str]], Any] = importlib.import_module(module).main
    return found


_LIBC = ctypes.CDLL(None, use_errno=True)


def _die_with_parent() -> None:
    """Have the kernel kill this child when its parent is killed (Linux, prctl(2))."""
    if sys.platform == "linux":
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
