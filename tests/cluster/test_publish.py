"""What `interlock-pipeline` publishes is what Interlock reads back, on the real programs.

Three identities publish a model, an image's signature and its scan to a real MLflow, OCI registry
and Sigstore; the operator's own adapters, as the reading account, must find exactly that.
"""

import datetime as dt
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
from click.testing import CliRunner, Result

from interlock.api import facts
from interlock.api.config import Config, Oci, Registry
from interlock.api.digests import sha256
from interlock.api.facts import Evidence
from interlock.api.kinds.deployment import AgentDeploymentSpec
from interlock.evidence import bundles
from interlock.evidence.oci import MANIFEST, Reference
from interlock.evidence.resolve import World, pins, resolve
from interlock.evidence.sigstore import SigstoreVerifier
from interlock_pipelines.errors import Refused
from interlock_pipelines.http import Http
from interlock_pipelines.main import main
from interlock_sandbox import images
from interlock_sandbox.mlflow import MLflow
from interlock_sandbox.registry import Registry as RegistryPart
from interlock_sandbox.sigstore import identity_token
from interlock_sandbox.sigstore.part import SigstorePart
from support.parts import running

EXAMPLES = Path(__file__).parents[2] / "examples"
MODEL = EXAMPLES / "press-scheduler" / "model"
TRAINER, BUILDER, SCANNER = "trainer@line-4.example", "builder@ci.example", "scanner@sec.example"
EVALUATOR = "evaluator@sec.example"
UPDATED = "2026-11-19T06:00:00Z"


@dataclass(frozen=True)
class Programs:
    """The three programs, and the folder for files of this test."""

    outputs: Mapping[str, str]
    folder: Path

    def token(self, identity: str, **claims: object) -> Path:
        """A file with an identity token."""
        file = self.folder / f"{identity}.token"
        file.write_text(identity_token(self.outputs["sigstore_url"], identity, **claims))
        return file

    def trust(self) -> tuple[str, ...]:
        return ("--trust-config", self.outputs["sigstore_trust_config"], "--plain-http")

    def trainer(self) -> tuple[str, ...]:
        said = self.outputs
        login = ("--username", said["mlflow_trainer_username"])
        password = ("--password-file", said["mlflow_trainer_password_file"])
        return ("--mlflow", said["mlflow_url"], *login, *password)

    def run(self, *arguments: str | Path) -> Result:
        return CliRunner().invoke(main, [*map(str, arguments), "--output", "json"])

    def publish(self, model: Path, name: str, *more: str | Path) -> Result:
        place = ("--registry", f"{self.outputs['registry']}/models/{name}")
        token = ("--identity-token-file", self.token(TRAINER))
        return self.run(
            "publish", model, "--name", name, *place, *token, *self.trainer(), *self.trust(), *more
        )

    def image(self, repository: str, files: Mapping[str, bytes]) -> str:
        digest = images.push_image(self.outputs["registry"], repository, files)
        return f"{self.outputs['registry']}/{repository}@{digest}"

    def report(self, name: str, image: str) -> Path:
        """An example report, made to be about this image and of this minute."""
        value = json.loads((EXAMPLES / "scans" / f"{name}.json").read_text())
        value["CreatedAt"] = dt.datetime.now(dt.UTC).isoformat()
        value["Metadata"]["RepoDigests"] = [image]
        file = self.folder / f"{name}-{image[-8:]}.json"
        file.write_text(json.dumps(value))
        return file

    def config(self) -> Config:
        """The operator's, with the account that may only read."""
        account = self.folder / "reader"
        account.write_text(self.outputs["mlflow_interlock_username"])
        registry = Registry(
            mlflow=self.outputs["mlflow_url"],
            username_file=account,
            password_file=Path(self.outputs["mlflow_interlock_password_file"]),
        )
        oci = Oci.model_validate({"prefix": f"{self.outputs['registry']}/", "plainHTTP": True})
        return Config(registries={"default": registry}, oci=[oci])

    def tamper(self, model: str, path: str, change: Callable[[bytes], bytes]) -> None:
        """Change a registered file in place, as anyone with EDIT can."""
        said = self.outputs
        password = Path(said["mlflow_trainer_password_file"]).read_text()
        http = Http("mlflow", (said["mlflow_trainer_username"], password))
        about = http.json("GET", f"{said['mlflow_url']}/api/2.0/mlflow/logged-models/{model}")
        root = about["model"]["info"]["artifact_uri"].removeprefix("mlflow-artifacts:/")
        url = f"{said['mlflow_url']}/api/2.0/mlflow-artifacts/artifacts/{root}/{path}"
        http.send("PUT", url, body=change(http.send("GET", url).body))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Programs]:
    home = tmp_path_factory.mktemp("sandbox")
    with ExitStack() as stack:
        outputs: dict[str, str] = {}
        for part in (SigstorePart(), RegistryPart(), MLflow()):
            outputs |= stack.enter_context(running(part, home))
        yield Programs(outputs, tmp_path_factory.mktemp("files"))


