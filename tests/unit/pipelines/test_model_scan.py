"""`model-scan` looks into files with Interlock's own code, and says what its gate will say."""

import json
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from interlock_pipelines.main import main
from interlock_pipelines.tree import read_tree


class Bomb:
    """Says that it is loaded by importing something that nobody else does."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return (__import__, ("this",))


SAFE = {"notes.txt": b"made for line 4\n", "config.json": b'{"layers": 2}'}
EVIL = SAFE | {"weights.safetensors": pickle.dumps(Bomb())}


def run(folder: Path, files: Mapping[str, bytes], *more: str) -> Result:
    model = folder / "model"
    model.mkdir(exist_ok=True)
    for name, data in files.items():
        (model / name).write_bytes(data)
    return CliRunner().invoke(main, ["model-scan", str(model), *more])


def test_plain_files_pass(tmp_path: Path) -> None:
    result = run(tmp_path, SAFE)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("1 json, 1 text\nmodel-content: PASS: ")


def test_a_pickle_under_another_name_is_found_and_not_loaded(tmp_path: Path) -> None:
    result = run(tmp_path, EVIL)
    assert result.exit_code == 1
    assert "pickle  weights.safetensors imports builtins.__import__" in result.stdout
    assert "model-content: FAIL: " in result.stdout
    assert "The Zen" not in result.output


def test_the_answer_for_programs_holds_content_and_gate(tmp_path: Path) -> None:
    result = run(tmp_path, EVIL, "-o", "json")
    assert result.exit_code == 1
    said = json.loads(result.stdout)
    assert said["content"]["pickles"][0]["imports"] == ["builtins.__import__"]
    assert (said["gate"]["gate"], said["gate"]["outcome"]) == ("model-content", "FAIL")
    assert said["gate"]["unblock"]


def test_governance_may_allow_what_a_pickle_imports(tmp_path: Path) -> None:
    gates = tmp_path / "gates.yaml"
    gates.write_text(
        "modelContent:\n  formats: [json, text]\n  pickleImports: [builtins.__import__]\n"
    )
    assert run(tmp_path, EVIL, "--gates", str(gates)).exit_code == 0


def test_governance_may_refuse_a_format(tmp_path: Path) -> None:
    gates = tmp_path / "gates.yaml"
    gates.write_text("modelContent:\n  formats: [json]\n")
    result = run(tmp_path, SAFE, "--gates", str(gates))
    assert result.exit_code == 1
    assert "notes.txt" in result.stdout


def test_the_statement_is_about_the_tree_and_says_what_was_found(tmp_path: Path) -> None:
    result = run(tmp_path, SAFE, "--sign", "--dry-run")
    assert result.exit_code == 0, result.output
    said = json.loads(result.stdout)
    assert said["predicateType"] == "https://interlock.dev/attestation/model-scan/v1"
    digest = read_tree(tmp_path / "model").digest.removeprefix("sha256:")
    assert said["subject"] == [{"name": "model-tree", "digest": {"sha256": digest}}]
    assert said["predicate"]["result"] == "PASSED"
    assert said["predicate"]["content"]["formats"] == {"json": 1, "text": 1}


def test_a_model_that_fails_is_signed_as_failed(tmp_path: Path) -> None:
    result = run(tmp_path, EVIL, "--sign", "--dry-run")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["predicate"]["result"] == "FAILED"


@pytest.mark.parametrize(
    ("gates", "said"),
    [("modelContent: {format: [json]}\n", "is no gates.yaml: modelContent"), ("a: [", "no gates")],
)
def test_gates_that_cannot_be_read_are_refused(tmp_path: Path, gates: str, said: str) -> None:
    file = tmp_path / "gates.yaml"
    file.write_text(gates)
    result = run(tmp_path, SAFE, "--gates", str(file))
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr


def test_signing_asks_for_the_version_before_it_looks(tmp_path: Path) -> None:
    result = run(tmp_path, SAFE, "--sign")
    assert result.exit_code == 2
    assert "--mlflow, --name and --model-version are needed" in result.stderr
