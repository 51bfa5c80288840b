"""`sbom`: the builder's word of what is in an image, or of which files a model is."""

from pathlib import Path
from typing import Any

import click

from interlock.api.facts import CYCLONEDX
from interlock_pipelines import sbom as bills
from interlock_pipelines.claim import Claim
from interlock_pipelines.commands import answer, options, placing, scanner
from interlock_pipelines.subjects import Image, Model
from interlock_pipelines.trivy import Trivy


@click.command(epilog=options.EXIT)
@click.argument("target")
@scanner.shared
def sbom(**given: Any) -> None:
    """Make a bill of materials of TARGET with Trivy, sign it, and put it where Interlock looks.

    TARGET is an image (registry/repository@sha256:…), or the folder of a model: its ML-BOM lists
    every file. CycloneDX; made like `scan`. --dry-run makes it and prints the statement.
    """
    with answer.sentences():
        put = scanner.place_of(given, "sbom")
        with scanner.work_of(given) as work, scanner.trivy_of(given) as trivy:
            made = _listed(scanner.subject_of(given, work), trivy, work)
        placing.settle(given, "sbom", made, put)


def _listed(subject: Image | Model, trivy: Trivy, work: Path) -> Claim:
    key = [trivy.digest, subject.digest]
    found = scanner.remembered(work, "inventory", key, lambda: trivy.inventory(subject.target))
    subject.confirm(bills.looked_at(found))
    return subject.claim(CYCLONEDX, bills.predicate(found, subject))
