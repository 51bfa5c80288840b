"""`interlock audit`: what an auditor types, offline, with the log and the public keys alone."""

import json
from dataclasses import asdict
from pathlib import Path

import click

from interlock.audit.chain import FIRST
from interlock.audit.records import KeyRefused, Keyring, read_public_key
from interlock.audit.verify import Report
from interlock.audit.verify import verify as verify_log
from interlock.cli import exits
from interlock.cli.exits import BadInput, Failed


@click.group()
def audit() -> None:
    """Verify the log of records, offline."""


@audit.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--public-key",
    "keys",
    multiple=True,
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="A record key's public half (PEM); give all that ever signed.",
)
@click.option(
    "--head",
    default=FIRST,
    help="The head that an earlier verification printed: shows whether the end was cut off.",
)
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text")
def verify(*, file: Path, keys: tuple[Path, ...], head: str, output: str) -> None:
    """Check chain, order and every signature of the log FILE.

    Exit code 0: intact; 2: something in it was touched, or a key cannot be used; 3: it cannot be
    read.
    """
    try:
        report = verify_log(file, Keyring([read_public_key(key) for key in keys]), head=head)
    except KeyRefused as error:
        raise BadInput(str(error)) from None
    except OSError as error:
        raise Failed(f"{file} cannot be read: {error.strerror}") from None
    click.echo(json.dumps(asdict(report), indent=2) if output == "json" else _text(file, report))
    click.get_current_context().exit(exits.OK if report.intact else exits.USAGE)


def _text(file: Path, report: Report) -> str:
    lines = [f"{file}:{problem.line}: {problem.message}" for problem in report.problems]
    state = "intact" if report.intact else f"{len(lines)} problems"
    return "\n".join([*lines, f"{file}: {report.lines} lines, {state}; head {report.head}"])
