"""How a verb ends: with what was done, or with a sentence and an exit code of what went wrong."""

import dataclasses
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import click

from interlock_pipelines.claim import Claim, Recorded
from interlock_pipelines.errors import PipelineError
from interlock_pipelines.progress import Told, nobody
from interlock_pipelines.publish import Attached


@contextmanager
def sentences() -> Iterator[None]:
    """End with the sentence and the exit code of what went wrong."""
    try:
        yield
    except PipelineError as error:
        click.echo(f"Error: {error}", err=True)
        raise click.exceptions.Exit(error.exit_code) from error


@contextmanager
def progress(label: str, size: int) -> Iterator[Told]:
    """Show on standard error how far a piece of work is; a log shows only that it began."""
    if not size:
        click.echo(label, err=True)
        yield nobody
        return
    with click.progressbar(length=size, label=label, file=sys.stderr) as bar:
        yield bar.update


def print_json(value: Mapping[str, object]) -> None:
    """Print one JSON object, for programs."""
    click.echo(json.dumps(value, indent=2))


def attached(output: str, what: str, done: Attached) -> None:
    """Print a bundle that was attached; `what` is its key in the JSON object."""
    if output == "json":
        print_json(as_dicts({what: done}))
    else:
        say_attached(done)


def say_attached(done: Attached) -> None:
    """Print a bundle that was attached, for people."""
    what = done.predicate_type
    found = f" with {done.findings} findings" if what.endswith("v0.2") else ""
    click.echo(
        f"Attached to {done.image}: {what}{found}, signed by {done.identity} "
        f"({done.issuer}), as {done.bundle}."
    )


def as_dicts(done: Mapping[str, Attached]) -> dict[str, object]:
    """Return bundles that were attached as JSON holds them."""
    return {what: dataclasses.asdict(each) for what, each in done.items()}


def would_sign(claim: Claim) -> None:
    """Print the statement that would be signed: what `--dry-run` of a signing command says."""
    print_json(claim.statement())


def recorded(output: str, what: str, done: Recorded) -> None:
    """Print a claim that was signed and put in its place; `what` is its key in the JSON object."""
    if output == "json":
        print_json({what: dataclasses.asdict(done)})
    else:
        click.echo(
            f"Put beside {done.subject}: {done.predicate_type}, signed by {done.identity} "
            f"({done.issuer}), as {done.bundle}."
        )
