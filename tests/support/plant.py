"""A world in which one change passes: MLflow, an OCI registry, a Sigstore. A test spoils one thing.

The registries are fakes below the HTTP port; every byte above it is read, hashed and verified by
the real code, and the gates judge what came of it.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from interlock.api import digests
from interlock.api.config import Config
from interlock.api.facts import COSIGN, VULNS, Findings, Subject, Unresolved
from interlock.api.kinds.deployment import AgentDeploymentSpec
from interlock.api.values import GateResult, Purpose
from interlock.evidence import mlflow, oci
from interlock.evidence.findings import Gatherer
from interlock.evidence.oci import BUNDLE, INDEX, LAYER, MANIFEST
from interlock.evidence.predicates.base import rfc3339
from interlock.evidence.wire import FindingsRequest
from interlock.gates import judge
from interlock.policy.parse import parse
from interlock_sandbox.images import layer
from interlock_sandbox.sigstore import Recipe
from support import facts, policies, signed
from support.web import Web

MLFLOW = "https://mlflow.example"
REGISTRY = "https://registry.example"
ROOT, RUN = "1/models/m-1/artifacts", "1/run/artifacts"
PROMPT = "Be brief."
TRAINER = Recipe(identity=policies.TRAINER, issuer=policies.ISSUER)
BUILDER = Recipe(identity=policies.BUILDER, issuer=policies.ISSUER)
SCANNER = Recipe(identity=policies.SCANNER, issuer=policies.ISSUER)
EVALUATOR = Recipe(identity=policies.EVALUATOR, issuer=policies.ISSUER)
BASE = {"config": {}, "schemaVersion": 2, "mediaType": MANIFEST}
IMAGE = json.dumps(BASE | {"layers": []}).encode()


def digest(data: bytes) -> str:
    """The SHA-256 of bytes, as hex."""
    return hashlib.sha256(data).hexdigest()


def scan(*findings: tuple[str, str], **changes: Any) -> bytes:
    """The scanner's statement about the image."""
    said = signed.vulns(*findings, **changes)
    said["scanner"]["uri"] = policies.SCANNER_URI
    subjects = {"oci-manifest": digest(IMAGE)}
    return signed.signed(VULNS, said, subjects, SCANNER)


def image_signature(recipe: Recipe = BUILDER, subject: str = "") -> bytes:
    """The builder's signature on the image."""
    named = {"oci-manifest": subject or digest(IMAGE)}
    return signed.signed(COSIGN, {}, named, recipe)