def said(result: Result) -> Any:
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


async def read(
    world: Programs, spec: AgentDeploymentSpec
) -> tuple[list[Evidence], Mapping[str, str]]:
    """Everything the operator finds for a spec: evidence, and false pins with what they are."""
    config = World(world.config())
    try:
        found = await resolve(spec, config)
        assert found.model
        assert found.model.found
        blobs = await config.registry("default").evidence(found.model.found)
        blobs += await config.oci.evidence(Reference.parse(spec.image), found.image.value)
        files = found.model.files
    finally:
        await config.close()
    root = SigstoreVerifier(Path(world.outputs["sigstore_trusted_root"]).read_bytes())
    evidence, denied = bundles.read(blobs, root, files, dt.datetime.now(dt.UTC))
    assert denied == []
    return evidence, {pin.name: pin.got for pin in pins(spec, found) if not pin.true}


def spec(model: Mapping[str, Any], image: str) -> AgentDeploymentSpec:
    pinned = {key: model[key] for key in ("name", "version", "tree", "volume")}
    return AgentDeploymentSpec.model_validate({"riskTier": "low", "image": image, "model": pinned})


def by_type(evidence: list[Evidence]) -> dict[str, Evidence]:
    found = {each.predicate_type: each for each in evidence}
    assert len(found) == len(evidence)
    return found


async def test_what_three_roles_publish_is_what_is_read(world: Programs) -> None:
    image = world.image("agents/press", {"app": b"1"})
    trust = world.trust()
    model = said(world.publish(MODEL, "press-scheduler"))["model"]
    said(world.run("sign-image", image, "--identity-token-file", world.token(BUILDER), *trust))
    report = ("--trivy-report", world.report("critical", image), "--database-updated", UPDATED)
    token = ("--identity-token-file", world.token(SCANNER))
    attached = said(world.run("attach-scan", image, *report, *token, *trust))
    assert attached["scan"]["findings"] == 1

    evidence, false = await read(world, spec(model, image))

    assert false == {}
    issuer = world.outputs["sigstore_issuer"]
    found = by_type(evidence)
    assert {kind: (each.identity, each.issuer) for kind, each in found.items()} == {
        facts.OMS: (TRAINER, issuer),
        facts.COSIGN: (BUILDER, issuer),
        facts.VULNS: (SCANNER, issuer),
    }
    signed, scan = found[facts.OMS].model, found[facts.VULNS].scan
    assert signed
    assert (signed.same, signed.files) == (True, 2)
    digest = image.partition("@sha256:")[2]
    assert found[facts.COSIGN].subjects == [(facts.OCI_MANIFEST, digest)]
    assert found[facts.VULNS].subjects == [(facts.OCI_MANIFEST, digest)]
    assert scan
    assert (scan.database, scan.packages, scan.suppressed) == (UPDATED, 10, 0)
    assert [(f.id, f.severity, f.fixed) for f in scan.findings] == [
        ("CVE-2020-14343", "CRITICAL", "5.4")
    ]


