"""The command `interlock`: everything that is not `kubectl interlock`.

Subcommands are loaded when they are called: a laptop that approves never imports the controller,
and `--help` answers at once.
"""

import sys

import click

from interlock.cli import exits
from interlock.cli.lazy import Lazy, LazyGroup

COMMANDS: dict[str, Lazy] = {
    "pin": Lazy("interlock.cli.pin:pin", "Write the digests of what a file names into it."),
    "check": Lazy("interlock.cli.check:check", "Give the verdict that the controller will give."),
    "approve": Lazy("interlock.cli.approve:approve", "Sign a change and push the approval."),
    "reject": Lazy("interlock.cli.approve:reject", "Say no to a change: a veto."),
    "revoke": Lazy("interlock.cli.approve:revoke", "Take back an approval of yours."),
    "governance": Lazy("interlock.cli.governance:governance", "Keep the governance repository."),
    "audit": Lazy("interlock.cli.audit:audit", "Verify the log of records, offline."),
    "run": Lazy("interlock.cli.run:run", "Run verifier and controller as one service."),
    "controller": Lazy("interlock.cli.run:controller", "Run the controller."),
    "verifier": Lazy("interlock.cli.run:verifier", "Run the verifier."),
    "sync": Lazy("interlock.cli.run:sync", "Run the git syncer."),
    "forge-bridge": Lazy(
        "interlock.bridge.command:forge_bridge", "Sign what it sees of reviews in forges."
    ),
    "uninstall": Lazy("interlock.cli.uninstall:uninstall", "Delete all agents, in order."),
    "follow": Lazy("interlock.cli.follow:follow", "Append the cluster's records to a log."),
}


@click.group(
    cls=LazyGroup,
    places=COMMANDS,
    epilog=exits.HELP,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(package_name="interlock", prog_name="interlock")
def interlock() -> None:
    """Decide which AI agents may run on a cluster, and take them off again.

    The configuration is the file that $INTERLOCK_CONFIG names, or ~/.config/interlock/config.yaml.
    """


def main() -> None:
    """Run `interlock` and end the process with its exit code."""
    sys.exit(exits.main(interlock, "interlock"))
