"""`scan`: the scanner's word of what is known to be wrong with an image or a model."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from interlock.api.facts import VULNS
from interlock_pipelines import scan as scanning
from interlock_pipelines.claim import Claim
from interlock_pipelines.commands import answer, options, placing, scanner
from interlock_pipelines.subjects import Image, Model
from interlock_pipelines.trivy import Trivy


@click.command(epilog=options.EXIT)
@click.argument("target")
@scanner.shared
def scan(**given: Any) -> None:
    """Scan TARGET with Trivy, sign what it finds, and put that where Interlock looks.

    TARGET is an image (registry/repository@sha256:…), whose scan is attached to it, or the folder
    of a model, whose scan is put beside its version in MLflow. Trivy runs as a container without
    network, rights or anything to write to. --dry-run scans and prints the statement.
    """
    with answer.sentences():
        put = scanner.place_of(given, "scan")
        with scanner.work_of(given) as work, scanner.trivy_of(given) as trivy:
            made = _scanned(scanner.subject_of(given, work), trivy, work)
        placing.settle(given, "scan", made, put)


def _scanned(subject: Image | Model, trivy: Trivy, work: Path) -> Claim:
    updated = trivy.database_updated()
    key = [trivy.digest, updated.isoformat(), subject.digest]
    found = scanner.remembered(work, "report", key, lambda: trivy.report(subject.target))
    report = scanning.parse_report(found, "Trivy's report")
    subject.confirm(report.images)
    said = scanning.predicate(report, updated, datetime.now(UTC), trivy.digest)
    return subject.claim(VULNS, said)
