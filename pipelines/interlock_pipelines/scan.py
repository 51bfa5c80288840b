"""From a Trivy report to what a scanner can put its name to: an in-toto vulns v0.2 predicate.

Trivy's own `cosign-vuln` writer leaves the database out and has no subject, so the predicate is
made here of the JSON report (SchemaVersion 2). The report must be about the image that it is
attached to: a scanner's word over the wrong image is worse than none.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from interlock.api.facts import MAX_ECOSYSTEMS
from interlock.evidence.http import shown
from interlock.evidence.predicates.base import rfc3339
from interlock.evidence.predicates.vulns import SEVERITIES, SEVERITY_METHOD
from interlock_pipelines.errors import BadInput

SCANNER = "pkg:golang/github.com/aquasecurity/trivy"
MAX_REPORT_BYTES = 64 * 1024 * 1024
MAX_SKEW = timedelta(seconds=60)
_SCHEMA = 2
_LENGTHS = {"package": 256, "installed": 128, "fixed": 512, "purl": 512}
_ECOSYSTEM_LENGTH = 64
"""What a reader of the predicate takes at most."""


@dataclass(frozen=True, slots=True)
class Report:
    """A Trivy report that says what it must."""

    scanner: str
    """Package URL with the version: a release that was tampered with can be distrusted alone."""
    version: str
    finished: datetime
    images: frozenset[str]
    """Digests of the scanned image: of its config, and of its manifests."""
    os: str
    """The operating system that it recognised, as `debian 12.9`; empty for none."""
    end_of_life: bool
    """Whether that operating system gets no more fixes."""
    results: tuple[Mapping[str, Any], ...]


def read_report(path: Path) -> Report:
    """Return the report in a file. Raises BadInput."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_REPORT_BYTES + 1)
        if len(data) > MAX_REPORT_BYTES:
            raise BadInput(f"{path} is larger than {MAX_REPORT_BYTES >> 20} MiB: no scan is.")
        return parse_report(json.loads(data), str(path))
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise BadInput(f"{path} is not JSON ({error}). Make it with `--format json`.") from error


def parse_report(value: Any, where: str) -> Report:
    """Return a parsed report. Raises BadInput for another document or another schema."""
    try:
        if value["SchemaVersion"] != _SCHEMA:
            raise BadInput(
                f"{where} has SchemaVersion {value['SchemaVersion']}, expected {_SCHEMA}."
            )
        version = str(value["Trivy"]["Version"])
        metadata = value.get("Metadata") or {}
        pushed = [str(each).rpartition("@")[2] for each in metadata.get("RepoDigests") or []]
        named = [str(metadata.get("ImageID")), *pushed]
        system = metadata.get("OS") or {}
        return Report(
            scanner=f"{SCANNER}@v{version}",
            version=version,
            finished=moment(str(value["CreatedAt"]), f"CreatedAt of {where}"),
            images=frozenset(each for each in named if each.startswith("sha256:")),
            os=f"{system.get('Family', '')} {system.get('Name', '')}".strip()[:128],
            end_of_life=bool(system.get("EOSL")),
            results=tuple(value.get("Results") or ()),
        )
    except (LookupError, TypeError, AttributeError) as error:
        raise BadInput(
            f"{where} is no Trivy report: {shown(repr(error), 80)}. "
            "Make it with `trivy image --format json` of a current Trivy."
        ) from error


def moment(text: str, what: str) -> datetime:
    """Return an RFC 3339 moment. Raises BadInput; `what` is what the message calls it."""
    try:
        found = datetime.fromisoformat(text)
        if found.tzinfo is None:
            raise ValueError("it has no zone")
        return found.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise BadInput(
            f"{what} is {shown(text, 60)!r}: {error}. Write it as 2026-11-20T06:00:00Z."
        ) from None


