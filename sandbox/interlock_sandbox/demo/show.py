"""What the demo prints: steps, commands with their real output, plain sentences, a table."""

import shlex
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import click

T = TypeVar("T")
_POLL = 0.1


class Unheld(AssertionError):
    """Something that the story promises did not happen."""


@dataclass(frozen=True, slots=True)
class Row:
    """How one step ended."""

    number: int
    title: str
    held: bool
    seconds: float
    remark: str


def step(number: int, title: str) -> None:
    """Begin a step."""
    click.secho(f"\n{number}. {title}", bold=True)


def say(sentence: str) -> None:
    """Say what just happened, in plain words."""
    click.echo(f"   {sentence}")


def command(who: str, arguments: Sequence[str], output: str) -> None:
    """Print a command as somebody typed it, and what it answered, in one piece."""
    typed = click.style(f"{who}$ {shlex.join(arguments)}", fg="cyan")
    answered = "".join(f"\n     {line}" for line in output.rstrip().splitlines())
    click.echo(f"   {typed}{answered}")


def quote(who: str, text: str) -> None:
    """Print what somebody wrote."""
    click.echo(f"   {who}:" + "".join(f"\n     {line}" for line in text.rstrip().splitlines()))


def hold(condition: object, expected: str, got: object = "") -> None:
    """Assert what the story promises. Raises Unheld."""
    if not condition:
        raise Unheld(f"expected: {expected}" + (f"; got: {got}" if got != "" else ""))


def until(look: Callable[[], T | None], what: str, seconds: float = 60.0) -> T:
    """Wait until `look` answers. Raises Unheld, with what was seen last, when it does not."""
    deadline = time.monotonic() + seconds
    while True:
        if (found := look()) is not None:
            return found
        if time.monotonic() > deadline:
            raise Unheld(f"expected within {seconds:.0f} s: {what}")
        time.sleep(_POLL)


def table(rows: Sequence[Row]) -> None:
    """Print how all steps ended."""
    click.echo()
    for row in rows:
        mark = click.style("held  ", fg="green") if row.held else click.style("FAILED", fg="red")
        click.echo(f"{row.number:>3}  {mark} {row.seconds:6.1f} s  {row.title}  {row.remark}")
