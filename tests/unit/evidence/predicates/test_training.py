"""A training record names run, data and parameters, or it is none."""

from typing import Any

import pytest

from interlock.api import digests
from interlock.api.proofs import Training
from interlock.evidence.predicates import training
from interlock.evidence.predicates.base import Told, rfc3339
from interlock.evidence.statement import Refused
from support import proofs, signed

SIGNED = signed.now()


def read(**changes: Any) -> Training:
    return training.read(proofs.training_run(**changes), Told(SIGNED, ()))


def test_run_data_parameters_commit_and_end() -> None:
    assert read() == Training(
        run="run-7",
        datasets=[proofs.DATASET],
        parameters=digests.of_value({"epochs": 3, "rate": 0.001}),
        commit=proofs.COMMIT,
        finished="2026-01-01T00:00:00Z",
    )


def test_the_source_may_be_left_out_and_data_named_twice_counts_once() -> None:
    said = read(source={}, datasets=[{"digest": {"sha256": proofs.DATASET}}] * 2)
    assert (said.commit, said.datasets) == ("", [proofs.DATASET])


@pytest.mark.parametrize(
    "changes",
    [
        {"run": ""},
        {"datasets": []},
        {"datasets": [{"digest": {}}]},
        {"datasets": [{"digest": {"sha256": "DA" * 32}}]},
        {"datasets": [{"digest": {"sha256": f"{n:064x}"}} for n in range(65)]},
        {"parameters": None},
        {"parameters": ["epochs"]},
        {"source": {"digest": {"gitCommit": "main"}}},
        {"finishedOn": "2026-01-01T00:00:00"},
        {"finishedOn": "yesterday"},
        {"finishedOn": rfc3339(SIGNED.replace(year=SIGNED.year + 1))},
    ],
)
def test_an_incomplete_record_is_none(changes: dict[str, Any]) -> None:
    with pytest.raises(Refused) as refused:
        read(**changes)
    assert refused.value.code == "BadPredicate"
