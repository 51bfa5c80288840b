"""An evaluation or a red team's attack on a model: an in-toto test-result v0.1.

The predicate's `configuration` names what was run and on what; each descriptor says which of the
two it is in its annotation `interlock.dev/kind`: one `suite`, any number of `dataset`s, all by
SHA-256. Measured values stand in an extension field named by a URI, as in-toto asks of extensions.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, ValidationError

from interlock.api.kinds.base import Hex64
from interlock.api.proofs import MAX_NAMED, Evaluation
from interlock.evidence.predicates.base import Part, Told, incomplete
from interlock.evidence.statement import Refused

KIND = "interlock.dev/kind"
SUITE, DATASET = "suite", "dataset"
METRICS = "https://interlock.dev/attestation/metrics/v1"
"""The extension field: metric to number."""
MAX_TESTS = 20_000

_Name = Annotated[str, Field(min_length=1, max_length=256)]
_Tests = Annotated[list[str], Field(max_length=MAX_TESTS)]
_Number = Annotated[float, Field(allow_inf_nan=False)]


class _Sha256(Part):
    model_config = ConfigDict(extra="forbid")  # a second digest might say something else

    sha256: Hex64


class _Descriptor(Part):
    name: Annotated[str, Field(max_length=256)] = ""
    digest: _Sha256
    annotations: dict[str, Any] = {}


class _TestResult(Part):
    result: Literal["PASSED", "WARNED", "FAILED"]
    configuration: Annotated[list[_Descriptor], Field(min_length=1, max_length=MAX_NAMED + 1)]
    passed_tests: _Tests = []
    warned_tests: _Tests = []
    failed_tests: _Tests = []
    metrics: Annotated[dict[_Name, _Number], Field(max_length=MAX_NAMED)] = Field(
        default={}, alias=METRICS
    )


def read(predicate: Mapping[str, Any], told: Told) -> Evaluation:
    """Return a test-result v0.1 predicate as facts. Raises Refused."""
    try:
        said = _TestResult.model_validate(predicate)
    except ValidationError as error:
        raise incomplete(error, "a complete test-result v0.1 predicate") from None
    suites = [each for each in said.configuration if each.annotations.get(KIND) == SUITE]
    if len(suites) != 1:
        expected = f"exactly one configuration whose annotation {KIND} is {SUITE}"
        raise Refused("BadPredicate", f"{len(suites)} suites", expected)
    data = (each for each in said.configuration if each.annotations.get(KIND) == DATASET)
    return Evaluation(
        result=said.result,
        suite=suites[0].digest.sha256,
        suite_name=suites[0].name,
        datasets=sorted({each.digest.sha256 for each in data}),
        failed=[name[:256] for name in said.failed_tests[:MAX_NAMED]],
        passed=len(said.passed_tests),
        metrics=said.metrics,
    )
