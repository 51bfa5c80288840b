"""The command `interlock`: everything that is not `kubectl interlock`.

Subcommands are loaded when they are called: a laptop that approves never imports the controller,
and `--help` answers at once.
"""

import importlib
import sys
from typing import NamedTuple

import click

from interlock.cli import exits


class _Lazy(NamedTuple):
    place: str
    """Module and attribute, `module:attribute`."""
    summary: str


COMMANDS: dict[str, _Lazy] = {
    "pin": _Lazy("interlock.cli.pin:pin", "Write the digests of what a file names into it."),
    "check": _Lazy("interlock.cli.check:check", "Give the verdict that the controller will give."),
    "approve": _Lazy("interlock.cli.approve:approve", "Sign a change and push the approval."),
    "governance": _Lazy("interlock.cli.governance:governance", "Keep the governance repository."),
    "audit": _Lazy("interlock.cli.audit:audit", "Verify the log of records, offline."),
    "run": _Lazy("interlock.cli.run:run", "Run verifier and controller as one service."),
    "controller": _Lazy("interlock.cli.run:controller", "Run the controller."),
    "verifier": _Lazy("interlock.cli.run:verifier", "Run the verifier."),
    "sync": _Lazy("interlock.cli.run:sync", "Run the git syncer."),
    "follow": _Lazy("interlock.cli.follow:follow", "Append the cluster's records to a log."),
}


class LazyGroup(click.Group):
    """A group that imports a subcommand when it is asked for, and not to list it."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all subcommands, in the order of COMMANDS."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a subcommand; None for a name that is none."""
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name].place.partition(":")
        found = getattr(importlib.import_module(module), attribute)
        if not isinstance(found, click.Command):
            raise TypeError(f"{COMMANDS[cmd_name].place} is no command")
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of subcommands from COMMANDS, importing none."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, lazy.summary) for name, lazy in COMMANDS.items()])


@click.group(
    cls=LazyGroup, epilog=exits.HELP, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(package_name="interlock", prog_name="interlock")
def interlock() -> None:
    """Decide which AI agents may run on a cluster, and take them off again.

    The configuration is the file that $INTERLOCK_CONFIG names, or ~/.config/interlock/config.yaml.
    """


def main() -> None:
    """Run `interlock` and end the process with its exit code."""
    sys.exit(exits.main(interlock, "interlock"))
