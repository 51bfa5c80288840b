"""What evidence has to show, where a tier asks for its gate: one class a gate.

`gates.yaml` holds what counts everywhere; a tier may have any of these of its own.
"""

from typing import Annotated, Literal

from pydantic import Field

from interlock.api.kinds.base import Duration, Hex64, Model

Severity = Literal["CRITICAL", "HIGH", "MEDIUM", "LOW", "UNKNOWN"]
Pattern = Annotated[str, Field(min_length=1, max_length=512)]
"""A text; each `*` in it stands for any characters but `/`. Nothing else is special."""


class ScanPolicy(Model):
    """What a scan must show."""

    max_age: Duration = "24h"
    max_database_age: Duration = "72h"
    maximum: dict[Severity, Annotated[int, Field(ge=0)]] = {"CRITICAL": 0, "HIGH": 0, "UNKNOWN": 0}


class ProvenancePolicy(Model):
    """Who must have built the image, and of what."""

    builders: list[Pattern] = []
    """Values of `builder.id` that count; none: every builder that may sign."""
    build_types: list[Pattern] = []
    sources: list[Pattern] = []
    """URIs of source repositories that count."""
    parameters: dict[str, Pattern] = {}
    """External parameters that must have a value, such as a branch."""
    approved_commit: bool = False
    """Whether the source's commit must be the one that the change was made at."""


class SbomPolicy(Model):
    """What a bill of materials must show."""

    max_unidentified: Annotated[int, Field(ge=0)] = 0
    """Components that name no package and version."""
    model: bool = False
    """Whether an ML-BOM must name the model's files, too."""


class Suite(Model):
    """A suite of tests that must have been passed."""

    name: str
    digest: Hex64
    datasets: list[Hex64] = []
    """Data that it must have run on, each of them."""
    minimum: dict[str, float] = {}
    """Metric to the least value that passes."""
    maximum: dict[str, float] = {}
    max_age: Duration = "720h"


class EvaluationPolicy(Model):
    """What a model must have been put to."""

    suites: list[Suite] = []


class TrainingPolicy(Model):
    """What a trainer must say of how a model came to be."""

    datasets: list[Hex64] = []
    """Data that it may have been trained on; none: any that is named."""


class ContentPolicy(Model):
    """What the files of a model may be."""

    formats: list[str] = ["safetensors", "onnx", "gguf", "json", "yaml", "text", "image"]
    loaders: list[str] = []
    """Modules that `MLmodel` may have a loader import."""
    code: bool = False
    """Whether the model may bring Python code of its own."""
    loose_requirements: bool = False
    pickle_imports: list[Pattern] = []
    """What a pickle may import, as `module.name`; none: pickles are refused."""


class EvidencePolicy(Model):
    """All of them."""

    vulnerability_scan: ScanPolicy = ScanPolicy()
    provenance: ProvenancePolicy = ProvenancePolicy()
    sbom: SbomPolicy = SbomPolicy()
    evaluation: EvaluationPolicy = EvaluationPolicy()
    training_record: TrainingPolicy = TrainingPolicy()
    model_content: ContentPolicy = ContentPolicy()


class TierEvidence(Model):
    """What a tier has of its own, each in place of what `gates.yaml` says."""

    vulnerability_scan: ScanPolicy | None = None
    provenance: ProvenancePolicy | None = None
    sbom: SbomPolicy | None = None
    evaluation: EvaluationPolicy | None = None
    training_record: TrainingPolicy | None = None
    model_content: ContentPolicy | None = None
