"""A plant whose image and model have every proof there is. A test forges one of them."""

from dataclasses import dataclass, field
from typing import Any

from interlock.api import digests
from interlock.api.facts import (
    CYCLONEDX,
    MODEL_TREE,
    OCI_MANIFEST,
    PROVENANCE,
    TEST_RESULT,
    TRAINING,
)
from interlock.api.values import GateResult
from interlock_sandbox.sigstore import Recipe
from support import plant, policies, proofs, signed
from support.plant import Plant

GATES = ("provenance", "sbom", "evaluation", "training-record")
TREE = digests.model_tree(signed.model_files())
IMAGE = plant.digest(plant.IMAGE)
OTHER = "e7" * 32
ASKED = {
    "provenance": {"builders": [{"id": proofs.BUILDER_ID}], "sources": [proofs.SOURCE]},
    "sbom": {"model": True},
    "evaluation": {"suites": [{"name": "red-team", "digest": proofs.SUITE}]},
    "trainingRecord": {"datasets": [proofs.DATASET]},
}


@dataclass
class Proof:
    """One statement, honest until a test changes a field."""

    gate: str
    kind: str
    predicate: dict[str, Any]
    name: str
    digest: str
    signer: Recipe
    forged: bytes | None = field(default=None)

    def bundle(self) -> bytes:
        """The statement, signed."""
        subject = {self.name: self.digest}
        return self.forged or signed.signed(self.kind, self.predicate, subject, self.signer)


def honest() -> dict[str, Proof]:
    """Every proof, by what a test calls it."""
    image, model = (OCI_MANIFEST, IMAGE), (MODEL_TREE, TREE)
    bill, ml_bom = proofs.cyclonedx(), proofs.cyclonedx(proofs.model_component())
    tested, trained = proofs.red_team(), proofs.training_run()
    return {
        "provenance": Proof("provenance", PROVENANCE, proofs.slsa(), *image, plant.BUILDER),
        "sbom": Proof("sbom", CYCLONEDX, bill, *image, plant.BUILDER),
        "ml-bom": Proof("sbom", CYCLONEDX, ml_bom, *model, plant.BUILDER),
        "evaluation": Proof("evaluation", TEST_RESULT, tested, *model, plant.EVALUATOR),
        "training": Proof("training-record", TRAINING, trained, *model, plant.TRAINER),
    }


async def judged(good: Plant, *proven: Proof) -> dict[str, GateResult]:
    """What the gates say where these proofs, and no others, are published."""
    model = [each.bundle() for each in proven if each.kind in {TEST_RESULT, TRAINING}]
    image = [each.bundle() for each in proven if each.kind not in {TEST_RESULT, TRAINING}]
    good.model_bundles += model
    good.image_bundles += image
    tiers = policies.documents()["tiers"]
    tiers["tiers"]["high"] = {"gates": list(GATES)}
    gates = policies.documents()["gates"] | ASKED
    return await good.judged(tiers=tiers, gates=gates)
