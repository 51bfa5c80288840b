"""Groups whose subcommands are imported when they are called, so that `--help` answers at once."""

import importlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import click


class Lazy(NamedTuple):
    """A subcommand that is not imported yet."""

    place: str
    """Module and attribute, `module:attribute`."""
    summary: str


class LazyGroup(click.Group):
    """A group that imports a subcommand when it is asked for, and not to list it."""

    def __init__(self, *args: Any, places: Mapping[str, Lazy], **options: Any) -> None:
        super().__init__(*args, **options)
        self._places = places

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all subcommands, in the order in which they were given."""
        return list(self._places)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a subcommand; None for a name that is none."""
        if cmd_name not in self._places:
            return None
        place = self._places[cmd_name].place
        module, _, attribute = place.partition(":")
        found = getattr(importlib.import_module(module), attribute)
        if not isinstance(found, click.Command):
            raise TypeError(f"{place} is no command")
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of subcommands, importing none."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, lazy.summary) for name, lazy in self._places.items()])
