"""How every command ends: one exit code a meaning, one sentence on standard error.

Scripts and pipelines branch on the code, so a crash must never look like a verdict: whatever
nobody expected ends as FAILED, not as Python's 1.
"""

import os
import sys
import traceback
from collections.abc import Sequence

import click

OK = 0
REFUSED = 1
"""A gate failed, the controller said no, or a person did."""
USAGE = 2
"""A bad file, a bad option, or (for `audit verify`) a log that was touched."""
FAILED = 3
"""An error: nothing was decided."""

HELP = """Exit codes: 0 done; 1 refused (a gate failed, or the controller said no);
2 bad file or usage; 3 error, nothing was decided."""


class Refused(click.ClickException):
    """The answer is no."""

    exit_code = REFUSED


class BadInput(click.ClickException):
    """The file or the options cannot be used."""

    exit_code = USAGE


class Failed(click.ClickException):
    """Something that the command needs did not work."""

    exit_code = FAILED


def main(command: click.Command, name: str, args: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code; `name` is what its help calls it."""
    try:
        code = command.main(args, prog_name=name, standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        click.echo("Nothing was done.", err=True)
        return REFUSED
    except Exception as error:  # a surprise is an error, never a verdict
        if os.environ.get("INTERLOCK_DEBUG"):
            traceback.print_exc(file=sys.stderr)
        about = f"{name} failed: {type(error).__name__}: {error}"
        click.echo(f"{about}. INTERLOCK_DEBUG=1 shows where; report it.", err=True)
        return FAILED
    return code if isinstance(code, int) else OK
