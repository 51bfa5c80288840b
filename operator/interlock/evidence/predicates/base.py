"""What the readers of predicates share: a strict model, its first fault, and what they are told.

A predicate is a stranger's JSON, even if a trusted identity signed it. What cannot be read in full
is refused, never guessed.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from interlock.api.digests import ModelFile
from interlock.api.kinds.base import Model
from interlock.evidence.http import shown
from interlock.evidence.statement import Refused


@dataclass(frozen=True, slots=True)
class Told:
    """What a reader knows beside the predicate."""

    signed: datetime
    files: Sequence[ModelFile]
    """The model's files as they lie in the registry; none where the spec names no model."""


Reader = Callable[[Mapping[str, Any], Told], Model]
"""Returns the part of the facts that a predicate amounts to. Raises Refused."""


class Part(BaseModel):
    """A piece of a foreign predicate. Unknown fields are ignored, as in-toto demands."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True, alias_generator=to_camel)


def rfc3339(moment: datetime) -> str:
    """Return a moment as facts hold it: UTC, whole seconds. Raises Refused where UTC has none."""
    try:
        utc = moment.astimezone(UTC)
    except OverflowError:  # year 1 east of Greenwich, 9999 west of it
        raise Refused("BadPredicate", str(moment), "a time that UTC has a year for") from None
    return utc.replace(microsecond=0).isoformat().replace("+00:00", "Z")


def _first(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return shown(f"{place}: {first['msg']}", 200)


def incomplete(error: ValidationError, expected: str) -> Refused:
    """Return the refusal of a predicate that cannot be read in full."""
    return Refused("BadPredicate", _first(error), expected)
