"""The configuration as the command line reads it, and the governance that it leads to."""

import os
from pathlib import Path

import click
from pydantic import ValidationError

from interlock.api.config import Config
from interlock.cli.exits import BadInput
from interlock.policy import strict_yaml

MAX_BYTES = 256 * 1024

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
        return Config.model_validate(strict_yaml.load(path.read_bytes(), limit=MAX_BYTES))
    except FileNotFoundError:
        raise BadInput(
            f"there is no configuration {path}. Name one with --config or $INTERLOCK_CONFIG;"
            " docs/configuration.md says what is in it."
        ) from None
    except OSError as error:
        raise BadInput(f"the configuration {path} cannot be read: {error.strerror}") from None
    except ValidationError as error:
        raise BadInput(f"{path}: {complaints(error)}") from None
    except ValueError as error:
        raise BadInput(f"{path}: {error}") from None


def complaints(error: ValidationError) -> str:
    """Return the first few complaints of a model as one sentence."""
    listed = error.errors(include_url=False, include_input=False)
    said = [f"{'.'.join(map(str, one['loc'])) or 'the document'}: {one['msg']}" for one in listed]
    rest = f"; and {len(said) - 5} more" if len(said) > 5 else ""
    return "; ".join(said[:5]) + rest


def _folder(variable: str, fallback: str) -> Path:
    base = os.environ.get(variable)
    return (Path(base) if base else Path.home() / fallback) / "interlock"
