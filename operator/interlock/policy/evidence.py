"""What evidence has to show, where a tier asks for its gate: one class a gate.

`gates.yaml` holds what counts everywhere; a tier may have any of these of its own.
"""

from typing import Annotated, Literal

from pydantic import Field

from interlock.api.kinds.base import Duration, Hex64, Model
from interlock.policy.feed import Score

Severity = Literal["CRITICAL", "HIGH", "MEDIUM", "LOW", "UNKNOWN"]
Pattern = Annotated[str, Field(min_length=1, max_length=512)]
"""A text; each `*` in it stands for any characters but `/`. Nothing else is special."""


class ScanPolicy(Model):
    """What a scan must show."""

    max_age: Duration = "24h"
    max_database_age: Duration = "72h"
    maximum: dict[Severity, Annotated[int, Field(ge=0)]] = {"CRITICAL": 0, "HIGH": 0, "UNKNOWN": 0}
    fix_grace: dict[Severity, Duration] = {}
    """How long after its publication a finding that has a fix is not counted."""
    refuse_exploited: bool = False
    """Whether what the feed lists as known to be exploited is refused, however it is rated."""
    max_epss: Score | None = None
    """A finding with a higher score in the feed is refused, however it is rated."""
    max_feed_age: Duration = "72h"
    secrets: bool = True
    """Whether a scan must have looked for secrets, and found none."""

    @property
    def asks_feed(self) -> bool:
        """Whether `vulnerability-feed.json` is needed to judge."""
        return self.refuse_exploited or self.max_epss is not None


class Builder(Model):
    """A builder, and who may speak for it (SLSA: pairs of signer and `builder.id`)."""

    id: Pattern
    identity: Pattern | None = None
    """Identity of the signer; None: each that trust.yaml lets sign provenance."""


class ProvenancePolicy(Model):
    """Who must have built the image, and of what."""

    builders: list[Builder] = []
    """Builders that count; none: whatever those who may sign call themselves."""
    build_types: list[Pattern] = []
    sources: list[Pattern] = []
    """URIs of source repositories that count."""
    parameters: dict[str, Pattern] = {}
    """External parameters that must have a value, such as a branch."""
    approved_commit: bool = False
    """Whether the source's commit must be one that the approved change contains."""


class SbomPolicy(Model):
    """What a bill of materials must show."""

    max_unidentified: Annotated[int, Field(ge=0)] = 0
    """Packages that have no package URL, or one without a version."""
    model: bool = False
    """Whether an ML-BOM about the model must list the model, or each of its files."""


class Suite(Model):
    """A suite of tests that must have been passed."""

    name: str
    digest: Hex64
    datasets: list[Hex64] = []
    """Data that it must have run on, each of them."""
    minimum: dict[str, float] = {}
    """Metric to the least value that passes."""
    maximum: dict[str, float] = {}
    """Metric to the greatest value that passes."""
    warnings: bool = False
    """Whether a result of WARNED passes."""
    max_age: Duration = "720h"


class EvaluationPolicy(Model):
    """What a model must have been put to."""

    suites: list[Suite] = []
    """None: at least one suite, any, and the newest result of each must be PASSED."""


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
