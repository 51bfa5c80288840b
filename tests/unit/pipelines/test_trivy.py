"""What Trivy is told, whatever it is put on; and what is made of its answers."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytest
from click.testing import CliRunner, Result
from docker.models.images import Image

from interlock.api.facts import CYCLONEDX, VULNS
from interlock_pipelines import container
from interlock_pipelines.container import Engine, Job
from interlock_pipelines.errors import BadInput, Refused, Unavailable
from interlock_pipelines.main import main
from interlock_pipelines.tree import read_tree
from interlock_pipelines.trivy import Target, Trivy
from interlock_sandbox.process import free_port

DIGEST = f"sha256:{'7a' * 32}"
IMAGE = f"registry.example/tools/trivy@{DIGEST}"
UPDATED = "2026-11-20T06:00:00Z"
VERSION = {"Version": "0.74.0", "VulnerabilityDB": {"Version": 2, "UpdatedAt": UPDATED}}
REPORT = {
    "SchemaVersion": 2,
    "Trivy": {"Version": "0.74.0"},
    "CreatedAt": "2026-11-20T08:00:00Z",
    "Results": [{"Type": "pip", "Packages": [{"Name": "werkzeug"}]}],
}
BOM = {
    "bomFormat": "CycloneDX",
    "specVersion": "1.7",
    "serialNumber": "urn:uuid:1",
    "version": 1,
    "metadata": {"timestamp": UPDATED, "tools": {}, "component": {"bom-ref": "r", "name": "/t"}},
    "components": [
        {
            "type": "library",
            "name": "werkzeug",
            "version": "0.11",
            "purl": "pkg:pypi/werkzeug@0.11",
            "properties": [
                {"name": "aquasecurity:trivy:LayerDigest", "value": "x"},
                {"name": "aquasecurity:trivy:FilePath", "value": "app/METADATA"},
            ],
        }
    ],
}


class Runs:
    """An engine that runs nothing: it answers by subcommand, and keeps what it was asked."""

    def __init__(self) -> None:
        self.says: dict[str, object] = {"version": VERSION, "fs": REPORT, "image": REPORT}
        self.jobs: list[Job] = []

    def run(self, job: Job) -> bytes:
        self.jobs.append(job)
        said = self.says[job.argv[0]]
        return said if isinstance(said, bytes) else json.dumps(said).encode()


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> Runs:
    made = Runs()

    @contextmanager
    def connect(_: str | None) -> Iterator[Runs]:
        yield made

    monkeypatch.setattr(Engine, "connect", staticmethod(connect))
    return made


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    folder = tmp_path / "cache"
    (folder / "db").mkdir(parents=True)
    for name in ("trivy.db", "metadata.json"):
        (folder / "db" / name).write_text("{}")
    return opened(folder)


def opened(folder: Path) -> Path:
    """Make a folder one that all may read."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return folder


def trivy(runs: Runs, cache: Path) -> Trivy:
    return Trivy.load(cast(Engine, runs), IMAGE, cache)


def run(verb: str, target: Path, cache: Path, *more: str) -> Result:
    given = [verb, str(target), "--trivy", IMAGE, "--database", str(cache), *more]
    return CliRunner().invoke(main, given)


def statement(result: Result) -> dict[str, Any]:
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_no_scan_goes_out_or_takes_settings_from_its_target(runs: Runs, cache: Path) -> None:
    scanner = trivy(runs, cache)
    runs.says |= {"image": BOM}
    scanner.report(Target("model", cache))
    scanner.inventory(Target("image", cache))
    report, inventory = (job.argv for job in runs.jobs)
    assert report[:2] == ("fs", "/target")
    assert inventory[:3] == ("image", "--input", "/target")
    for argv in (report, inventory):
        assert {"--offline-scan", "--disable-telemetry", "--skip-version-check"} <= set(argv)
        assert {each for each in argv if each.startswith("--skip-")} >= {
            "--skip-db-update",
            "--skip-java-db-update",
            "--skip-check-update",
            "--skip-vex-repo-update",
        }
        assert argv[argv.index("--config") + 1] == "/dev/null"
        assert "--vex" not in argv
    assert report[report.index("--ignorefile") + 1] == "/dev/null"
    assert report[report.index("--secret-config") + 1] == ""
    assert report[report.index("--scanners") + 1] == "vuln,secret"
    assert "--show-suppressed" in report


def test_target_and_database_are_all_that_is_mounted(runs: Runs, cache: Path) -> None:
    trivy(runs, cache).report(Target("model", cache / "db"))
    assert runs.jobs[0].mounts == {"/cache": cache, "/target": cache / "db"}


def test_a_scan_of_a_model_is_about_its_tree(runs: Runs, cache: Path, model: Path) -> None:
    said = statement(run("scan", opened(model), cache, "--dry-run"))
    tree = read_tree(model).digest.removeprefix("sha256:")
    assert said["predicateType"] == VULNS
    assert said["subject"] == [{"name": "model-tree", "digest": {"sha256": tree}}]
    scanner = said["predicate"]["scanner"]
    assert scanner["db"] == {"lastUpdate": UPDATED}
    assert scanner["annotations"]["image"] == DIGEST


def test_the_age_of_the_database_is_asked_before_the_scan(
    runs: Runs, cache: Path, model: Path
) -> None:
    statement(run("scan", opened(model), cache, "--dry-run"))
    assert [job.argv[0] for job in runs.jobs] == ["version", "fs"]


