"""`interlock governance`: what security types to say who and what may run, and to take it back."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from functools import wraps
from importlib import resources
from pathlib import Path
from typing import ParamSpec

import click
from pydantic import ValidationError

from interlock.cli import exits, tufrepo
from interlock.cli.tufkeys import RepositoryRefused
from interlock.policy.parse import TARGETS, PolicyError
from interlock.policy.revocations import LISTS, Entry

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
P = ParamSpec("P")


def _lifetime(_: click.Context, __: click.Parameter, value: str | None) -> timedelta | None:
    if value is None:
        return None
    match = re.fullmatch(r"([1-9][0-9]{0,4})([smhd])", value)
    if not match:
        raise click.BadParameter(f"{value!r}: write a number and s, m, h or d, such as 30d")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


_DIRECTORY = click.argument(
    "directory", type=click.Path(path_type=Path, file_okay=False), metavar="DIR"
)
_KEYS = click.option(
    "--keys",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of private keys (*.pem), outside the repository.",
)


def _explained(command: Callable[P, None]) -> Callable[P, None]:
    """Turn what the user can mend into a sentence and the exit code for it."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            raise exits.BadInput(f"{first['loc'][-1]}: {first['msg']}") from None
        except PolicyError as error:
            raise exits.BadInput(str(error)) from None
        except RepositoryRefused as error:
            raise exits.Refused(str(error)) from None
        except OSError as error:
            raise exits.Failed(str(error)) from None

    return run


@click.group(epilog=exits.HELP)
def governance() -> None:
    """Create, sign and inspect the governance repository.

    A change to policy counts once it is signed and pushed.
    """


@governance.command()
@_DIRECTORY
@_KEYS
@_explained
def init(directory: Path, keys: Path) -> None:
    """Create keys, metadata and commented example targets in DIR.

    Targets that are there already are kept and signed.
    """
    signed = tufrepo.init(directory, keys, example_targets())
    _say_signed(signed)
    click.echo(
        f"Keys root, targets, ci and oncall are in {keys}: give each to its owner, keep root "
        f"offline.\nGive {directory / 'metadata' / '1.root.json'} to every operator "
        "(configuration governance.rootFile), not by way of this repository.\n"
        "Put your Sigstore's trusted_root.json in targets/; the example trusts nobody."
    )


@governance.command()
@_DIRECTORY
@_KEYS
@click.option(
    "--expires",
    callback=_lifetime,
    metavar="TIME",
    help="How long what is signed now counts, such as 12h or 30d; else by role, see status.",
)
@_explained
def sign(directory: Path, keys: Path, expires: timedelta | None) -> None:
    """Check the targets, sign what changed, and sign a new timestamp."""
    _say_signed(tufrepo.sign(directory, keys, expires=expires))


@governance.command()
@_DIRECTORY
@_KEYS
@click.option("--digest", help="Content, behaviour, model tree, image, bundle or its statement.")
@click.option("--identity", help="A signer, exactly as its certificates say; needs --issuer.")
@click.option("--issuer", help="The issuer of --identity.")
@click.option("--key", help="A managed key (sha256:…) or a person's SSH key (SHA256:…).")
@click.option("--scanner", help="A scanner, by its URI or its image (sha256:…).")
@click.option("--person", help="All approvals of a person, by the id in people.yaml.")
@click.option("--approval", "nonce", metavar="NONCE", help="One approval.")
@click.option("--since", metavar="TIME", help="Only what was signed from then on (RFC 3339).")
@click.option("--reason", required=True, help="Why; shown to everyone whom it stops.")
@_explained
def revoke(*, directory: Path, keys: Path, **said: str | None) -> None:
    """Revoke something or somebody and sign; the key `oncall` is enough."""
    _say_signed(tufrepo.revoke(directory, keys, _entry(said)))
    click.echo("Commit and push: what runs under it is cut when the operator next reads it.")


def _entry(said: Mapping[str, str | None]) -> Entry:
    given = {name: value for name, value in said.items() if value is not None}
    if "digest" in given:
        given["digest"] = given["digest"].removeprefix("sha256:")
    about = set(given) - {"reason", "since"}
    for kind, (_, fields) in LISTS.items():
        if about == set(fields) and given.keys() <= kind.model_fields.keys():
            return kind.model_validate(given)
    raise click.UsageError(
        "give either --digest, --key, --scanner, --person, --approval, or --identity and "
        "--issuer; --since goes with a signer, a key or a scanner"
    )


@governance.command()
@_DIRECTORY
@click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table")
@_explained
def status(directory: Path, output: str) -> None:
    """Show roles, versions, expiry, and edits that nobody signed yet."""
    found = tufrepo.status(directory)
    if output == "json":
        click.echo(json.dumps(asdict(found), default=_time, indent=2))
        return
    click.echo(f"{'ROLE':<13}{'VERSION':<9}{'EXPIRES':<22}{'THRESHOLD':<11}KEYS")
    for each in found.roles:
        keys, end = ", ".join(each.keys), _time(each.expires)
        click.echo(f"{each.role:<13}{each.version:<9}{end:<22}{each.threshold:<11}{keys}")
    for name in found.unsigned:
        click.echo(f"{name} was changed and is not signed: interlock governance sign")
    click.echo(found.refused or "The signatures hold.")


def example_targets() -> dict[str, bytes]:
    """Return targets that are valid, commented, and let nothing run."""
    folder = resources.files("interlock.cli") / "example_targets"
    return {name: (folder / name).read_bytes() for name in TARGETS}


def _say_signed(signed: dict[str, int]) -> None:
    click.echo("Signed " + ", ".join(f"{role} {version}" for role, version in signed.items()) + ".")


def _time(value: datetime) -> str:
    return value.strftime("%Y-%m-%dT%H:%M:%SZ")
