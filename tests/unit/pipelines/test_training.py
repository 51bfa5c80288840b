"""What a trainer says of a model becomes a record that Interlock reads in full."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from interlock.api import digests
from interlock.api.facts import TRAINING
from interlock.api.proofs import Training
from interlock.evidence.predicates import training as reader
from interlock.evidence.predicates.base import Told
from interlock_pipelines.main import main

TREE = f"sha256:{'a' * 64}"
DATA = f"orders=sha256:{'c' * 64}"
COMMIT = "d" * 40
PARAMETERS = {"epochs": 3, "rate": 0.1}


def run(folder: Path, *more: str, parameters: str = json.dumps(PARAMETERS)) -> Result:
    file = folder / "parameters.json"
    file.write_text(parameters)
    told = ("--run", "r1", "--dataset", DATA, "--parameters", str(file))
    return CliRunner().invoke(main, ["training", TREE, *told, *more])


def statement(folder: Path, *more: str) -> Any:
    result = run(folder, *more, "--dry-run")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_the_record_names_run_data_parameters_and_code(tmp_path: Path) -> None:
    more = ("--commit", COMMIT, "--finished", "2026-11-20T10:00:00+01:00")
    said = statement(tmp_path, *more)
    assert said["predicateType"] == TRAINING
    assert said["subject"] == [{"name": "model-tree", "digest": {"sha256": "a" * 64}}]
    assert reader.read(said["predicate"], Told(datetime.now(UTC), ())) == Training(
        run="r1",
        datasets=["c" * 64],
        parameters=digests.of_value(PARAMETERS),
        commit=COMMIT,
        finished="2026-11-20T09:00:00Z",
    )


def test_without_a_commit_none_is_claimed(tmp_path: Path) -> None:
    assert "source" not in statement(tmp_path)["predicate"]


@pytest.mark.parametrize(
    ("more", "parameters", "said"),
    [
        (("--commit", "main"), "{}", "expected a git commit"),
        (("--finished", "2126-11-20T10:00:00Z"), "{}", "before the record was signed"),
        (("--finished", "yesterday"), "{}", "--finished is 'yesterday'"),
        (("--run", ""), "{}", "Interlock would refuse this statement"),
        ((), "[]", "no JSON object of parameters"),
        ((), '{"a": 1, "a": 2}', "is no JSON"),
    ],
)
def test_what_interlock_would_not_read_is_not_signed(
    tmp_path: Path, more: tuple[str, ...], parameters: str, said: str
) -> None:
    result = run(tmp_path, *more, "--dry-run", parameters=parameters)
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr
