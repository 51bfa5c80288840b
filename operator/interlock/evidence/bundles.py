"""From bundles to evidence: what each verified statement says, strictly read and summarised.

A statement that a trusted signer made may still say too little: an OMS signature that leaves
paths out, a scan without its database's date. What cannot be read in full is denied, never
guessed. Who may say what is the gates' question.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from interlock.api import facts
from interlock.api.digests import ModelFile, sha256
from interlock.api.facts import Denied, Evidence, FileDifference, ModelSignature, Scan
from interlock.api.kinds.base import Hex64
from interlock.evidence.http import MAX_BLOB_BYTES, Blob, shown
from interlock.evidence.modeltree import MAX_FILES
from interlock.evidence.sigstore import MAX_SKEW, Refusal, SigstoreVerifier, Verified
from interlock.evidence.statement import Refused

SEVERITY_METHOD = "interlock.dev/severity"
SEVERITIES = ("CRITICAL", "HIGH", "UNKNOWN", "MEDIUM", "LOW")
"""Worst first; what nobody rated may be anything."""
UNSIGNED_PATHS = frozenset({"model.sig", ".git", ".gitattributes", ".github", ".gitignore"})
"""What OMS signers leave out by default. Such a file in the registry counts as unsigned."""


def read(
    blobs: Iterable[Blob], verifier: SigstoreVerifier, files: Sequence[ModelFile], now: datetime
) -> tuple[list[Evidence], list[Denied]]:
    """Return what the bundles prove and which prove nothing, each once, sorted by digest."""
    evidence: dict[str, Evidence] = {}
    denied: dict[str, Denied] = {}
    for blob in blobs:
        found = _one(blob, verifier, files, now)
        if isinstance(found, Evidence):
            evidence.setdefault(found.bundle, found)
        else:
            denied.setdefault(found.bundle, found)
    return [evidence[key] for key in sorted(evidence)], [denied[key] for key in sorted(denied)]


def _one(
    blob: Blob, verifier: SigstoreVerifier, files: Sequence[ModelFile], now: datetime
) -> Evidence | Denied:
    if blob.data is None:
        size = MAX_BLOB_BYTES >> 20
        got, expected = f"more than {size} MiB", f"at most {size} MiB"
        return _denied(blob, Refusal("TooLarge", got, expected))
    proven = verifier.verify(blob.data, now)
    if isinstance(proven, Refusal):
        return _denied(blob, proven)
    try:
        return _evidence(blob, proven, files)
    except Refused as refused:
        return _denied(blob, Refusal(refused.code, refused.got, refused.expected))


def _denied(blob: Blob, why: Refusal) -> Denied:
    return Denied(
        bundle=sha256(blob.data if blob.data is not None else blob.location.encode()),
        location=shown(blob.location, 512),
        code=why.code,
        got=shown(why.got, 512),
        expected=shown(why.expected, 512),
    )


def _evidence(blob: Blob, proven: Verified, files: Sequence[ModelFile]) -> Evidence:
    kind = proven.predicate_type
    return Evidence(
        bundle=sha256(blob.data or b""),
        location=shown(blob.location, 512),
        predicate_type=kind,
        subjects=list(proven.subjects),
        identity=proven.identity,
        issuer=proven.issuer,
        at=rfc3339(proven.at),
        extensions=dict(proven.extensions),
        model=model_signature(proven.predicate, files) if kind == facts.OMS else None,
        scan=scan(proven.predicate, proven.at) if kind == facts.VULNS else None,
    )


class _Part(BaseModel):
    """A piece of a foreign predicate. Unknown fields are ignored, as in-toto demands."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True, alias_generator=to_camel)


class _Serialization(_Part):
    model_config = ConfigDict(alias_generator=None)

    method: Literal["files"]
    hash_type: Literal["sha256"]
    allow_symlinks: Literal[False]
    ignore_paths: Annotated[list[str], Field(max_length=64)] = []


class _Resource(_Part):
    name: Annotated[str, Field(min_length=1, max_length=1024)]
    algorithm: Literal["sha256"]
    digest: Hex64