def test_a_model_that_changes_under_the_scanner_is_not_signed(
    runs: Runs, cache: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def report(self: Runs, job: Job) -> bytes:
        (model / "a.json").write_bytes(b"[]")
        return json.dumps(self.says[job.argv[0]]).encode()

    monkeypatch.setattr(Runs, "run", report)
    result = run("scan", opened(model), cache, "--dry-run")
    assert result.exit_code == 2
    assert "changed while it was scanned" in result.stderr


def test_a_result_is_used_again_as_long_as_nothing_changed(
    runs: Runs, cache: Path, model: Path, tmp_path: Path
) -> None:
    work = ("--dry-run", "--work", str(tmp_path / "work"))
    first = statement(run("scan", opened(model), cache, *work))
    assert statement(run("scan", model, cache, *work)) == first
    assert [job.argv[0] for job in runs.jobs] == ["version", "fs", "version"]
    newer = {**VERSION, "VulnerabilityDB": {"UpdatedAt": "2026-11-21T06:00:00Z"}}
    runs.says["version"] = newer
    statement(run("scan", model, cache, *work))
    assert runs.jobs[-1].argv[0] == "fs"


def test_a_bill_of_a_model_lists_packages_and_files(runs: Runs, cache: Path, model: Path) -> None:
    runs.says["fs"] = BOM
    said = statement(run("sbom", opened(model), cache, "--dry-run"))
    assert said["predicateType"] == CYCLONEDX
    tree = read_tree(model)
    about = said["predicate"]["metadata"]["component"]
    assert (about["type"], about["version"]) == ("machine-learning-model", tree.digest)
    package, *files = said["predicate"]["components"]
    assert package["properties"] == [
        {"name": "aquasecurity:trivy:FilePath", "value": "app/METADATA"}
    ]
    assert {each["name"]: each["hashes"][0]["content"] for each in files} == {
        file.path: file.sha256 for file in tree.files
    }


def test_a_bill_that_nobody_could_read_is_refused(runs: Runs, cache: Path, model: Path) -> None:
    runs.says["fs"] = {**BOM, "components": [{"name": "x" * 1000}] * 4000}
    result = run("sbom", opened(model), cache, "--dry-run")
    assert result.exit_code == 2
    assert "at most 3000000 can be read" in result.stderr


@pytest.mark.parametrize("answer", [{}, {"metadata": []}, {"metadata": {"component": 7}}])
def test_what_is_no_bill_of_trivys_is_refused(
    runs: Runs, cache: Path, model: Path, answer: object
) -> None:
    runs.says["fs"] = answer
    result = run("sbom", opened(model), cache, "--dry-run")
    assert result.exit_code == 2
    assert "not one of Trivy's" in result.stderr


@pytest.mark.parametrize("answer", [b"", b"[]", b"<html>", b"\xff"])
def test_another_program_in_trivys_place_is_no_trivy(
    runs: Runs, cache: Path, answer: bytes
) -> None:
    runs.says["fs"] = answer
    with pytest.raises(BadInput, match="Is it a Trivy image"):
        trivy(runs, cache).report(Target("model", cache))


@pytest.mark.parametrize(
    "answer", [{"Version": "0.74.0"}, {"VulnerabilityDB": {}}, {"VulnerabilityDB": 7}]
)
def test_no_database_is_no_scan(runs: Runs, cache: Path, answer: object) -> None:
    runs.says["version"] = answer
    with pytest.raises(BadInput, match="no vulnerability database"):
        trivy(runs, cache).database_updated()


@pytest.mark.parametrize("name", ["db/trivy.db", "db/metadata.json"])
def test_a_folder_without_a_database_is_told_apart(runs: Runs, cache: Path, name: str) -> None:
    (cache / name).unlink()
    with pytest.raises(BadInput, match=f"has no {name}"):
        trivy(runs, cache)


@pytest.mark.parametrize(("name", "mode"), [("db", 0o750), ("db/trivy.db", 0o640)])
def test_what_nobody_can_read_is_not_passed_over(
    runs: Runs, cache: Path, name: str, mode: int
) -> None:
    (cache / name).chmod(mode)
    with pytest.raises(BadInput, match=r"chmod -R a\+rX"):
        trivy(runs, cache)


def test_a_file_of_a_model_that_nobody_can_read_is_not_passed_over(
    runs: Runs, cache: Path, model: Path
) -> None:
    (opened(model) / "a" / "weights.bin").chmod(0o600)
    result = run("scan", model, cache, "--dry-run")
    assert result.exit_code == 2
    assert "weights.bin is not readable for all" in result.stderr


def test_trivy_is_named_by_digest(runs: Runs, cache: Path) -> None:
    with pytest.raises(BadInput, match="not pinned"):
        Trivy.load(cast(Engine, runs), "registry.example/tools/trivy:0.74.0", cache)


def test_where_it_goes_is_asked_before_anything_runs(runs: Runs, cache: Path, model: Path) -> None:
    result = run("scan", opened(model), cache)
    assert result.exit_code == 2
    assert "--mlflow, --name and --model-version are needed" in result.stderr
    assert runs.jobs == []


def test_an_engine_that_is_not_there_is_a_sentence() -> None:
    nowhere = f"tcp://127.0.0.1:{free_port()}"
    with pytest.raises(Unavailable, match="Is it running"), Engine.connect(nowhere):
        pass


def test_an_image_that_declares_volumes_is_refused() -> None:
    declares = Image({"Config": {"Volumes": {"/loot": {}}}})
    with pytest.raises(Refused, match="declares the volumes /loot"):
        container._check_writes_nowhere(declares, IMAGE)
