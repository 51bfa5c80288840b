"""The real Trivy in a real Docker Engine: what it finds, and what no target and no thief can do.

Its database holds a few real advisories; the images and models are known to have them, or not.
"""

import datetime as dt
import json
import socket
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import docker as sdk
import pytest
from click.testing import CliRunner

from interlock.api.facts import CYCLONEDX, VULNS, Evidence
from interlock.api.proofs import Sbom
from interlock.api.reasons import Reason
from interlock.api.values import GateResult, Outcome
from interlock.evidence.predicates import READERS
from interlock.evidence.predicates.base import Told, rfc3339
from interlock.gates import sbom, vulnerability_scan
from interlock.policy.model import Policy
from interlock_pipelines import container
from interlock_pipelines.container import Job, Limits
from interlock_pipelines.errors import Refused
from interlock_pipelines.main import main
from interlock_pipelines.tree import read_tree
from interlock_sandbox import docker, scanner
from interlock_sandbox.docker import DockerError
from interlock_sandbox.sandbox import Sandbox
from support import policies
from support.facts import good_facts, subject
from support.lab import MENDED, OLD_DEBIAN, SCANNER, VULNERABLE, Lab, dpkg

WEBP, ZLIB = ("CVE-2023-4863", "libwebp"), ("CVE-2023-45853", "zlib")
WERKZEUG = ("CVE-2019-14806", "werkzeug")
KNOWN = {WEBP, ZLIB, WERKZEUG}
LOCKED = {WERKZEUG, ("CVE-2020-14343", "pyyaml")}
KEY = f"-----BEGIN RSA PRIVATE KEY-----\n{'MIIEowIBAAKCAQEA' * 8}\n-----END RSA PRIVATE KEY-----\n"
TRIVY_URI = "pkg:golang/github.com/aquasecurity/trivy@v0.74.0"


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    try:
        docker.check()
    except DockerError as error:
        pytest.skip(str(error))
    with (
        Sandbox(("docker", "registry", "sigstore", "mlflow")) as up,
        tempfile.TemporaryDirectory() as folder,
    ):
        place = Path(folder)
        place.chmod(0o755)
        updated = dt.datetime.now(dt.UTC) - dt.timedelta(hours=3)
        database = scanner.write_database(place / "cache", updated)
        yield Lab(up.outputs, scanner.push_trivy(up.outputs["registry"]), database, place)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model whose lock file has what is known to be wrong."""
    for folder in (tmp_path, *list(tmp_path.parents)[:2]):
        folder.chmod(0o755)
    folder = tmp_path / "press"
    folder.mkdir()
    (folder / "requirements.txt").write_text("werkzeug==0.11\npyyaml==5.1\n")
    (folder / "weights.safetensors").write_bytes(b"\x08" * 64)
    return folder


def policy(lab: Lab) -> Policy:
    """A policy that trusts this very Trivy, in the hands of this scanner and this builder."""
    issuer = lab.outputs["sigstore_issuer"]
    signers = [
        {"role": role, "identity": SCANNER, "issuer": issuer} for role in ("scanner", "builder")
    ]
    image = lab.trivy.partition("@")[2]
    trust = {"signers": signers, "scanners": [TRIVY_URI], "scannerImages": [image]}
    return policies.good_policy(trust=policies.documents()["trust"] | trust)


def judged(gate: Any, image: str, evidence: list[Evidence], lab: Lab) -> GateResult:
    now = rfc3339(dt.datetime.now(dt.UTC))
    said = good_facts(now=now, subject=subject(image=image), evidence=evidence)
    verdict: GateResult = gate.evaluate(said, policy(lab))
    return verdict


def looked(lab: Lab, **variables: str) -> dict[str, Any]:
    """What a thief saw in the place of Trivy, where Trivy stands."""
    mounts = {"/cache": lab.database, "/target": lab.folder}
    job = Job(lab.thief("look", **variables), ("image",), mounts)
    found: dict[str, Any] = json.loads(lab.job(job))
    return found


def stolen(lab: Lab, mode: str, limits: Limits = container.LIMITS) -> bytes:
    return lab.job(Job(lab.thief(mode), (), {}), limits)


async def test_a_scan_blocks_what_is_known_to_be_vulnerable(lab: Lab) -> None:
    image = lab.image("press", VULNERABLE)
    done = lab.run("scan", image, *lab.signing(), "-o", "json")
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)["scan"]
    assert (said["subject"], said["predicate_type"]) == (image, VULNS)
    (evidence,) = await lab.evidence(image)
    scan = evidence.scan
    assert scan
    assert {(each.id, each.package.lower()) for each in scan.findings} == KNOWN
    assert (scan.scanner, scan.scanner_image) == (TRIVY_URI, lab.trivy.partition("@")[2])
    assert (scan.os, scan.packages, scan.secrets) == ("debian 12.5", 3, 0)
    verdict = judged(vulnerability_scan, image, [evidence], lab)
    assert (verdict.outcome, verdict.reason) == (Outcome.FAIL, Reason.VULNERABLE)
    assert ZLIB[0] in verdict.message


async def test_a_scan_lets_pass_what_was_mended(lab: Lab) -> None:
    image = lab.image("press", MENDED)
    assert lab.run("scan", image, *lab.signing()).exit_code == 0
    evidence = await lab.evidence(image)
    assert judged(vulnerability_scan, image, evidence, lab).outcome is Outcome.PASS


def test_the_database_is_as_old_as_trivy_says(lab: Lab) -> None:
    said = lab.statement("scan", lab.image("press", MENDED))["predicate"]["scanner"]["db"]
    updated = json.loads((lab.database / "db" / "metadata.json").read_text())["UpdatedAt"]
    assert said["lastUpdate"] == rfc3339(dt.datetime.fromisoformat(updated))


def test_a_lock_file_of_a_model_is_scanned(lab: Lab, model: Path) -> None:
    said = lab.statement("scan", model)
    assert said["subject"] == [_tree(model)]
    assert lab.findings(model) == LOCKED


def test_the_scan_of_a_model_is_put_beside_its_version(lab: Lab, model: Path) -> None:
    published = _publish(lab, model)
    beside = ("--name", "press", "--model-version", published["version"], *_mlflow(lab))
    done = lab.run("scan", model, *beside, *lab.signing(), "-o", "json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["scan"]["bundle"].startswith("interlock/evidence/scan-")


def test_an_unrecognised_system_and_an_ended_one_are_told(lab: Lab) -> None:
    old = lab.statement("scan", lab.image("old", OLD_DEBIAN | dpkg(zlib="1:1.2.8")))
    assert old["predicate"]["scanner"]["annotations"]["endOfLife"] is True
    none = lab.statement("scan", lab.image("bare", {"agent": b"\x7fELF"}))["predicate"]
    assert none["scanner"]["annotations"] | {"image": ""} == {
        "suppressed": 0,
        "packages": 0,
        "secrets": 0,
        "os": "",
        "endOfLife": False,
        "ecosystems": [],
        "image": "",
    }


def test_a_secret_in_an_image_is_counted_and_not_told(lab: Lab) -> None:
    image = lab.image("leaky", MENDED | {"app/key.pem": KEY.encode()})
    said = lab.statement("scan", image)
    assert said["predicate"]["scanner"]["annotations"]["secrets"] == 1
    assert "MIIEow" not in json.dumps(said)


def test_a_run_that_broke_off_goes_on_from_its_folder(lab: Lab, tmp_path: Path) -> None:
    image = lab.image("press", VULNERABLE)
    work = tmp_path / "work"
    (first,) = [lab.statement("scan", image, "--work", work)]
    (report,) = work.glob("report-*.json")
    made = report.stat().st_mtime_ns
    blobs = {path: path.stat().st_mtime_ns for path in work.glob("image-*/blobs/sha256/*")}
    blob = next(path for path in blobs if path.stat().st_size > 4096)
    blob.unlink()
    assert lab.statement("scan", image, "--work", work) == first
    assert report.stat().st_mtime_ns == made
    assert blob.stat().st_size > 4096


# A25, A26: what lies in the target has no say.


IGNORE = {
    ".trivyignore": b"CVE-2019-14806\nCVE-2023-4863\nCVE-2023-45853\nCVE-2020-14343\n",
    ".trivyignore.yaml": b"vulnerabilities: [{id: CVE-2019-14806}, {id: CVE-2020-14343}]\n",
    "trivy.yaml": b"severity: [LOW]\nvulnerability: {vex: [vex.json]}\nscan: {scanners: [license]}",
    "trivy-secret.yaml": b"disable-rules: [private-key]\n",
}
VEX = json.dumps(
    {
        "@context": "https://openvex.dev/ns/v0.2.0",
        "@id": "https://line-4.example/vex",
        "author": "nobody",
        "timestamp": "2026-01-01T00:00:00Z",
        "version": 1,
        "statements": [
            {
                "vulnerability": {"name": name},
                "products": [{"@id": f"pkg:pypi/{package}"}],
                "status": "not_affected",
                "justification": "vulnerable_code_not_present",
            }
            for name, package in LOCKED
        ],
    }
).encode()


@pytest.mark.parametrize("folder", ["", "tmp/", "target/", "app/"])
def test_a25_suppressions_in_an_image_hide_nothing(lab: Lab, folder: str) -> None:
    hostile = {f"{folder}{name}": text for name, text in IGNORE.items()}
    image = lab.image("hiding", VULNERABLE | hostile | {f"{folder}key.pem": KEY.encode()})
    said = lab.statement("scan", image)["predicate"]["scanner"]
    assert {each["id"] for each in said["result"]} == {name for name, _ in KNOWN}
    assert (said["annotations"]["secrets"], said["annotations"]["suppressed"]) == (1, 0)


def test_a25_suppressions_in_a_model_hide_nothing(lab: Lab, model: Path) -> None:
    for name, text in IGNORE.items():
        (model / name).write_bytes(text)
    (model / "key.pem").write_text(KEY)
    assert lab.findings(model) == LOCKED
    assert lab.statement("scan", model)["predicate"]["scanner"]["annotations"]["secrets"] == 1


def test_a26_an_unsigned_vex_document_hides_nothing(lab: Lab, model: Path) -> None:
    (model / "vex.json").write_bytes(VEX)
    (model / "trivy.yaml").write_bytes(IGNORE["trivy.yaml"])
    assert lab.findings(model) == LOCKED
    image = lab.image("vex", VULNERABLE | {"vex.json": VEX, ".vex/main.openvex.json": VEX})
    assert {(name, package.lower()) for name, package in lab.findings(image)} == KNOWN


# A24: the scanner itself was taken over.


def test_a24_a_scanner_reaches_nobody(lab: Lab) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        here = f"127.0.0.1:{listening.getsockname()[1]}"
        seen = looked(lab, ADDRESSES=f"{here} {lab.outputs['registry']} 169.254.169.254:80")
    assert seen["reached"] == []
    assert seen["interfaces"] == ["lo"]
    assert seen["sockets"] == []


def test_a24_a_scanner_has_no_rights(lab: Lab) -> None:
    seen = looked(lab)
    status = seen["status"]
    assert seen["user"] == container.USER  # its image says root
    assert {status[name] for name in ("CapEff", "CapPrm", "CapBnd", "CapInh")} == {"0" * 16}
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")


def test_a24_a_scanner_writes_nowhere_that_lasts(lab: Lab) -> None:
    seen = looked(lab)
    assert set(seen["written"]) == {"/tmp", "/dev/mqueue"}  # the kernel bounds the latter
    assert seen["ran"] is False  # what it wrote there
    assert {seen["mounts"][place] for place in ("/", "/cache", "/target")} == {"ro"}
    with pytest.raises(Refused, match="declares the volumes /loot"):
        lab.job(Job(lab.thief("look", "/loot"), (), {}))


def test_a24_a_scanner_gets_nothing_of_ours(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("REGISTRY_TOKEN", "secret-1")
    proxy = "http://user:secret-2@proxy.example:3128"
    config = {"proxies": {"default": {"httpProxy": proxy, "httpsProxy": proxy}}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    environment = looked(lab)["environ"]
    assert "secret" not in " ".join(environment)
    names = {each.partition("=")[0] for each in environment}
    assert names <= {"PATH", "HOSTNAME", "HOME", "TMPDIR", "MODE"}


def test_a24_a_scanner_that_never_ends_is_ended(lab: Lab) -> None:
    with pytest.raises(Refused, match="ended after 1 s"):
        stolen(lab, "sleep", Limits(seconds=1))
    assert containers(lab) == []


def test_a24_a_scanner_that_never_stops_talking_is_cut_off(lab: Lab) -> None:
    with pytest.raises(Refused, match="printed more than 1048576 bytes"):
        stolen(lab, "talk", Limits(seconds=5, output=1 << 20))
    assert containers(lab) == []


def test_a24_a_scanner_that_eats_memory_is_ended(lab: Lab) -> None:
    with pytest.raises(Refused, match="needed more than 64 MiB of memory"):
        stolen(lab, "memory", Limits(memory=64 << 20))


def test_a24_a_scanner_starts_few_processes_and_fills_no_disk(lab: Lab) -> None:
    assert json.loads(stolen(lab, "fork"))["started"] < container.PROCESSES
    assert json.loads(stolen(lab, "fill"))["written"] <= container.TMP_BYTES


def test_a24_a_scanner_that_fails_is_quoted_safely(lab: Lab) -> None:
    with pytest.raises(Refused, match="exit code 3") as caught:
        stolen(lab, "fail")
    assert "FATAL" in str(caught.value)
    assert "\x1b" not in str(caught.value)


async def test_a24_a_scan_by_another_image_does_not_count(lab: Lab) -> None:
    image = lab.image("press", MENDED)
    assert lab.run("scan", image, *lab.signing()).exit_code == 0
    evidence = (await lab.evidence(image))[0]
    assert evidence.scan
    other = evidence.scan.model_copy(update={"scanner_image": f"sha256:{'a' * 64}"})
    changed = evidence.model_copy(update={"scan": other})
    assert judged(vulnerability_scan, image, [changed], lab).outcome is Outcome.FAIL


def test_a24_a_thief_in_place_of_trivy_says_nothing_that_is_signed(lab: Lab) -> None:
    image = lab.image("press", VULNERABLE)
    done = lab.run("scan", image, *lab.signing(), trivy=lab.thief("look"))
    assert done.exit_code == 2
    assert "no vulnerability database" in done.stderr


# Bills of materials.


async def test_a_bill_of_materials_of_an_image_passes_its_gate(lab: Lab) -> None:
    image = lab.image("listed", MENDED)
    done = lab.run("sbom", image, *lab.signing())
    assert done.exit_code == 0, done.output
    evidence = await lab.evidence(image)
    bill = evidence[0].sbom
    assert bill
    assert bill.describes == [image.rpartition(":")[2]]
    assert (bill.components, bill.unidentified) == (3, 0)
    verdict = judged(sbom, image, evidence, lab)
    assert verdict.outcome is Outcome.PASS, verdict.message


def test_a_bill_of_materials_of_a_model_lists_every_file(lab: Lab, model: Path) -> None:
    said = lab.statement("sbom", model)
    assert (said["predicateType"], said["subject"]) == (CYCLONEDX, [_tree(model)])
    tree = read_tree(model)
    told = Told(dt.datetime.now(dt.UTC), tree.files)
    bill = READERS[CYCLONEDX][1](said["predicate"], told)
    assert isinstance(bill, Sbom)
    assert bill.models == [tree.digest.removeprefix("sha256:")]
    assert (bill.unlisted, bill.unidentified) == (0, 0)
    names = {each["name"] for each in said["predicate"]["components"]}
    assert {"werkzeug", "pyyaml", "weights.safetensors"} <= names


def containers(lab: Lab) -> list[str | None]:
    with closing(sdk.DockerClient(base_url=lab.outputs["docker_host"])) as client:
        return [each.id for each in client.containers.list(all=True)]


def _tree(model: Path) -> dict[str, Any]:
    digest = read_tree(model).digest.removeprefix("sha256:")
    return {"name": "model-tree", "digest": {"sha256": digest}}


def _mlflow(lab: Lab) -> tuple[str, ...]:
    said = lab.outputs
    login = ("--username", said["mlflow_trainer_username"])
    password = ("--password-file", said["mlflow_trainer_password_file"])
    return ("--mlflow", said["mlflow_url"], *login, *password)


def _publish(lab: Lab, model: Path) -> dict[str, Any]:
    place = ("--registry", f"{lab.outputs['registry']}/models/press", "--plain-http")
    arguments = ["publish", str(model), "--name", "press", *place, *_mlflow(lab), *lab.signing()]
    done = CliRunner().invoke(main, [*arguments, "-o", "json"])
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)["model"]
    return found
