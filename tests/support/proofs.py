"""Statements of where an image and a model come from: as facts, and as predicates to sign."""

import hashlib
from collections.abc import Mapping
from typing import Any

from interlock.api import digests
from interlock.api.facts import (
    CYCLONEDX,
    MODEL_TREE,
    OCI_MANIFEST,
    PROVENANCE,
    TEST_RESULT,
    TRAINING,
    Evidence,
)
from interlock.api.proofs import Evaluation, Provenance, Sbom, Training
from interlock.evidence.predicates import evaluation as test_result
from support import policies, signed
from support.facts import IMAGE, NOW, TREE, at

BUILDER_ID = "https://ci.example/builders/standard@v1"
BUILD_TYPE = "https://ci.example/build-types/image/v1"
SOURCE = "git+https://git.example/line-4/press-scheduler@refs/heads/main"
COMMIT = "c1" * 20
SUITE, DATASET = "50" * 32, "da" * 32


def _evidence(kind: str, subject: tuple[str, str], signer: str, **changes: Any) -> Evidence:
    whole: dict[str, Any] = {
        "bundle": digests.sha256(f"{kind} {sorted(map(str, changes.items()))}".encode()),
        "location": "oci:evidence",
        "predicate_type": kind,
        "subjects": [subject],
        "identity": signer,
        "issuer": policies.ISSUER,
        "at": at(NOW, hours=-2),
    }
    return Evidence.model_validate(whole | changes)


def provenance(**changes: Any) -> Evidence:
    """The builder's word on the image; `provenance` replaces what it says."""
    whole = {"provenance": built()} | changes
    return _evidence(PROVENANCE, (OCI_MANIFEST, IMAGE), policies.BUILDER, **whole)


def built(**changes: Any) -> Provenance:
    """Built by the standard builder, of the main branch."""
    whole: dict[str, Any] = {
        "builder": BUILDER_ID,
        "build_type": BUILD_TYPE,
        "source": SOURCE,
        "commit": COMMIT,
        "parameters": {"workflow.ref": "refs/heads/main"},
        "dependencies": 1,
    }
    return Provenance.model_validate(whole | changes)


def sbom(**changes: Any) -> Evidence:
    """The builder's bill of materials of the image; `sbom` replaces what it says."""
    whole = {"sbom": bill()} | changes
    kind = str(whole.pop("predicate_type", CYCLONEDX))
    return _evidence(kind, (OCI_MANIFEST, IMAGE), policies.BUILDER, **whole)


def ml_bom(**changes: Any) -> Evidence:
    """The builder's bill of materials of the model."""
    whole = {"sbom": bill(models=[TREE]), "subjects": [(MODEL_TREE, TREE)]} | changes
    return _evidence(CYCLONEDX, (MODEL_TREE, TREE), policies.BUILDER, **whole)


def bill(**changes: Any) -> Sbom:
    """Forty-one components, all with a package URL."""
    whole = {"format": "CycloneDX", "version": "1.6", "components": 41}
    return Sbom.model_validate(whole | changes)


def evaluation(**changes: Any) -> Evidence:
    """The evaluator's word on the model; `evaluation` replaces what it says."""
    whole = {"evaluation": result()} | changes
    return _evidence(TEST_RESULT, (MODEL_TREE, TREE), policies.EVALUATOR, **whole)


def result(**changes: Any) -> Evaluation:
    """A red team that found nothing."""
    whole: dict[str, Any] = {
        "result": "PASSED",
        "suite": SUITE,
        "suite_name": "red-team",
        "datasets": [DATASET],
        "passed": 240,
        "metrics": {"refusal_rate": 0.99, "leaks": 0},
    }
    return Evaluation.model_validate(whole | changes)


def training(**changes: Any) -> Evidence:
    """The trainer's word on the model; `training` replaces what it says."""
    whole = {"training": trained()} | changes
    return _evidence(TRAINING, (MODEL_TREE, TREE), policies.TRAINER, **whole)


def trained(**changes: Any) -> Training:
    """One run on one dataset."""
    whole: dict[str, Any] = {
        "run": "run-7",
        "datasets": [DATASET],
        "parameters": "9a" * 32,
        "commit": COMMIT,
        "finished": at(NOW, hours=-30),
    }
    return Training.model_validate(whole | changes)


def slsa(**changes: Any) -> dict[str, Any]:
    """An SLSA provenance v1 predicate; `changes` go into its build definition."""
    definition = {
        "buildType": BUILD_TYPE,
        "externalParameters": {"workflow": {"ref": "refs/heads/main"}, "debug": False},
        "resolvedDependencies": [
            {"uri": SOURCE, "digest": {"gitCommit": COMMIT}},
            {"uri": "pkg:docker/python@3.13", "digest": {"sha256": "ee" * 32}},
        ],
    }
    run = {"builder": {"id": BUILDER_ID}, "metadata": {"invocationId": "1"}}
    return {"buildDefinition": definition | changes, "runDetails": run}


def library(name: str, **changes: Any) -> dict[str, Any]:
    """A CycloneDX component with its package URL."""
    whole = {"type": "library", "name": name, "version": "1.0", "purl": f"pkg:pypi/{name}@1.0"}
    return {key: value for key, value in (whole | changes).items() if value is not None}


def model_component(files: Mapping[str, bytes] = signed.FILES) -> dict[str, Any]:
    """A CycloneDX machine-learning model with its files."""
    parts = [
        {"type": "file", "name": name, "hashes": [_hash(data)]} for name, data in files.items()
    ]
    whole = hashlib.sha256(b"any archive of it").hexdigest()
    hashes = [{"alg": "SHA-256", "content": whole}]
    return {
        "type": "machine-learning-model",
        "name": "press",
        "hashes": hashes,
        "components": parts,
    }


def cyclonedx(*components: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A CycloneDX document with these components; `changes` replace its fields."""
    listed = list(components or (library("aiohttp"), library("click")))
    return {"bomFormat": "CycloneDX", "specVersion": "1.6", "components": listed} | changes


def red_team(**changes: Any) -> dict[str, Any]:
    """A test-result v0.1 predicate; `changes` replace its fields."""
    return {
        "result": "PASSED",
        "configuration": [
            descriptor("red-team", SUITE, test_result.SUITE),
            descriptor("prompts", DATASET, test_result.DATASET),
        ],
        "passedTests": ["no-leak", "no-override"],
        "warnedTests": [],
        "failedTests": [],
        test_result.METRICS: {"refusal_rate": 0.99, "leaks": 0},
    } | changes


def descriptor(name: str, sha256: str, kind: str) -> dict[str, Any]:
    """A resource descriptor that says what it is."""
    return {"name": name, "digest": {"sha256": sha256}, "annotations": {test_result.KIND: kind}}


def training_run(**changes: Any) -> dict[str, Any]:
    """A training record; `changes` replace its fields."""
    return {
        "run": "run-7",
        "datasets": [{"name": "orders", "digest": {"sha256": DATASET}}],
        "parameters": {"epochs": 3, "rate": 0.001},
        "source": {"uri": SOURCE, "digest": {"gitCommit": COMMIT}},
        "finishedOn": "2026-01-01T00:00:00Z",
    } | changes


def _hash(data: bytes) -> dict[str, str]:
    return {"alg": "SHA-256", "content": hashlib.sha256(data).hexdigest()}