async def test_all_that_producers_say_of_a_model_and_an_image_is_read(
    world: Programs, tmp_path: Path
) -> None:
    image = world.image("agents/press", {"app": b"8"})
    trust = world.trust()
    model = said(world.publish(MODEL, "press-proven"))["model"]
    results, parameters = tmp_path / "results.json", tmp_path / "parameters.json"
    results.write_text(json.dumps({"passed": ["one"], "metrics": {"f1": 0.97}}))
    parameters.write_text(json.dumps({"epochs": 3}))
    version = ("--name", model["name"], "--model-version", model["version"], *world.trainer())
    signing = (*version, *trust[:2], "--identity-token-file")
    data = f"orders=sha256:{'c' * 64}"
    evaluate = ("evaluate", model["tree"], "--results", results, "--suite", data, *signing)
    training = ("training", MODEL, "--run", "r1", "--dataset", data, "--parameters", parameters)
    build = ("--builder", "https://b.example", "--source", "git+https://git.example/agents")
    provenance = ("provenance", image, *build, "--commit", "d" * 40, *trust)
    said(world.run(*evaluate, world.token(EVALUATOR)))
    said(world.run(*training, *signing, world.token(TRAINER)))
    said(world.run(*provenance, "--identity-token-file", world.token(BUILDER)))

    evidence, false = await read(world, spec(model, image))

    assert false == {}
    found = by_type(evidence)
    tree = [(facts.MODEL_TREE, model["tree"].removeprefix("sha256:"))]
    evaluation, record = found[facts.TEST_RESULT], found[facts.TRAINING]
    assert (evaluation.identity, evaluation.subjects) == (EVALUATOR, tree)
    assert (record.identity, record.subjects) == (TRAINER, tree)
    built = found[facts.PROVENANCE]
    assert built.subjects == [(facts.OCI_MANIFEST, image.partition("@sha256:")[2])]
    assert evaluation.evaluation
    assert record.training
    assert built.provenance
    assert (evaluation.evaluation.result, record.training.run) == ("PASSED", "r1")
    assert built.provenance.commit == "d" * 40


async def test_a_byte_changed_in_mlflow_is_named_by_its_file(world: Programs) -> None:
    image = world.image("agents/press", {"app": b"2"})
    model = said(world.publish(MODEL, "press-tampered"))["model"]
    pinned = spec(model, image)
    logged = json.loads(_get(world, f"model-versions/get?name={model['name']}&version=1"))
    source = logged["model_version"]["source"].removeprefix("models:/")
    world.tamper(source, "weights.safetensors", lambda data: data[:-1] + b"\xff")

    evidence, false = await read(world, pinned)

    assert list(false) == ["model.tree"]
    compared = by_type(evidence)[facts.OMS].model
    assert compared
    (differs,) = compared.differs
    assert differs.path == "weights.safetensors"
    assert (compared.missing, compared.unsigned) == ([], [])


async def test_one_command_publishes_all_and_a_second_version(world: Programs) -> None:
    image = world.image("agents/press", {"app": b"3"})
    first = said(world.publish(MODEL, "press-twice"))["model"]
    scan = ("--trivy-report", world.report("clean", image), "--database-updated", UPDATED)
    tokens = ("--builder-token-file", world.token(BUILDER), "--scanner-token-file")
    every = world.publish(
        MODEL, "press-twice", "--image", image, *scan, *tokens, world.token(SCANNER)
    )
    second = said(every)["model"]
    assert (first["version"], second["version"]) == ("1", "2")
    assert (first["tree"], first["volume"]) == (second["tree"], second["volume"])
    repository, _, digest = second["volume"].partition("@sha256:")
    host, _, path = repository.partition("/")
    for version in ("1", "2"):
        url = f"http://{host}/v2/{path}/manifests/{version}"
        tagged = Http("registry").send("GET", url, headers={"Accept": MANIFEST}).body
        assert sha256(tagged) == digest
    evidence, false = await read(world, spec(second, image))
    assert false == {}
    assert {each.identity for each in evidence} == {TRAINER, BUILDER, SCANNER}


async def test_bundles_of_one_image_add_up(world: Programs) -> None:
    """The fallback tag is an index that each writer must keep the others' entries in."""
    image = world.image("agents/press", {"app": b"4"})
    for identity in (BUILDER, SCANNER, BUILDER):
        token = ("--identity-token-file", world.token(identity))
        said(world.run("sign-image", image, *token, *world.trust()))
    model = said(world.publish(MODEL, "press-many"))["model"]
    evidence, _ = await read(world, spec(model, image))
    signed = [each.identity for each in evidence if each.predicate_type == facts.COSIGN]
    assert sorted(signed) == [BUILDER, BUILDER, SCANNER]


