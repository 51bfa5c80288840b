"""`attach-scan`: a scanner's word, where Trivy ran elsewhere."""

from datetime import UTC, datetime
from typing import Any

import click

from interlock_pipelines import publish as publishing
from interlock_pipelines.commands import answer, options


@click.command("attach-scan", epilog=options.EXIT)
@click.argument("image")
@options.trivy_report
@options.database_updated
@options.signing
@options.registry
@options.dry_run
@options.output
def attach_scan(**given: Any) -> None:
    """Sign a Trivy report about IMAGE (registry/repository@sha256:…) as the scanner, attach it."""
    with answer.sentences():
        report, updated = options.scanned(given)
        access, now = options.access_of(given), datetime.now(UTC)
        said = (given["image"], report, updated)
        if given["dry_run"]:
            answer.would_sign(publishing.scan_claim(*said, access=access, now=now))
            return
        signer = options.signer_of(given)
        done = publishing.attach_scan(*said, access=access, signer=signer, now=now)
        answer.attached(given["output"], "scan", done)
