"""The verifier process against real servers: MLflow, an OCI registry, git over HTTPS, a Sigstore.

The model is signed by the unmodified model_signing at the local Sigstore.
"""

import asyncio
import base64
import hashlib
import json
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import model_signing
import pytest

from interlock.api import digests
from interlock.api.facts import COSIGN, OMS, VULNS, Findings, Unresolved
from interlock.api.kinds.deployment import AgentDeploymentSpec
from interlock.evidence.verifierclient import VerifierClient
from interlock_sandbox.gitserver import GitServer, create_repository
from interlock_sandbox.images import digest, push_blob, push_image, push_manifest
from interlock_sandbox.mlflow import MLflow
from interlock_sandbox.registry import Registry
from interlock_sandbox.sigstore import Instance, Recipe, identity_token, statement
from interlock_sandbox.sigstore.part import SigstorePart
from support import policies, signed
from support.gitrepos import Repo
from support.parts import running
from support.sshkeys import envelope
from support.sshkeys import statement as approval

BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
API, FILES = "/api/2.0/mlflow", "/api/2.0/mlflow-artifacts/artifacts"
MODEL = {"MLmodel": b"flavors: {}\n", "data/model.safetensors": bytes(range(256)) * 8192}
NAMESPACE, NAME, PROMPT = policies.NAMESPACE, "press-scheduler", "Schedule one order\nat a time."
Outputs = Mapping[str, str]


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outputs]:
    """All servers, on loopback."""
    with ExitStack() as stack:
        found: dict[str, str] = {}
        for part in (MLflow(), Registry(), GitServer(), SigstorePart()):
            folder = tmp_path_factory.mktemp(part.name)
            found |= stack.enter_context(running(part, folder))
        yield found


def ask(parts: Outputs, method: str, path: str, body: object) -> Any:
    """One request to MLflow as the trainer."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    url = f"{parts['mlflow_url']}{path}"
    request = urllib.request.Request(url, data=data, method=method)  # noqa: S310 - loopback
    password = Path(parts["mlflow_trainer_password_file"]).read_text()
    login = base64.b64encode(f"trainer:{password}".encode()).decode()
    request.add_header("Authorization", f"Basic {login}")
    if not isinstance(body, bytes):
        request.add_header("Content-Type", "application/json")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=60) as answer:
        content = answer.read()
    return json.loads(content) if content.startswith(b"{") else content


def path_of(uri: str) -> str:
    """Where the artifact server has it."""
    return uri.removeprefix("mlflow-artifacts:/")


def signed_model(parts: Outputs, folder: Path) -> bytes:
    """The model's files, signed by the model_signing that people use."""
    model, signature = folder / "model", folder / "model.sig"
    for name, data in MODEL.items():
        (model / name).parent.mkdir(parents=True, exist_ok=True)
        (model / name).write_bytes(data)
    claims = {"iss": policies.ISSUER}
    token = identity_token(parts["sigstore_url"], policies.TRAINER, **claims)
    trust = Path(parts["sigstore_trust_config"])
    config = model_signing.signing.Config()
    config.use_sigstore_signer(identity_token=token, trust_config=trust).sign(model, signature)
    return signature.read_bytes()


def register(parts: Outputs, bundle: bytes) -> str:
    """Version 1 of the model with its evidence, and a prompt; the model's artifact path."""

    def post(path: str, body: object) -> Any:
        return ask(parts, "POST", f"{API}/{path}", body)

    experiment = post("experiments/create", {"name": NAME})["experiment_id"]
    run = post("runs/create", {"experiment_id": experiment})["run"]["info"]
    logged = {"experiment_id": experiment, "name": NAME, "source_run_id": run["run_id"]}
    info = post("logged-models", logged)["model"]["info"]
    root = path_of(info["artifact_uri"])
    for name, data in MODEL.items():
        ask(parts, "PUT", f"{FILES}/{root}/{name}", data)
    place = f"{path_of(run['artifact_uri'])}/interlock/evidence/model.sigstore.json"
    ask(parts, "PUT", f"{FILES}/{place}", bundle)
    ready = {"model_id": info["model_id"], "status": "LOGGED_MODEL_READY"}
    ask(parts, "PATCH", f"{API}/logged-models/{info['model_id']}", ready)
    post("registered-models/create", {"name": NAME})
    version = {"name": NAME, "source": f"models:/{info['model_id']}", "model_id": info["model_id"]}
    post("model-versions/create", version)
    tags = [{"key": "mlflow.prompt.is_prompt", "value": "true"}]
    post("registered-models/create", {"name": "system", "tags": tags})
    text = {"key": "mlflow.prompt.text", "value": PROMPT}
    prompt = {"name": "system", "source": "prompt-template", "tags": [*tags, text]}
    post("model-versions/create", prompt)
    return root


