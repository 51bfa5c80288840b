"""`interlock audit`: what an auditor types, offline, with the log and the public keys alone."""

import json
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path

import click

from interlock.audit.chain import FIRST
from interlock.audit.records import KeyRefused, Keyring, read_public_key
from interlock.audit.reviews import Reviewer, decisions, reviewers
from interlock.audit.verify import Report
from interlock.audit.verify import verify as verify_log
from interlock.cli import exits
from interlock.cli.exits import BadInput, Failed
from interlock.cli.tables import table

_file = click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
_keys = click.option(
    "--public-key",
    "keys",
    multiple=True,
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="A record key's public half (PEM); give all that ever signed.",
)


@click.group()
def audit() -> None:
    """Verify the log of records, offline."""


@audit.command()
@_file
@_keys
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
    report = _verified(file, keys, head)
    click.echo(json.dumps(asdict(report), indent=2) if output == "json" else _text(file, report))
    click.get_current_context().exit(exits.OK if report.intact else exits.USAGE)


@audit.command()
@_file
@_keys
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text")
def reviews(*, file: Path, keys: tuple[Path, ...], output: str) -> None:
    """Show how each person approves, by the log FILE.

    How many contents, how many on the busiest day, how long after the first judgement (median),
    how many within a minute of it, how many they rejected, and with whom they approved most. No
    rule sees two people who wave everything through; this shows who might.
    """
    report = _verified(file, keys, FIRST)
    if not report.intact:
        raise BadInput(f"{file} is not intact: {_text(file, report)}")
    found = reviewers(decisions(file))
    if output == "json":
        click.echo(json.dumps([asdict(one) for one in found], indent=2))
    else:
        click.echo("\n".join(table(_HEAD, [_row(one) for one in found])))


_HEAD = ("PERSON", "APPROVED", "REJECTED", "BUSIEST DAY", "MEDIAN", "WITHIN 1M", "MOSTLY WITH")


def _row(one: Reviewer) -> tuple[str, ...]:
    median = "-" if one.median_seconds is None else str(timedelta(seconds=one.median_seconds))
    company = f"{one.mostly_with} ({one.together})" if one.mostly_with else "-"
    counts = (str(each) for each in (one.approvals, one.rejections, one.busiest))
    return (one.person, *counts, median, str(one.quick), company)


def _verified(file: Path, keys: tuple[Path, ...], head: str) -> Report:
    try:
        return verify_log(file, Keyring([read_public_key(key) for key in keys]), head=head)
    except KeyRefused as error:
        raise BadInput(str(error)) from None
    except OSError as error:
        raise Failed(f"{file} cannot be read: {error.strerror}") from None


def _text(file: Path, report: Report) -> str:
    lines = [f"{file}:{problem.line}: {problem.message}" for problem in report.problems]
    state = "intact" if report.intact else f"{len(lines)} problems"
    return "\n".join([*lines, f"{file}: {report.lines} lines, {state}; head {report.head}"])