async def test_git_files_and_folders_are_signed_like_all_others(
    world: Programs, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / ".gitattributes").write_text("*.bin lfs\n")
    (folder / "deep" / "er" / "ü.bin").write_bytes(b"\0" * 3_000_000)
    (folder / "empty").write_bytes(b"")
    model = said(world.publish(folder, "press.git"))["model"]
    image = world.image("agents/press", {"app": b"5"})
    evidence, false = await read(world, spec(model, image))
    compared = by_type(evidence)[facts.OMS].model
    assert compared
    assert (false, compared.same, compared.files) == ({}, True, 3)


def test_a_token_of_another_issuer_is_refused_and_nothing_is_registered(world: Programs) -> None:
    token = world.token(TRAINER)
    header, claims, signature = token.read_text().split(".")
    token.write_text(f"{header}.{claims}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}")
    place = ("--registry", f"{world.outputs['registry']}/models/press")
    result = world.run(
        *("publish", MODEL, "--name", "press-forged", *place, "--identity-token-file", token),
        *(*world.trainer(), *world.trust()),
    )
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"Sigstore did not sign for {TRAINER}" in result.stderr
    found = json.loads(_get(world, "registered-models/search")).get("registered_models", [])
    assert "press-forged" not in {each["name"] for each in found}


def test_an_account_without_rights_is_refused_by_name(world: Programs) -> None:
    reader = replace(
        world,
        outputs={
            **world.outputs,
            "mlflow_trainer_username": world.outputs["mlflow_interlock_username"],
            "mlflow_trainer_password_file": world.outputs["mlflow_interlock_password_file"],
        },
    )
    result = reader.publish(MODEL, "press-reader")
    assert result.exit_code == 1
    assert "answered 403" in result.stderr
    assert "account 'interlock' may not do this" in result.stderr


def test_services_that_are_down_are_named(world: Programs) -> None:
    down = {
        "mlflow_url": "http://127.0.0.1:9",
        "registry": "127.0.0.1:9",
    }
    for key, address in down.items():
        result = replace(world, outputs={**world.outputs, key: address}).publish(MODEL, "press")
        assert result.exit_code == 3, key
        assert "127.0.0.1:9" in result.stderr
        assert "got no answer" in result.stderr


def test_an_image_that_is_not_there_is_refused(world: Programs) -> None:
    missing = f"{world.outputs['registry']}/agents/press@sha256:{'0' * 64}"
    token = ("--identity-token-file", world.token(BUILDER))
    result = world.run("sign-image", missing, *token, *world.trust())
    assert result.exit_code == 1
    assert "Push the image first" in result.stderr


def test_a_report_about_another_image_is_not_signed(world: Programs) -> None:
    image = world.image("agents/press", {"app": b"6"})
    other = world.image("agents/press", {"app": b"7"})
    report = ("--trivy-report", world.report("clean", other), "--database-updated", UPDATED)
    token = ("--identity-token-file", world.token(SCANNER))
    result = world.run("attach-scan", image, *report, *token, *world.trust())
    assert result.exit_code == 2
    assert "Scan this image" in result.stderr


class _Elsewhere(BaseHTTPRequestHandler):
    """Sends everybody somewhere else, and remembers who came."""

    came: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.came.append(self.path)
        self.send_response(302)
        self.send_header("Location", "/elsewhere")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Be silent."""


def test_a_login_does_not_follow_a_redirect() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Elsewhere) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with pytest.raises(Refused, match="answered 302"):
            Http("a proxy", ("trainer", "x")).send("GET", f"http://127.0.0.1:{server.server_port}/")
        server.shutdown()
    assert _Elsewhere.came == ["/"]


def _get(world: Programs, call: str) -> bytes:
    password = Path(world.outputs["mlflow_trainer_password_file"]).read_text()
    http = Http("mlflow", (world.outputs["mlflow_trainer_username"], password))
    return http.send("GET", f"{world.outputs['mlflow_url']}/api/2.0/mlflow/{call}").body