def push(parts: Outputs) -> tuple[str, str]:
    """The model's volume and the agent's image with its evidence; their digests."""
    registry = parts["registry"]
    volume = push_image(registry, "models/press-scheduler", MODEL)
    image = push_image(registry, "agents/press-scheduler", {"serve": b"#!"}, tag="1.4.2")
    sigstore = Instance.load(Path(parts["sigstore_trusted_root"]).parent)
    said = signed.vulns(("CVE-2026-1234", "LOW"))
    about = {"oci-manifest": image.removeprefix("sha256:")}
    entries = []
    for who, kind, predicate in (
        (policies.BUILDER, COSIGN, {}),
        (policies.SCANNER, VULNS, said),
    ):
        recipe = Recipe(identity=who, issuer=policies.ISSUER)
        bundle = sigstore.sign_statement(statement(kind, predicate, about), recipe)
        empty = push_blob(registry, "agents/press-scheduler", b"{}", "application/vnd.oci.empty")
        layer = push_blob(registry, "agents/press-scheduler", bundle, BUNDLE)
        body = {"schemaVersion": 2, "mediaType": MANIFEST, "config": empty, "layers": [layer]}
        name = push_manifest(registry, "agents/press-scheduler", body)
        entries.append({"mediaType": MANIFEST, "digest": name, "size": 1, "artifactType": BUNDLE})
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}
    push_manifest(registry, "agents/press-scheduler", index, image.replace(":", "-"))
    return volume, image


class Story:
    """Everything published; a test changes one thing and asks again."""

    def __init__(self, parts: Outputs, folder: Path) -> None:
        self.parts = parts
        self.root = register(parts, signed_model(parts, folder))
        volume, image = push(parts)
        tree = digests.model_tree(
            digests.ModelFile(name, len(data), hashlib.sha256(data).hexdigest())
            for name, data in MODEL.items()
        )
        registry = parts["registry"]
        model = {
            "name": NAME,
            "version": "1",
            "tree": f"sha256:{tree}",
            "volume": f"{registry}/models/press-scheduler@{volume}",
        }
        prompt = {"name": "system", "version": "1", "digest": digest(PROMPT.encode())}
        spec = {
            "riskTier": "high",
            "image": f"{registry}/agents/press-scheduler:1.4.2@{image}",
            "model": model,
            "prompts": [prompt],
        }
        self.spec = AgentDeploymentSpec.model_validate(spec).dump()
        self.content = digests.content(NAMESPACE, NAME, self.spec)
        self.agents = create_repository(parts, "line-4/agents")
        self.approvals = create_repository(parts, "line-4/approvals")
        self.commit = self._commit()

    def _commit(self) -> str:
        repositories = Path(self.parts["git_repositories"])
        agent = {
            "apiVersion": "interlock.dev/v1alpha1",
            "kind": "AgentDeployment",
            "metadata": {"name": NAME},
            "spec": {**self.spec, "replicas": 3},
        }
        files = {"agents/notes.yaml": b"a: [", "agents/a/press.yaml": json.dumps(agent).encode()}
        ref = f"refs/approvals/{self.content}"
        said = approval("quality-1", "quality", repository=self.agents)
        said["subject"][0]["digest"]["sha256"] = self.content
        signature = envelope(said, policies.ssh_key("quality-1"))
        Repo(repositories / "line-4" / "approvals.git").commit({"a.dsse.json": signature}, ref=ref)
        return Repo(repositories / "line-4" / "agents.git").commit(files)

    def targets(self) -> dict[str, bytes]:
        """The policy: these repositories, this Sigstore."""
        namespaces = policies.documents()["namespaces"]
        namespaces["namespaces"][NAMESPACE]["repositories"] = [
            {"url": self.agents, "path": "agents", "approvals": self.approvals}
        ]
        root = Path(self.parts["sigstore_trusted_root"]).read_bytes()
        return policies.targets(namespaces=namespaces, trusted_root=root)


@pytest.fixture(scope="module")
def story(parts: Outputs, tmp_path_factory: pytest.TempPathFactory) -> Story:
    return Story(parts, tmp_path_factory.mktemp("story"))


