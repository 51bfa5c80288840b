"""What the commands of `interlock governance` share: arguments, errors, and how they answer."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import datetime, timedelta
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec

import click
from pydantic import ValidationError

from interlock.cli import exits
from interlock.cli.tables import printable
from interlock.cli.tufkeys import RepositoryRefused
from interlock.cli.tufrepo import Signed
from interlock.cli.tufstate import Open
from interlock.evidence.governance import GovernanceRefused
from interlock.policy.parse import PolicyError

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
P = ParamSpec("P")

DIRECTORY = click.argument(
    "directory", type=click.Path(path_type=Path, file_okay=False), metavar="DIR"
)
KEYS = click.option(
    "--keys",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of private keys (*.pem; *.uri for hardware or a service), not in the repository.",
)
OUTPUT = click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table")
YES = click.option("--yes", is_flag=True, help="Sign what others proposed without being asked.")


def lifetime(_: click.Context, __: click.Parameter, value: str | None) -> timedelta | None:
    """Read how long a signature counts. Raises click.BadParameter."""
    if value is None:
        return None
    match = re.fullmatch(r"([1-9][0-9]{0,4})([smhd])", value)
    if not match:
        raise click.BadParameter(f"{value!r}: write a number and s, m, h or d, such as 30d")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def secret(about: str) -> str:
    """Ask for the password or the PIN of a key; nothing of it is shown."""
    answer: str = click.prompt(about, hide_input=True, err=True)
    return answer


def explained(command: Callable[P, None]) -> Callable[P, None]:
    """Turn what the user can mend into a sentence and the exit code for it."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            raise exits.BadInput(f"{first['loc'][-1]}: {first['msg']}") from None
        except PolicyError as error:
            raise exits.BadInput(printable(str(error))) from None
        except (RepositoryRefused, GovernanceRefused) as error:
            raise exits.Refused(printable(str(error))) from None
        except OSError as error:
            raise exits.Failed(str(error)) from None

    return run


def say_signed(signed: Signed) -> None:
    """Say what counts from now on, what waits for whom, and what nobody signed."""
    for line in _lines(signed):
        click.echo(printable(line))


def waiting(each: Open) -> str:
    """Return a sentence on what one version of a role waits for."""
    by = f", signed by {', '.join(each.signed)}," if each.signed else ""
    if not each.wanted:
        return f"{each.role} {each.version}{by} has all its signatures."
    wants = " and for ".join(f"{want.count} of {', '.join(want.of)}" for want in each.wanted)
    return f"{each.role} {each.version}{by} waits for {wants}."


def as_json(value: Any) -> str:
    """Return a dataclass as JSON."""
    return json.dumps(asdict(value), default=time, indent=2)


def time(value: datetime) -> str:
    """Return a moment as metadata writes it."""
    return value.strftime("%Y-%m-%dT%H:%M:%SZ")


def _lines(signed: Signed) -> Iterator[str]:
    if signed.published:
        yield f"Signed {_versions(signed.published)}."
    if signed.added:
        yield f"Added a signature to {_versions(signed.added)}, which does not count yet."
    if not signed.published and not signed.added:
        yield "There is nothing that these keys could sign."
    yield from signed.dropped
    yield from map(waiting, signed.open)
    if signed.open:
        yield "Commit and push; each of them then runs: interlock governance sign"
    for name in signed.unsigned:
        yield f"{name} was changed and is not signed: interlock governance sign"


def _versions(roles: dict[str, int]) -> str:
    return ", ".join(f"{role} {version}" for role, version in roles.items())
