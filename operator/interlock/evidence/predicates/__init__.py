"""Each predicate type that says something to a gate: who reads it, and what it becomes.

One file a type. A type that is not named here is evidence of nothing but itself.
"""

from interlock.api import facts
from interlock.evidence.predicates import (
    cyclonedx,
    evaluation,
    oms,
    provenance,
    spdx,
    training,
    vulns,
)
from interlock.evidence.predicates.base import Reader

READERS: dict[str, tuple[str, Reader]] = {
    facts.OMS: ("model", oms.read),
    facts.VULNS: ("scan", vulns.read),
    facts.PROVENANCE: ("provenance", provenance.read),
    facts.CYCLONEDX: ("sbom", cyclonedx.read),
    **dict.fromkeys((facts.SPDX, facts.SPDX_2_3, facts.SPDX_3), ("sbom", spdx.read)),
    facts.TEST_RESULT: ("evaluation", evaluation.read),
    facts.TRAINING: ("training", training.read),
}
"""Predicate type to the field of `facts.Evidence` that its reader fills."""