class _Oms(_Part):
    serialization: _Serialization
    resources: Annotated[list[_Resource], Field(min_length=1, max_length=MAX_FILES)]


def model_signature(predicate: Mapping[str, Any], files: Sequence[ModelFile]) -> ModelSignature:
    """Compare an OMS v1.0 predicate with the files that are there, one by one. Raises Refused.

    The statement's own digest is not used: it binds no file names (OMS spec 6.5.1).
    """
    try:
        said = _Oms.model_validate(predicate)
    except ValidationError as error:
        raise Refused("BadPredicate", _first(error), "an OMS v1.0 list of whole files") from None
    if extra := sorted(set(said.serialization.ignore_paths) - UNSIGNED_PATHS):
        expected = f"only {', '.join(sorted(UNSIGNED_PATHS))} left out"
        raise Refused("PathsLeftOut", f"{shown(extra[0], 80)!r} left out", expected)
    signed = {each.name: each.digest for each in said.resources}
    if len(signed) != len(said.resources):
        raise Refused("BadPredicate", "a file named twice", "each file once")
    return _compared(signed, {file.path: file.sha256 for file in files})


def _compared(signed: Mapping[str, str], there: Mapping[str, str]) -> ModelSignature:
    differs = [
        FileDifference(path=path, got=there[path], expected=signed[path])
        for path in sorted(signed.keys() & there.keys())
        if there[path] != signed[path]
    ]
    named = facts.MAX_FILES_NAMED
    return ModelSignature(
        files=len(there),
        differs=differs[:named],
        missing=sorted(shown(path) for path in signed.keys() - there.keys())[:named],
        unsigned=sorted(there.keys() - signed.keys())[:named],
    )


class _Severity(_Part):
    method: str
    score: str


class _Annotation(_Part):
    package: Annotated[str, Field(min_length=1, max_length=256)]
    installed: Annotated[str, Field(max_length=128)] = ""
    fixed: Annotated[str, Field(max_length=512)] = ""


class _Result(_Part):
    id: Annotated[str, Field(min_length=1, max_length=128)]
    severity: list[_Severity]
    annotations: Annotated[list[_Annotation], Field(min_length=1)]


class _Database(_Part):
    last_update: datetime


class _Counts(_Part):
    suppressed: Annotated[int, Field(ge=0)]
    packages: Annotated[int, Field(ge=0)]


class _Scanner(_Part):
    uri: Annotated[str, Field(min_length=1, max_length=512)]
    version: Annotated[str, Field(max_length=128)] = ""
    db: _Database
    result: Annotated[list[_Result], Field(max_length=20_000)]
    annotations: _Counts


class _Times(_Part):
    scan_started_on: datetime
    scan_finished_on: datetime


class _Vulns(_Part):
    scanner: _Scanner
    metadata: _Times


def scan(predicate: Mapping[str, Any], signed: datetime) -> Scan:
    """Return an in-toto vulns v0.2 predicate as facts, worst findings first. Raises Refused."""
    try:
        said = _Vulns.model_validate_json(json.dumps(predicate))
    except ValidationError as error:
        raise Refused("BadPredicate", _first(error), "a complete vulns v0.2 predicate") from None
    times = said.metadata
    moments = (said.scanner.db.last_update, times.scan_started_on, times.scan_finished_on)
    if any(moment.tzinfo is None for moment in moments):
        raise Refused("BadPredicate", "a time without its zone", "RFC 3339 times with a zone")
    if not times.scan_started_on <= times.scan_finished_on <= signed + MAX_SKEW:
        got = f"from {times.scan_started_on} to {times.scan_finished_on}"
        raise Refused("BadPredicate", got, f"a scan that ended before it was signed at {signed}")
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


def rfc3339(moment: datetime) -> str:
    """Return a moment as facts hold it: UTC, whole seconds."""
    return moment.astimezone(UTC).replace(microsecond=0).isoformat().replace("+00:00", "Z")


def _first(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return shown(f"{place}: {first['msg']}", 200)
