"""The command line: what is wrong with arguments is told before anything is published."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from interlock.evidence.oci import MANIFEST
from interlock_pipelines import main as command
from interlock_pipelines import publish
from interlock_pipelines.errors import BadInput, Refused, Unavailable
from interlock_pipelines.oci import Access, Descriptor, Repository, canonical, describe
from interlock_pipelines.publish import Attached, PublishedModel
from interlock_pipelines.sign import Signer
from interlock_pipelines.tree import read_tree
from interlock_pipelines.volume import push_volume

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
    assert done == ["trainer", "trainer", "publish_model"]


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
    asked = ["trainer", "builder", "scanner"]  # first seen whether they can be used at all
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


def test_a_dry_run_of_publish_says_what_would_be_and_sends_nothing(
    server: Any, model: Path
) -> None:
    arguments = ["publish", str(model), *PUBLISH[2:], "--dry-run"]
    result = CliRunner().invoke(command.main, [*arguments, "-o", "json"])
    assert result.exit_code == 0, result.stderr
    said = json.loads(result.stdout)["model"]
    tree = read_tree(model)
    assert (said["tree"], said["files"], said["bytes"]) == (tree.digest, 2, 1002)
    volume = push_volume(tree, Counting("registry.example/models/press", Access()))
    assert said["volume"] == volume.reference
    assert server.asked == []
    text = CliRunner().invoke(command.main, arguments).stdout
    assert f"Would register press: 2 files, 1002 bytes.\n  tree: {tree.digest}" in text


class Counting(Repository):
    """A repository that takes all, and has nothing."""

    def push(self, blob: Descriptor, chunks: Any) -> Descriptor:
        assert sum(map(len, chunks())) == blob["size"]
        return blob

    def push_manifest(self, body: Mapping[str, object], name: str = "") -> Descriptor:
        return describe(canonical(body), str(body["mediaType"]))


def test_a_dry_run_of_a_signature_looks_at_the_image_and_signs_nothing(server: Any) -> None:
    manifest = canonical({"mediaType": MANIFEST, "layers": []})
    digest = describe(manifest, MANIFEST)["digest"]
    place = f"https://registry.example/v2/agents/press/manifests/{digest}"
    there = {place: manifest}
    server.handler = lambda _, url, __: (
        server.answer(200, there[url], Content_Type=MANIFEST) if url in there else None
    )
    arguments = ["sign-image", f"registry.example/agents/press@{digest}", "--dry-run"]
    result = CliRunner().invoke(command.main, arguments)
    assert result.exit_code == 0, result.stderr
    subject = {"name": "oci-manifest", "digest": {"sha256": digest.removeprefix("sha256:")}}
    assert json.loads(result.stdout)["subject"] == [subject]
    assert {method for method, *_ in server.asked} == {"GET"}
    there.clear()
    assert CliRunner().invoke(command.main, arguments).exit_code == 1


@pytest.mark.parametrize("verb", [("sign-image", IMAGE), PUBLISH])
def test_without_a_token_nothing_is_signed(
    tmp_path: Path, done: list[str], verb: tuple[str, ...]
) -> None:
    (tmp_path / "model").mkdir()
    arguments = [each.replace("@model", str(tmp_path / "model")) for each in verb]
    result = CliRunner().invoke(command.main, arguments)
    assert result.exit_code == 2
    assert "--trust-config and --identity-token-file are needed" in result.stderr
    assert done == []


def test_help_lists_every_verb_without_loading_any(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.import_module", None)
    result = CliRunner().invoke(command.main, ["--help"])
    assert result.exit_code == 0
    assert all(f"  {verb} " in result.stdout for verb in command.COMMANDS)
    assert "_INTERLOCK_PIPELINE_COMPLETE=bash_source" in result.stdout


@pytest.mark.parametrize("verb", command.COMMANDS)
def test_every_verb_has_help_exit_codes_and_a_machine_readable_answer(verb: str) -> None:
    text = CliRunner().invoke(command.main, [verb, "--help"]).stdout
    assert all(f"\n    {code}  " in text for code in range(4))
    assert "--output [text|json]" in text
    assert "--dry-run" in text


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
