"""A vulnerability scan (in-toto vulns v0.2) with its database's date, or it is none."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from pydantic import Field, ValidationError

from interlock.api import facts
from interlock.api.facts import Scan
from interlock.evidence.predicates.base import Part, Told, incomplete, rfc3339
from interlock.evidence.sigstore import MAX_SKEW
from interlock.evidence.statement import Refused

SEVERITY_METHOD = "interlock.dev/severity"
SEVERITIES = ("CRITICAL", "HIGH", "UNKNOWN", "MEDIUM", "LOW")
"""Worst first; what nobody rated may be anything."""


class _Severity(Part):
    method: str
    score: str


class _Annotation(Part):
    package: Annotated[str, Field(min_length=1, max_length=256)]
    installed: Annotated[str, Field(max_length=128)] = ""
    fixed: Annotated[str, Field(max_length=512)] = ""


class _Result(Part):
    id: Annotated[str, Field(min_length=1, max_length=128)]
    severity: list[_Severity]
    annotations: Annotated[list[_Annotation], Field(min_length=1)]


class _Database(Part):
    last_update: datetime


class _Counts(Part):
    suppressed: Annotated[int, Field(ge=0)]
    packages: Annotated[int, Field(ge=0)]


class _Scanner(Part):
    uri: Annotated[str, Field(min_length=1, max_length=512)]
    version: Annotated[str, Field(max_length=128)] = ""
    db: _Database
    result: Annotated[list[_Result], Field(max_length=20_000)]
    annotations: _Counts


class _Times(Part):
    scan_started_on: datetime
    scan_finished_on: datetime


class _Vulns(Part):
    scanner: _Scanner
    metadata: _Times


def read(predicate: Mapping[str, Any], told: Told) -> Scan:
    """Return an in-toto vulns v0.2 predicate as facts, worst findings first. Raises Refused."""
    try:
        said = _Vulns.model_validate_json(json.dumps(predicate))
    except ValidationError as error:
        raise incomplete(error, "a complete vulns v0.2 predicate") from None
    times = said.metadata
    moments = (said.scanner.db.last_update, times.scan_started_on, times.scan_finished_on)
    if any(moment.tzinfo is None for moment in moments):
        raise Refused("BadPredicate", "a time without its zone", "RFC 3339 times with a zone")
    if not times.scan_started_on <= times.scan_finished_on <= told.signed + MAX_SKEW:
        got = f"from {times.scan_started_on} to {times.scan_finished_on}"
        raise Refused(
            "BadPredicate", got, f"a scan that ended before it was signed at {told.signed}"
        )
    found = [finding for result in said.scanner.result for finding in _findings(result)]
    found.sort(key=lambda each: (SEVERITIES.index(each.severity), each.id, each.package))
    return Scan(
        scanner=said.scanner.uri,
        scanner_version=said.scanner.version,
        database=rfc3339(moments[0]),
        started=rfc3339(moments[1]),
        finished=rfc3339(moments[2]),
        findings=found[: facts.MAX_FINDINGS],
        totals={word: n for word in SEVERITIES if (n := sum(f.severity == word for f in found))},
        suppressed=said.scanner.annotations.suppressed,
        packages=said.scanner.annotations.packages,
    )


def _findings(result: _Result) -> list[facts.Finding]:
    """Return one finding a package; a vulnerability that nobody rated is UNKNOWN, not harmless."""
    words = {each.score.upper() for each in result.severity if each.method == SEVERITY_METHOD}
    worst = next((word for word in SEVERITIES if word in words), "UNKNOWN")
    return [
        facts.Finding.model_validate(
            {
                "id": result.id,
                "package": each.package,
                "installed": each.installed,
                "fixed": each.fixed,
                "severity": worst,
            }
        )
        for each in result.annotations
    ]
