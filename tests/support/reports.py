"""Trivy reports over the good spec's image, and what the operator reads of them."""

from datetime import datetime, timedelta
from typing import Any

from interlock.api.facts import Scan
from interlock.evidence.predicates import vulns
from interlock.evidence.predicates.base import Told
from interlock_pipelines import scan
from support.facts import NOW, at
from support.policies import SCANNER_URI

HIDDEN: dict[str, Any] = {
    "Type": "vulnerability",
    "Status": "not_affected",
    "Statement": "vulnerable_code_not_present",
    "Source": "OpenVEX",
    "Finding": {"VulnerabilityID": "CVE-2026-1234", "PkgName": "libfoo", "Severity": "CRITICAL"},
}
"""An entry of `ExperimentalModifiedFindings`: a finding that is not shown."""


def vulnerability(**changes: Any) -> dict[str, Any]:
    """A critical finding in libfoo, as Trivy 0.74 writes it."""
    whole = {
        "VulnerabilityID": "CVE-2026-1234",
        "PkgName": "libfoo",
        "PkgIdentifier": {"PURL": "pkg:deb/debian/libfoo@1.0.2?arch=amd64&distro=debian-12.9"},
        "InstalledVersion": "1.0.2",
        "FixedVersion": "1.0.3",
        "Status": "fixed",
        "Severity": "CRITICAL",
        "PublishedDate": "2026-11-10T12:00:00Z",
    }
    return whole | changes


def report(*results: dict[str, Any], metadata: dict[str, Any] | None = None) -> dict[str, Any]:
    """A report of two hours ago with these results."""
    return {
        "SchemaVersion": 2,
        "Trivy": {"Version": "0.74.0"},
        "CreatedAt": at(NOW, hours=-2),
        "Metadata": metadata or {},
        "Results": list(results),
    }


def scanned(document: dict[str, Any]) -> Scan:
    """What a report becomes on its way to a gate: a predicate, read by the operator."""
    parsed = scan.parse_report(document, "report.json")
    now = datetime.fromisoformat(NOW)
    said = scan.predicate(parsed, parsed.finished - timedelta(hours=1), now)
    return vulns.read(said, Told(now, ())).model_copy(update={"scanner": SCANNER_URI})
