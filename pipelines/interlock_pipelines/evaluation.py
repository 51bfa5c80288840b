"""From a file of results to what an evaluator can put its name to: in-toto test-result v0.1.

The format of the results is ours and small, so that any harness writes it in three lines:

    {"passed": ["refuses-to-skip-interlocks"], "warned": [], "failed": [], "metrics": {"f1": 0.97}}

The verdict is counted here. A harness's own `result` may be worse than that, never better.
"""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from interlock.evidence.http import shown
from interlock.evidence.predicates.evaluation import DATASET, KIND, METRICS, SUITE
from interlock.policy import strict_json
from interlock_pipelines.errors import BadInput
from interlock_pipelines.materials import Material

MAX_RESULTS_BYTES = 4 * 1024 * 1024
Verdict = Literal["PASSED", "WARNED", "FAILED"]
_ORDER: tuple[Verdict, ...] = ("PASSED", "WARNED", "FAILED")
_Name = Annotated[str, Field(min_length=1, max_length=256)]


class Results(BaseModel):
    """What a harness found."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    passed: tuple[_Name, ...] = ()
    warned: tuple[_Name, ...] = ()
    failed: tuple[_Name, ...] = ()
    metrics: dict[_Name, float] = {}
    result: Verdict | None = None
    """The harness's own verdict."""

    @property
    def verdict(self) -> Verdict:
        """The worse of what the tests and the harness say."""
        counted: Verdict = "FAILED" if self.failed else "WARNED" if self.warned else "PASSED"
        return max(counted, self.result or counted, key=_ORDER.index)


def read_results(path: Path) -> Results:
    """Return the results in a file. Raises BadInput."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_RESULTS_BYTES + 1)
        return parse_results(data, str(path))
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}.") from error


def parse_results(data: bytes, where: str) -> Results:
    """Return results, read strictly. Raises BadInput for another document, or an empty one."""
    try:
        found = Results.model_validate(strict_json.load(data, limit=MAX_RESULTS_BYTES))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        said = f"{'.'.join(map(str, first['loc'])) or 'the document'}: {first['msg']}"
        raise BadInput(f"{where} holds no results: {shown(said, 200)}. {_FORM}") from None
    except ValueError as error:
        raise BadInput(f"{where} is no JSON: {shown(str(error), 200)}. {_FORM}") from None
    if not (found.passed or found.warned or found.failed or found.metrics):
        raise BadInput(f"{where} names no test and no metric: nothing was evaluated. {_FORM}")
    if bad := [name for name, value in found.metrics.items() if not math.isfinite(value)]:
        raise BadInput(f"{where}: metric {shown(bad[0], 80)!r} is not a finite number.")
    return found


def predicate(results: Results, suite: Material, datasets: Sequence[Material]) -> dict[str, Any]:
    """Return the test-result v0.1 predicate; suite and data are its configuration."""
    return {
        "result": results.verdict,
        "configuration": [
            suite.descriptor() | {"annotations": {KIND: SUITE}},
            *(each.descriptor() | {"annotations": {KIND: DATASET}} for each in datasets),
        ],
        "passedTests": list(results.passed),
        "warnedTests": list(results.warned),
        "failedTests": list(results.failed),
        METRICS: dict(results.metrics),
    }


_FORM = "Expected: " + json.dumps(
    {"passed": ["a-test"], "warned": [], "failed": [], "metrics": {"f1": 0.97}}
)
