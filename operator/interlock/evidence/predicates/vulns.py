"""A vulnerability scan (in-toto vulns v0.2) with its database's date, or it is none."""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, Field, ValidationError

from interlock.api import facts
from interlock.api.facts import Scan
from interlock.api.kinds.base import Sha256
from interlock.evidence.predicates.base import Part, Told, incomplete, rfc3339
from interlock.evidence.sigstore import MAX_SKEW
from interlock.evidence.statement import Refused

SEVERITY_METHOD = "interlock.dev/severity"
SEVERITIES = ("CRITICAL", "HIGH", "UNKNOWN", "MEDIUM", "LOW")
"""Worst first; what nobody rated may be anything."""

_Series = tuple[str, str, str, str]
"""Who signed the scans of which scanner about what."""


class _Severity(Part):
    method: str
    score: str


class _Annotation(Part):
    package: Annotated[str, Field(min_length=1, max_length=256)]
    installed: Annotated[str, Field(max_length=128)] = ""
    fixed: Annotated[str, Field(max_length=512)] = ""
    purl: Annotated[str, Field(max_length=512)] = ""
    published: AwareDatetime | None = None


class _Result(Part):
    id: Annotated[str, Field(min_length=1, max_length=128)]
    severity: list[_Severity]
    annotations: Annotated[list[_Annotation], Field(min_length=1)]


class _Database(Part):
    last_update: AwareDatetime


class _Looked(Part):
    """What the scanner saw. What it leaves out here, it did not look at."""

    suppressed: Annotated[int, Field(ge=0)]
    packages: Annotated[int, Field(ge=0)]
    os: Annotated[str, Field(max_length=128)] = ""
    end_of_life: bool = False
    ecosystems: Annotated[
        list[Annotated[str, Field(max_length=64)]], Field(max_length=facts.MAX_ECOSYSTEMS)
    ] = []
    secrets: Annotated[int, Field(ge=0)] | None = None
    image: Sha256 | Literal[""] = ""


class _Scanner(Part):
    uri: Annotated[str, Field(min_length=1, max_length=512)]
    version: Annotated[str, Field(max_length=128)] = ""
    db: _Database
    result: Annotated[list[_Result], Field(max_length=20_000)]
    annotations: _Looked


class _Times(Part):
    scan_started_on: AwareDatetime
    scan_finished_on: AwareDatetime


class _Vulns(Part):
    scanner: _Scanner
    metadata: _Times


def read(predicate: Mapping[str, Any], told: Told) -> Scan:
    """Return an in-toto vulns v0.2 predicate as facts, worst findings first. Raises Refused."""
    try:
        said = _Vulns.model_validate_json(json.dumps(predicate))
    except ValidationError as error:
        raise incomplete(error, "a complete vulns v0.2 predicate") from None
    times, looked = said.metadata, said.scanner.annotations
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
        scanner_image=looked.image,
        database=rfc3339(said.scanner.db.last_update),
        started=rfc3339(times.scan_started_on),
        finished=rfc3339(times.scan_finished_on),
        findings=found[: facts.MAX_FINDINGS],
        totals={word: n for word in SEVERITIES if (n := sum(f.severity == word for f in found))},
        suppressed=looked.suppressed,
        packages=looked.packages,
        os=looked.os,
        end_of_life=looked.end_of_life,
        ecosystems=looked.ecosystems,
        secrets=looked.secrets,
    )


def newest_in_full(evidence: list[facts.Evidence]) -> list[facts.Evidence]:
    """Return evidence without the findings of older scans; what those counted stays.

    With a scan each night the findings of all would soon be too many to keep in a decision.
    """
    newest: dict[_Series, facts.Evidence] = {}
    for each in evidence:
        if each.scan:
            newest[_series(each)] = max(newest.get(_series(each), each), each, key=_when)
    return [
        each if newest.get(_series(each), each) is each else _counted(each) for each in evidence
    ]


def _series(each: facts.Evidence) -> _Series:
    return each.identity, each.issuer, each.scan.scanner if each.scan else "", str(each.subjects)


def _when(each: facts.Evidence) -> tuple[str, str]:
    return each.scan.finished if each.scan else "", each.at


def _counted(each: facts.Evidence) -> facts.Evidence:
    scan = each.scan.model_copy(update={"findings": []}) if each.scan else None
    return each.model_copy(update={"scan": scan})


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
                "purl": each.purl,
                "published": rfc3339(each.published) if each.published else None,
                "severity": worst,
            }
        )
        for each in result.annotations
    ]
