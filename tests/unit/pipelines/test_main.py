"""The command line: what is wrong with arguments is told before anything is published."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from interlock_pipelines import main as command
from interlock_pipelines import publish
from interlock_pipelines.errors import BadInput, Refused, Unavailable
from interlock_pipelines.publish import Attached, PublishedModel
from interlock_pipelines.sign import Signer

IMAGE = f"registry.example/agents/press@sha256:{'a' * 64}"
MODEL = PublishedModel(
    name="press",
    version="3",
    tree=f"sha256:{'b' * 64}",
    volume=f"registry.example/models/press@sha256:{'c' * 64}",
    files=2,
    run="r1",
    identity="trainer",
    issuer="https://oidc.example",
)
ATTACHED = Attached(IMAGE, "https://example.com/kind", "sha256:d", "builder", "https://i.example")


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Nothing is published; what would be is written down."""
    done: list[str] = []

    def does(name: str, value: object) -> None:
        def made(*_: object, **__: object) -> object:
            done.append(name)
            return value

        monkeypatch.setattr(publish, name, made)

    does("publish_model", MODEL)
    does("sign_image", ATTACHED)
    does("attach_scan", ATTACHED)

    def load(_: type, trust: Path, token: Path) -> str:
        assert trust.name == "trust"
        done.append(token.name)
        return token.name

    monkeypatch.setattr(Signer, "load", classmethod(load))
    return done


def run(folder: Path, *arguments: str, **files: str) -> Result:
    (folder / "model").mkdir()
    for name in ("trust", "trainer", "builder", "scanner", "password", *files):
        (folder / name).write_text(files.get(name, ""))
    where = [a.replace("@", f"{folder}/", 1) if a.startswith("@") else a for a in arguments]
    signing = ["--trust-config", f"{folder}/trust", "--identity-token-file", f"{folder}/trainer"]
    return CliRunner().invoke(command.main, [*where, *signing])


PUBLISH = (
    *("publish", "@model", "--name", "press", "--mlflow", "https://mlflow.example"),
    *("--registry", "registry.example/models/press"),
)
SCAN = {
    "report": json.dumps(
        {"SchemaVersion": 2, "Trivy": {"Version": "1"}, "CreatedAt": "2026-11-20T08:00:00Z"}
    )
}


def test_the_answer_is_what_goes_into_the_file(tmp_path: Path, done: list[str]) -> None:
    result = run(tmp_path, *PUBLISH)
    assert result.exit_code == 0, result.stderr
    assert f'    version: "3"\n    tree: {MODEL.tree}\n    volume: {MODEL.volume}' in result.stdout
    assert done == ["trainer", "publish_model"]


def test_one_command_does_all_with_three_tokens(tmp_path: Path, done: list[str]) -> None:
    result = run(
        tmp_path,
        *(*PUBLISH, "--image", IMAGE, "--builder-token-file", "@builder", "-o", "json"),
        *("--trivy-report", "@report", "--database-updated", "2026-11-20T06:00:00Z"),
        *("--scanner-token-file", "@scanner"),
        **SCAN,
    )
    assert result.exit_code == 0, result.stderr
    assert set(json.loads(result.stdout)) == {"model", "image", "scan"}
    asked = ["builder", "scanner"]  # first seen whether they can be used at all
    assert done == [
        *(*asked, "trainer", "publish_model"),
        *("builder", "sign_image", "scanner", "attach_scan"),
    ]


@pytest.mark.parametrize(
    ("more", "files", "said"),
    [
        (("--trivy-report", "@report"), SCAN, "give both"),
        (("--image", "registry.example/a:1"), {}, "is not pinned"),
        (("--image", IMAGE, "--trivy-report", "@report"), SCAN, "--database-updated go together"),
        (("--username", "trainer"), {}, "--username and --password-file go together"),
        (("--password-file", "@password"), {}, "--username and --password-file go together"),
        (("--registry-auth-file", "@login"), {"login": "nobody"}, "holds no `user:password`"),
        (("--registry", "press"), {}, "no OCI repository"),
        (
            ("--image", IMAGE, "--trivy-report", "@report", "--database-updated", "today"),
            SCAN,
            "--database-updated is 'today'",
        ),
        (
            ("--image", IMAGE, "--trivy-report", "@report", "--database-updated", "2026-11-20"),
            SCAN,
            "no zone",
        ),
    ],
)
def test_a_bad_argument_ends_with_2_before_anything_is_published(
    tmp_path: Path, done: list[str], more: tuple[str, ...], files: Mapping[str, str], said: str
) -> None:
    result = run(tmp_path, *PUBLISH, *more, **files)
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr
    assert "publish_model" not in done


def test_a_scan_needs_its_report(tmp_path: Path, done: list[str]) -> None:
    result = run(tmp_path, "attach-scan", IMAGE)
    assert result.exit_code == 2
    assert "--trivy-report and --database-updated go together" in result.stderr
    assert done == []


@pytest.mark.parametrize(
    ("error", "code"), [(Refused("no"), 1), (BadInput("no"), 2), (Unavailable("no"), 3)]
)
def test_each_kind_of_failure_has_its_exit_code(
    tmp_path: Path, done: list[str], monkeypatch: pytest.MonkeyPatch, error: Exception, code: int
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(publish, "sign_image", fail)
    result = run(tmp_path, "sign-image", IMAGE)
    assert (result.exit_code, result.stdout, result.stderr) == (code, "", "Error: no\n")
    assert done == ["trainer"]
    help_text = CliRunner().invoke(command.main, ["sign-image", "--help"]).stdout
    assert f"\n    {code}  " in help_text
