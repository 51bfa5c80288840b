"""`interlock-sandbox`: a sandbox for a person, who keeps it as long as she likes."""

import json
import os
import shlex
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import click

from interlock_sandbox import golang, sandbox, scanner, tools
from interlock_sandbox.process import marked
from interlock_sandbox.sandbox import NotUp, State
from interlock_sandbox.supervisor import LOCK, PARTS

F = TypeVar("F", bound=Callable[..., Any])
_BESIDE = ("mlflow", "sigstore", "registry", "git")
PROFILES: Mapping[str, tuple[str, ...]] = {
    "control-plane": ("kubernetes", *_BESIDE),
    "node": ("node", *_BESIDE),
}
# Variables that other programs know, by the output that goes into them.
_WELL_KNOWN = {"kubeconfig": "KUBECONFIG", "mlflow_url": "MLFLOW_TRACKING_URI"}


def _home(name: str) -> Callable[[F], F]:
    def default() -> Path:
        base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
        return Path(base) / "interlock" / name

    return click.option(
        "--home",
        type=click.Path(path_type=Path, file_okay=False),
        default=default,
        help=f"Folder of the sandbox. Default: interlock/{name} under $XDG_STATE_HOME.",
    )


_HOME = _home("sandbox")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Everything that Interlock talks to, as real programs on this machine.

    Exit codes: 0 done, 1 it did not work or no sandbox is up, 2 wrong usage.
    """


@main.command()
@_HOME
@click.option(
    "--profile",
    type=click.Choice(list(PROFILES)),
    default="control-plane",
    help="control-plane (default): pods are pretended. node: pods run; needs Linux and root.",
)
@click.option("--parts", help=f"Comma-separated, instead of a profile: {', '.join(PARTS)}.")
def up(home: Path, profile: str, parts: str | None) -> None:
    """Starts a sandbox that stays up; does nothing if it is up already."""
    state = _up(home.resolve(), _names(parts) if parts else PROFILES[profile])
    _print_outputs(state.outputs)


@main.command()
@_home("docker")
def docker(home: Path) -> None:
    """Starts a Docker Engine that stays up, with Trivy to run in it; needs Linux and root.

    A registry beside it has Trivy's image; its database holds a few real advisories. Ends with
    `down --home` and the folder that it prints.
    """
    state = _up(home.resolve(), ("docker", "registry"))
    database = home.resolve() / "scanner" / "cache"
    try:
        image = scanner.push_trivy(state.outputs["registry"])
        if not database.exists():
            scanner.write_database(database, datetime.now(UTC))
    except golang.ToolError as error:
        raise click.ClickException(str(error)) from error
    _print_outputs({**state.outputs, "trivy": image, "trivy_database": str(database)})


@main.command()
@_HOME
def down(home: Path) -> None:
    """Ends the sandbox, and removes its folder with all data in it."""
    gone = sandbox.remove(home.resolve())
    click.echo(f"The sandbox in {home} is gone." if gone else f"There was no sandbox in {home}.")


@main.command()
@_HOME
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text")
def status(home: Path, output: str) -> None:
    """Shows what runs and where; exit code 1 if it is not up or a program has ended."""
    state = _state(home)
    alive = set(marked(home.resolve()))
    programs = {name: pid in alive for name, pid in state.pids.items()}
    if output == "json":
        shown = {"home": str(home), "programs": programs, "outputs": dict(state.outputs)}
        click.echo(json.dumps(shown, indent=2))
    else:
        for name, runs in programs.items():
            click.echo(f"{name:<26}{'running' if runs else 'ended'}, pid {state.pids[name]}")
        _print_outputs(state.outputs)
    if not all(programs.values()):
        raise SystemExit(1)


@main.command()
@_HOME
def env(home: Path) -> None:
    """Prints lines for a shell: eval "$(interlock-sandbox env)"."""
    for name, value in _state(home).outputs.items():
        for variable in filter(None, (_WELL_KNOWN.get(name), f"INTERLOCK_SANDBOX_{name.upper()}")):
            click.echo(f"export {variable}={shlex.quote(value)}")


@main.command(name="tools")
@click.argument("names", nargs=-1, type=click.Choice(tools.NAMES), metavar="[NAME]...")
@click.option("--all", "every", is_flag=True, help="Everything that there is.")
def tools_(names: tuple[str, ...], every: bool) -> None:
    """Finds or compiles programs, and prints where they are.

    Without NAME those of the control-plane profile. The node profile takes `node` and
    `containerd` as well, `docker` takes `trivy`, and the part `gitea` its own; tests and benchmarks
    take `cyclonus` and `argo-rollouts`.
    """
    try:
        found = tools.find_all(tools.NAMES if every else names or tools.USUAL)
    except golang.ToolError as error:
        raise click.ClickException(str(error)) from error
    for name, path in found.items():
        click.echo(f"{name:<26}{path}")


def _up(home: Path, names: tuple[str, ...]) -> State:
    """A sandbox with these parts: the one that runs in `home`, or a new one that stays up."""
    try:
        if sandbox.is_alive(home):
            state = _join(home, names)
        else:
            _make_room(home)
            sandbox.launch(home, names, detached=True)
            state = sandbox.read_state(home)
    except NotUp as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"Up in {home} (took {state.seconds:.1f} s).")
    return state


def _names(parts: str) -> tuple[str, ...]:
    names = tuple(part.strip() for part in parts.split(","))
    if unknown := [name for name in names if name not in PARTS]:
        raise click.BadParameter(f"{unknown} given, expected some of {', '.join(PARTS)}.")
    return names


def _join(home: Path, wanted: tuple[str, ...]) -> State:
    """The state of a sandbox that someone else brought up, or is bringing up just now."""
    while True:
        try:
            state = sandbox.read_state(home)
            break
        except NotUp:
            if not sandbox.is_alive(home):
                raise
            time.sleep(0.1)
    if missing := set(wanted) - set(state.parts):
        raise NotUp(
            f"The sandbox in {home} is up without {', '.join(sorted(missing))}. "
            "End it first with `interlock-sandbox down`, or give another --home."
        )
    return state


def _make_room(home: Path) -> None:
    """An empty folder of our own; what a dead sandbox left is removed, nothing else is."""
    if not sandbox.remove(home) and home.exists() and any(home.iterdir()):
        raise NotUp(f"{home} holds files but no {LOCK} of a sandbox. Give an empty folder.")
    home.mkdir(mode=0o700, parents=True, exist_ok=True)


def _state(home: Path) -> State:
    try:
        return sandbox.open_existing(home).state
    except NotUp as error:
        raise click.ClickException(str(error)) from error


def _print_outputs(outputs: Mapping[str, str]) -> None:
    width = max(map(len, outputs), default=0) + 2
    for name, value in outputs.items():
        click.echo(f"{name:<{width}}{value}")


if __name__ == "__main__":
    main()
