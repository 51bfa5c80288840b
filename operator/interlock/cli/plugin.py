"""`kubectl interlock`: what an SRE types at night. It must start fast and explain itself.

It imports neither the models nor a Kubernetes client: all it does goes through the user's kubectl.
"""

import os
import sys

import click

from interlock.cli import exits
from interlock.cli.lazy import Lazy, LazyGroup

COMPLETE = "_KUBECTL_INTERLOCK_COMPLETE"
"""Set by the shell's completion script; see `kubectl interlock completion --help`."""

COMMANDS: dict[str, Lazy] = {
    "get": Lazy("interlock.cli.look:get", "List the agents of a namespace, or one as a tree."),
    "why": Lazy("interlock.cli.look:why", "What stands between what serves and what is wanted."),
    "history": Lazy(
        "interlock.cli.look:history", "Every move of traffic, who asked, how it ended."
    ),
    "diff": Lazy("interlock.cli.diff:diff", "What differs between two revisions."),
    "rollback": Lazy("interlock.cli.act:rollback", "Move an agent's traffic back."),
    "release": Lazy("interlock.cli.act:release", "Lift the hold of a requested rollback."),
    "quarantine": Lazy("interlock.cli.act:quarantine", "No traffic, no pods; evidence is kept."),
    "restore": Lazy("interlock.cli.act:restore", "Lift a quarantine."),
    "break-glass": Lazy(
        "interlock.cli.glass:break_glass", "Let a content in before its approvals are there."
    ),
    "pause": Lazy("interlock.cli.pause:pause", "Stop promotions of an agent."),
    "resume": Lazy("interlock.cli.pause:resume", "Let promotions of an agent go on."),
    "completion": Lazy("interlock.cli.complete:completion", "Print a shell's completion script."),
}


@click.group(
    cls=LazyGroup,
    places=COMMANDS,
    epilog=exits.HELP,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(package_name="interlock", prog_name="kubectl interlock")
def interlock() -> None:
    """See why an agent serves what it serves, and take it back.

    Everything goes through kubectl and the rights of your own login ($KUBECTL names another
    kubectl).
    """


def main() -> None:
    """Run `kubectl interlock` and end the process with its exit code."""
    if asked := os.environ.get(COMPLETE):
        from click.shell_completion import shell_complete  # noqa: PLC0415 - only shells ask

        sys.exit(shell_complete(interlock, {}, "kubectl-interlock", COMPLETE, asked))
    sys.exit(exits.main(interlock, "kubectl interlock"))
