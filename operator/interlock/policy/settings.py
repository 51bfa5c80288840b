"""Reads the configuration file: one loader, so that no service understands it otherwise."""

from pathlib import Path

from pydantic import ValidationError

from interlock.api.config import Config
from interlock.policy import strict_yaml

MAX_BYTES = 256 * 1024


class SettingsError(ValueError):
    """The configuration cannot be used; the sentence says which, where and why."""


def read(path: Path) -> Config:
    """Return the configuration in a file. Raises SettingsError."""
    try:
        return Config.model_validate(strict_yaml.load(path.read_bytes(), limit=MAX_BYTES))
    except FileNotFoundError:
        raise SettingsError(
            f"there is no configuration {path}. Name one with --config or $INTERLOCK_CONFIG;"
            " docs/configuration.md says what is in it."
        ) from None
    except OSError as error:
        raise SettingsError(
            f"the configuration {path} cannot be read: {error.strerror}. Mount it readable."
        ) from None
    except ValidationError as error:
        raise SettingsError(f"{path}: {complaints(error)}") from None
    except ValueError as error:
        raise SettingsError(f"{path}: {error}") from None


def complaints(error: ValidationError) -> str:
    """Return the first few complaints of a model as one sentence."""
    listed = error.errors(include_url=False, include_input=False)
    said = [f"{'.'.join(map(str, one['loc'])) or 'the document'}: {one['msg']}" for one in listed]
    rest = f"; and {len(said) - 5} more" if len(said) > 5 else ""
    return "; ".join(said[:5]) + rest
