"""What a harness found becomes a test-result that Interlock reads, and never a better one."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from interlock.api.digests import sha256
from interlock.api.facts import TEST_RESULT
from interlock.api.proofs import Evaluation
from interlock.evidence.predicates import evaluation as reader
from interlock.evidence.predicates.base import Told
from interlock_pipelines.main import main
from interlock_pipelines.tree import read_tree

TREE = f"sha256:{'a' * 64}"
SUITE = f"press-safety=sha256:{'b' * 64}"
DATA = f"orders=sha256:{'c' * 64}"
GOOD = {"passed": ["one", "two"], "metrics": {"f1": 0.97}}


def run(folder: Path, results: object, *more: str, model: str = TREE) -> Result:
    file = folder / "results.json"
    file.write_text(results if isinstance(results, str) else json.dumps(results))
    arguments = ["evaluate", model, "--results", str(file), "--suite", SUITE, *more]
    return CliRunner().invoke(main, arguments)


def statement(folder: Path, results: object, *more: str, model: str = TREE) -> Any:
    result = run(folder, results, *more, "--dry-run", model=model)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def read(folder: Path, results: object, *more: str) -> Evaluation:
    now = datetime.now(UTC)
    said = reader.read(statement(folder, results, *more)["predicate"], Told(now, ()))
    assert isinstance(said, Evaluation)
    return said


def test_the_statement_is_about_the_model_and_says_what_was_run_on_what(tmp_path: Path) -> None:
    said = read(tmp_path, GOOD, "--dataset", DATA)
    assert (said.result, said.passed, said.failed) == ("PASSED", 2, [])
    assert (said.suite, said.suite_name, said.datasets) == ("b" * 64, "press-safety", ["c" * 64])
    assert said.metrics == {"f1": 0.97}
    about = statement(tmp_path, GOOD)
    assert about["predicateType"] == TEST_RESULT
    assert about["subject"] == [{"name": "model-tree", "digest": {"sha256": "a" * 64}}]


def test_a_folder_is_hashed_as_it_is_published(tmp_path: Path, model: Path) -> None:
    said = statement(tmp_path, GOOD, model=str(model))
    assert f"sha256:{said['subject'][0]['digest']['sha256']}" == read_tree(model).digest


def test_suites_and_data_are_hashed_where_they_are_files(tmp_path: Path, model: Path) -> None:
    file = tmp_path / "orders.csv"
    file.write_bytes(b"1,2\n")
    said = read(tmp_path, GOOD, "--dataset", str(file), "--dataset", str(model), "--dataset", DATA)
    tree = read_tree(model).digest.removeprefix("sha256:")
    assert said.datasets == sorted((sha256(b"1,2\n"), tree, "c" * 64))


@pytest.mark.parametrize(
    ("results", "verdict"),
    [
        ({"passed": ["a"]}, "PASSED"),
        ({"passed": ["a"], "warned": ["b"]}, "WARNED"),
        ({"passed": ["a"], "warned": ["b"], "failed": ["c"]}, "FAILED"),
        ({"passed": ["a"], "failed": ["c"], "result": "PASSED"}, "FAILED"),
        ({"passed": ["a"], "warned": ["b"], "result": "PASSED"}, "WARNED"),
        ({"passed": ["a"], "result": "FAILED"}, "FAILED"),
        ({"passed": ["a"], "result": "WARNED"}, "WARNED"),
        ({"metrics": {"f1": 0.1}}, "PASSED"),
    ],
)
def test_the_verdict_is_the_worse_of_tests_and_harness(
    tmp_path: Path, results: object, verdict: str
) -> None:
    assert read(tmp_path, results).result == verdict


@pytest.mark.parametrize(
    ("results", "said"),
    [
        ({}, "nothing was evaluated"),
        ({"passed": [], "result": "PASSED"}, "nothing was evaluated"),
        ({"pased": ["a"]}, "holds no results: pased"),
        ({"passed": ["a"], "result": "GOOD"}, "holds no results: result"),
        ({"passed": [""]}, "holds no results: passed.0"),
        ([], "holds no results"),
        ('{"passed": ["a"], "passed": []}', "is no JSON"),
        ('{"metrics": {"f1": NaN}}', "is no JSON"),
        ('{"metrics": {"f1": 1e999}}', "is no JSON"),
        ("", "is no JSON"),
        ({"passed": ["a"], "metrics": {f"m{n}": n for n in range(65)}}, "Interlock would refuse"),
    ],
)
def test_what_is_no_result_is_refused(tmp_path: Path, results: object, said: str) -> None:
    result = run(tmp_path, results, "--dry-run")
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--dataset", "orders=sha256:12"), "is no file or folder"),
        (("--dataset", "nowhere"), "is no file or folder"),
        ((), "--mlflow, --name and --model-version are needed"),
        (
            ("--mlflow", "https://m.example", "--name", "press", "--model-version", "3"),
            "--trust-config and --identity-token-file are needed",
        ),
    ],
)
def test_a_bad_argument_ends_with_2(tmp_path: Path, more: tuple[str, ...], said: str) -> None:
    result = run(tmp_path, GOOD, *more)
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr


def test_a_model_that_is_neither_folder_nor_digest_is_refused(tmp_path: Path) -> None:
    result = run(tmp_path, GOOD, "--dry-run", model="sha256:12")
    assert result.exit_code == 2
    assert "is no folder and no tree digest" in result.stderr
