"""How a model came to be, as its trainer says: the predicate `training/v1`.

Data is named by digest: it stays where it belongs, and what was signed tells whether it is still
the same. The parameters are few and are signed as they are.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from interlock.evidence.http import shown
from interlock.evidence.predicates.base import rfc3339
from interlock.policy import strict_json
from interlock_pipelines.errors import BadInput
from interlock_pipelines.materials import Material

MAX_PARAMETERS_BYTES = 1024 * 1024


def read_parameters(path: Path) -> dict[str, Any]:
    """Return the parameters in a JSON file. Raises BadInput."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_PARAMETERS_BYTES + 1)
        value = strict_json.load(data, limit=MAX_PARAMETERS_BYTES)
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise BadInput(f"{path} is no JSON: {shown(str(error), 200)}.") from None
    if not isinstance(value, dict):
        raise BadInput(f"{path} is no JSON object of parameters.")
    return value


def predicate(
    *,
    run: str,
    datasets: Sequence[Material],
    parameters: Mapping[str, Any],
    commit: str,
    finished: datetime,
) -> dict[str, Any]:
    """Return the training/v1 predicate; the source is left out where no commit is known."""
    said: dict[str, Any] = {
        "run": run,
        "datasets": [each.descriptor() for each in datasets],
        "parameters": dict(parameters),
        "finishedOn": rfc3339(finished),
    }
    return said | ({"source": {"digest": {"gitCommit": commit}}} if commit else {})