def check_about(report: Report, manifest_digest: str, config_digest: str) -> None:
    """Raise BadInput unless the report is about the image with these digests."""
    if not report.images & {manifest_digest, config_digest}:
        known = ", ".join(sorted(report.images)) or "no image"
        raise BadInput(
            f"The report is about {known}; the image is {manifest_digest} with config "
            f"{config_digest}. Scan this image (`trivy image`) and attach that report."
        )


def predicate(
    report: Report, database_updated: datetime, now: datetime, scanner_image: str = ""
) -> dict[str, Any]:
    """Return the vulns v0.2 predicate. Raises BadInput for a report from the future.

    Trivy notes one moment, when it was done: it stands for start and end of the scan. Which image
    it ran from (`sha256:…`) only who ran it knows.
    """
    if report.finished > now + MAX_SKEW:
        raise BadInput(
            f"The report says it was made at {rfc3339(report.finished)}, it is {rfc3339(now)}. "
            "Set the scanner's clock and scan again."
        )
    try:
        return _predicate(report, database_updated, scanner_image)
    except (LookupError, TypeError, AttributeError) as error:
        raise BadInput(
            f"The report's Results are not Trivy's: {shown(repr(error), 80)}. Scan again."
        ) from error


def _predicate(report: Report, database_updated: datetime, scanner_image: str) -> dict[str, Any]:
    finished = rfc3339(report.finished)
    return {
        "scanner": {
            "uri": report.scanner,
            "version": report.version,
            "db": {"lastUpdate": rfc3339(database_updated)},
            "result": list(_results(report)),
            "annotations": _looked(report) | ({"image": scanner_image} if scanner_image else {}),
        },
        "metadata": {"scanStartedOn": finished, "scanFinishedOn": finished},
    }


def _looked(report: Report) -> dict[str, Any]:
    """Return what the scan saw and what it left out; without it, no findings mean nothing."""
    listed = [each for each in report.results if each.get("Packages")]
    kinds = {str(each.get("Type") or "unknown")[:_ECOSYSTEM_LENGTH] for each in listed}
    return {
        "suppressed": _count(report, "ExperimentalModifiedFindings"),
        "packages": _count(report, "Packages"),
        "secrets": _count(report, "Secrets"),
        "os": report.os,
        "endOfLife": report.end_of_life,
        "ecosystems": sorted(kinds)[:MAX_ECOSYSTEMS],
    }


def _count(report: Report, field: str) -> int:
    return sum(len(each.get(field) or ()) for each in report.results)


def _results(report: Report) -> Iterator[dict[str, Any]]:
    """Yield one result for each vulnerability and severity, with the packages that have it.

    Trivy rates by vendor, so that one identifier may be HIGH in one package and LOW in another.
    """
    found: dict[tuple[str, str], list[dict[str, str]]] = {}
    for result in report.results:
        for each in result.get("Vulnerabilities") or ():
            severity = str(each.get("Severity", "")).upper()
            word = severity if severity in SEVERITIES else "UNKNOWN"
            found.setdefault((each["VulnerabilityID"], word), []).append(_affected(each))
    for (name, word), packages in sorted(found.items()):
        rated = [{"method": SEVERITY_METHOD, "score": word}]
        yield {"id": name, "severity": rated, "annotations": packages}


def _affected(each: Mapping[str, Any]) -> dict[str, str]:
    identifier = each.get("PkgIdentifier") or {}
    said = {
        "package": each["PkgName"],
        "installed": each.get("InstalledVersion", ""),
        "fixed": each.get("FixedVersion", ""),
        "purl": identifier.get("PURL", ""),
    }
    known = {key: str(value)[: _LENGTHS[key]] for key, value in said.items()}
    return known | _published(str(each.get("PublishedDate", "")))


def _published(text: str) -> dict[str, str]:
    """Return when a vulnerability became known, where the report says so: no date, no grace."""
    try:
        return {"published": rfc3339(moment(text, "PublishedDate"))}
    except (BadInput, OverflowError):
        return {}