@dataclass
class Plant:
    """What is registered, published and signed. All of it agrees until a test changes it."""

    web: Web
    folder: Path
    registered: dict[str, bytes] = field(default_factory=lambda: dict(signed.FILES))
    volume: dict[str, bytes] = field(default_factory=lambda: dict(signed.FILES))
    model_bundles: list[bytes] = field(
        default_factory=lambda: [signed.signed_model(recipe=TRAINER)]
    )
    image_bundles: list[bytes] = field(default_factory=lambda: [image_signature(), scan()])
    prompt: str = PROMPT
    purpose: Purpose = Purpose.PROMOTION
    configured: dict[str, str] = field(default_factory=dict)
    """What the verifier's configuration says beside the registries."""

    def spec(self) -> dict[str, Any]:
        """The spec that people approved: pinned to the honest bytes, whatever changes later."""
        tree = f"sha256:{digests.model_tree(signed.model_files())}"
        volume = digest(volume_manifest(signed.FILES))
        model = {
            "name": "press-scheduler",
            "version": "12",
            "tree": tree,
            "volume": f"registry.example/models/press-scheduler@sha256:{volume}",
        }
        spec = facts.spec(
            image=f"registry.example/agents/press-scheduler:1.4.2@sha256:{digest(IMAGE)}",
            model=model,
            prompts=[
                {"name": "system", "version": "3", "digest": f"sha256:{digest(PROMPT.encode())}"}
            ],
        )
        return AgentDeploymentSpec.model_validate(spec).dump()

    async def findings(self, **changes: Any) -> Findings | Unresolved:
        """What the verifier finds; `changes` override the request."""
        self._mlflow()
        self._registry()
        config = {
            "registries": {"default": {"mlflow": MLFLOW}},
            "stateDir": str(self.folder),
            **self.configured,
        }
        gatherer = Gatherer(Config.model_validate(config), seconds=30)
        try:
            request = {
                "namespace": policies.NAMESPACE,
                "name": facts.NAME,
                "spec": self.spec(),
                "targets": {name: data.decode() for name, data in targets().items()},
            }
            return await gatherer.findings(FindingsRequest.model_validate(request | changes))
        finally:
            await gatherer.close()

    async def judged(self, **policy: Any) -> dict[str, GateResult]:
        """What each gate says of what the verifier finds; `policy` replaces whole targets."""
        given = {name: data.decode() for name, data in targets(**policy).items()}
        found = await self.findings(targets=given)
        assert isinstance(found, Findings), found
        spec = self.spec()
        subject = Subject(
            namespace=policies.NAMESPACE,
            name=facts.NAME,
            spec=spec,
            digest=digests.content(policies.NAMESPACE, facts.NAME, spec),
            behaviour=digests.behaviour(spec),
        )
        said = facts.good_facts(
            now=rfc3339(signed.now()),
            purpose=self.purpose,
            subject=subject,
            pins=found.pins,
            evidence=found.evidence,
            denied=found.denied,
        )
        return {result.gate: result for result in judge(said, parse(targets(**policy), 1))}

    def _mlflow(self) -> None:
        api, files = f"{MLFLOW}/api/2.0/mlflow", f"{MLFLOW}/api/2.0/mlflow-artifacts/artifacts"
        asked = f"{api}/model-versions"
        version = {"version": "12", "status": "READY", "run_id": "run", "source": "models:/m-1"}
        self.web.says(f"{MLFLOW}/version", b"3.17.2", "text/html")
        named = "name=press-scheduler&version=12"
        self.web.says(f"{asked}/get?{named}", {"model_version": version})
        place = {"artifact_uri": f"mlflow-artifacts:/{ROOT}"}
        self.web.says(f"{asked}/get-download-uri?{named}", place)
        run = {"run": {"info": {"artifact_uri": f"mlflow-artifacts:/{RUN}"}}}
        self.web.says(f"{api}/runs/get?run_id=run", run)
        tags = [{"key": "mlflow.prompt.text", "value": self.prompt}]
        prompt = {"model_version": {"version": "3", "tags": tags}}
        self.web.says(f"{asked}/get?name=system&version=3", prompt)
        self._folder(files, ROOT, self.registered)
        bundles = {f"{n}.sigstore.json": data for n, data in enumerate(self.model_bundles)}
        self._folder(files, f"{RUN}/interlock/evidence", bundles)

    def _folder(self, files: str, path: str, contents: Mapping[str, bytes]) -> None:
        listed = [{"path": name, "is_dir": False} for name in contents]
        self.web.says(f"{files}?path={path}", {"files": listed})
        for name, data in contents.items():
            self.web.says(f"{files}/{path}/{name}", data, "application/octet-stream")

    def _registry(self) -> None:
        agents = f"{REGISTRY}/v2/agents/press-scheduler"
        models = f"{REGISTRY}/v2/models/press-scheduler"
        self.web.says(f"{agents}/manifests/sha256:{digest(IMAGE)}", IMAGE, MANIFEST)
        asked = f"sha256:{digest(volume_manifest(signed.FILES))}"
        self.web.says(f"{models}/manifests/{asked}", volume_manifest(self.volume), MANIFEST)
        packed = layer(self.volume)
        self.web.says(f"{models}/blobs/sha256:{digest(packed)}", packed)
        entries = []
        for data in self.image_bundles:
            manifest = _manifest(data, BUNDLE)
            self.web.says(f"{agents}/manifests/sha256:{digest(manifest)}", manifest, MANIFEST)
            self.web.says(f"{agents}/blobs/sha256:{digest(data)}", data)
            entries.append(
                {
                    "mediaType": MANIFEST,
                    "digest": f"sha256:{digest(manifest)}",
                    "size": len(manifest),
                    "artifactType": BUNDLE,
                }
            )
        index = {"mediaType": INDEX, "manifests": entries}
        self.web.says(f"{agents}/manifests/sha256-{digest(IMAGE)}", index, INDEX)


def plant(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Plant:
    """A plant whose registries stand below the HTTP port."""
    web = Web()
    monkeypatch.setattr(mlflow, "Http", web.make)
    monkeypatch.setattr(oci, "Http", web.make)
    return Plant(web, folder)


def targets(**changes: Any) -> dict[str, bytes]:
    """The good policy, trusting the test's Sigstore; approvals are not asked for here."""
    namespaces = policies.documents()["namespaces"]
    namespaces["namespaces"][policies.NAMESPACE]["repositories"] = []
    trusted = signed.instance().trusted_root()
    return policies.targets(**{"namespaces": namespaces, "trusted_root": trusted} | changes)


def volume_manifest(files: Mapping[str, bytes]) -> bytes:
    return _manifest(layer(files), LAYER)


def _manifest(data: bytes, kind: str) -> bytes:
    part = {"mediaType": kind, "digest": f"sha256:{digest(data)}", "size": len(data)}
    return json.dumps(BASE | {"layers": [part]}).encode()
