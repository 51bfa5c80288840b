"""A test-result v0.1 names its suite and its data by digest, or it is none."""

from typing import Any

import pytest

from interlock.api.proofs import Evaluation
from interlock.evidence.predicates import evaluation
from interlock.evidence.predicates.base import Told
from interlock.evidence.predicates.evaluation import DATASET, METRICS, SUITE
from interlock.evidence.statement import Refused
from support import proofs, signed
from support.proofs import descriptor


def read(**changes: Any) -> Evaluation:
    return evaluation.read(proofs.red_team(**changes), Told(signed.now(), ()))


def test_what_was_run_on_what_and_what_came_of_it() -> None:
    assert read() == Evaluation(
        result="PASSED",
        suite=proofs.SUITE,
        suite_name="red-team",
        datasets=[proofs.DATASET],
        passed=2,
        metrics={"refusal_rate": 0.99, "leaks": 0.0},
    )


def test_failed_tests_are_named_and_the_rest_is_cut() -> None:
    said = read(result="FAILED", failedTests=[f"t{n}" for n in range(100)])
    assert (said.result, len(said.failed), said.failed[0]) == ("FAILED", 64, "t0")


def test_a_descriptor_that_does_not_say_what_it_is_is_neither() -> None:
    bare = {"name": "model", "digest": {"sha256": "1b" * 32}}
    configuration = [bare, *proofs.red_team()["configuration"]]
    assert read(configuration=configuration) == read()


@pytest.mark.parametrize(
    "changes",
    [
        {"result": "passed"},
        {"result": None},
        {"configuration": []},
        {"configuration": [descriptor("d", proofs.DATASET, DATASET)]},
        {"configuration": [descriptor("s", "aa" * 32, SUITE), descriptor("s", "bb" * 32, SUITE)]},
        {"configuration": [descriptor("s", "AA" * 32, SUITE)]},
        {"configuration": [descriptor("s", "aa" * 20, SUITE)]},
        {"configuration": [descriptor("s", "a1" * 32, SUITE) | {"digest": {"sha1": "a" * 40}}]},
        {
            "configuration": [
                descriptor("s", "a1" * 32, SUITE)
                | {"digest": {"sha256": "a1" * 32, "sha512": "b" * 128}}
            ]
        },
        {"configuration": [descriptor("d", f"{n:064x}", DATASET) for n in range(80)]},
        {"failedTests": "none"},
        {METRICS: {"leaks": "0"}},
        {METRICS: {"leaks": True}},
        {METRICS: {"": 1}},
        {METRICS: {str(n): n for n in range(65)}},
    ],
)
def test_an_incomplete_or_ambiguous_result_is_none(changes: dict[str, Any]) -> None:
    with pytest.raises(Refused) as refused:
        read(**changes)
    assert refused.value.code == "BadPredicate"