@pytest.fixture(scope="module")
async def verifier(
    parts: Outputs, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[VerifierClient]:
    """A verifier process and a client of it."""
    folder = tmp_path_factory.mktemp("verifier")
    (folder / "username").write_text("interlock")
    password = Path(parts["git_interlock_token_file"]).read_text()
    (folder / "token").write_text(f"interlock:{password}")
    mlflow = {
        "mlflow": parts["mlflow_url"],
        "usernameFile": str(folder / "username"),
        "passwordFile": parts["mlflow_interlock_password_file"],
    }
    git = {
        "prefix": parts["git_url"],
        "tokenFile": str(folder / "token"),
        "caFile": parts["git_ca_file"],
    }
    config = {
        "registries": {"default": mlflow},
        "oci": [{"prefix": parts["registry"], "plainHTTP": True}],
        "git": [git],
        "verifier": {"socket": str(folder / "verifier.sock")},
        "stateDir": str(folder / "state"),
    }
    (folder / "config.yaml").write_text(json.dumps(config))
    argv = [sys.executable, "-m", "interlock.verifier", "--config", str(folder / "config.yaml")]
    with subprocess.Popen(argv, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        assert any(b"serves on" in line for line in process.stderr)
        client = VerifierClient(folder / "verifier.sock")
        yield client
        await client.close()
        process.terminate()


async def find(story: Story, verifier: VerifierClient, **changes: Any) -> Findings | Unresolved:
    return await verifier.findings(
        namespace=NAMESPACE,
        name=NAME,
        spec={**story.spec, **changes},
        targets=story.targets(),
        since="",
    )


async def test_everything_that_the_world_says(story: Story, verifier: VerifierClient) -> None:
    found = await find(story, verifier)
    assert isinstance(found, Findings), found
    names = ["image", "model.tree", "model.volume", "prompts[system].digest"]
    assert [(pin.name, pin.true) for pin in found.pins] == [(name, True) for name in names]
    assert found.denied == []
    evidence = {each.predicate_type: each for each in found.evidence}
    assert set(evidence) == {OMS, COSIGN, VULNS}
    trainer = evidence[OMS]
    assert (trainer.identity, trainer.issuer) == (policies.TRAINER, policies.ISSUER)
    assert trainer.model
    assert trainer.model.same
    assert trainer.model.files == 2
    scan = evidence[VULNS].scan
    assert scan
    assert scan.totals == {"LOW": 1}
    (vote,) = found.approvals
    assert (vote.person, vote.key) == ("quality-1", policies.fingerprint("quality-1"))
    assert found.change
    assert found.change.path == "agents/a/press.yaml"
    assert found.change.commit == story.commit
    assert found.change.complete


async def test_a_byte_changed_in_mlflow_is_named(story: Story, verifier: VerifierClient) -> None:
    place = f"{FILES}/{story.root}/data/model.safetensors"
    changed = b"\xff" + MODEL["data/model.safetensors"][1:]
    ask(story.parts, "PUT", place, changed)
    wrong: list[str] = []
    try:
        async with asyncio.timeout(30):
            while not wrong:  # an answer of a moment ago is given again
                found = await find(story, verifier)
                assert isinstance(found, Findings), found
                wrong = [pin.name for pin in found.pins if not pin.true]
    finally:
        ask(story.parts, "PUT", place, MODEL["data/model.safetensors"])
    assert wrong == ["model.tree"]
    assert isinstance(found, Findings)
    (trainer,) = (each.model for each in found.evidence if each.model)
    (differs,) = trainer.differs
    assert differs.path == "data/model.safetensors"
    assert differs.got == hashlib.sha256(changed).hexdigest()


async def test_what_is_not_there_is_a_pin_that_is_not_true(
    story: Story, verifier: VerifierClient
) -> None:
    missing = {
        "image": story.spec["image"].partition(":1.4.2")[0] + f"@sha256:{'0' * 64}",
        "model": {**story.spec["model"], "version": "9"},
    }
    found = await find(story, verifier, **missing)
    assert isinstance(found, Findings), found
    details = {pin.name: pin.detail for pin in found.pins if not pin.true}
    assert set(details) == {"image", "model.tree"}
    assert "has no version 9" in details["model.tree"]
    assert "has no manifest" in details["image"]
    assert found.change is None


async def test_governance_that_is_not_configured_is_said(verifier: VerifierClient) -> None:
    answer = await verifier.governance({"metadata": {}})
    assert isinstance(answer, Unresolved)
    assert answer.reason == "PolicyMissing"
