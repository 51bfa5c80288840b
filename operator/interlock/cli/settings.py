"""The configuration as the command line reads it, and the governance that it leads to."""

import os
from pathlib import Path

import click

from interlock.api.config import Config
from interlock.cli.exits import BadInput
from interlock.policy import settings as loader

option = click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="INTERLOCK_CONFIG",
    show_envvar=True,
    help="The configuration; ~/.config/interlock/config.yaml where none is named.",
)


def load(path: Path | None) -> Config:
    """Return the configuration of a person. Raises BadInput with a sentence.

    Caches lie in the person's own cache folder unless the file says where.
    """
    config = read(path or _folder("XDG_CONFIG_HOME", ".config") / "config.yaml")
    if "state_dir" in config.model_fields_set:
        return config
    return config.model_copy(update={"state_dir": _folder("XDG_CACHE_HOME", ".cache")})


def read(path: Path) -> Config:
    """Return the configuration in a file, as a service reads it. Raises BadInput."""
    try:
        return loader.read(path)
    except loader.SettingsError as error:
        raise BadInput(str(error)) from None


def _folder(variable: str, fallback: str) -> Path:
    base = os.environ.get(variable)
    return (Path(base) if base else Path.home() / fallback) / "interlock"
