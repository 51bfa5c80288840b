"""A Trivy report becomes a predicate that the operator's own parser takes as it was meant."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from interlock.evidence.predicates import vulns
from interlock.evidence.predicates.base import Told
from interlock_pipelines import scan
from interlock_pipelines.errors import BadInput

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)
UPDATED = datetime(2026, 11, 20, 6, tzinfo=UTC)
MANIFEST, CONFIG = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"


def vulnerability(**changes: Any) -> dict[str, Any]:
    whole = {
        "VulnerabilityID": "CVE-2026-1234",
        "PkgName": "libfoo",
        "InstalledVersion": "1.0",
        "FixedVersion": "1.1",
        "Severity": "HIGH",
    }
    return whole | changes


def document(*found: dict[str, Any], **changes: Any) -> dict[str, Any]:
    whole = {
        "SchemaVersion": 2,
        "Trivy": {"Version": "0.74.0"},
        "CreatedAt": "2026-11-20T09:12:31.402118735+01:00",
        "Metadata": {"ImageID": CONFIG, "RepoDigests": [f"registry.example/a@{MANIFEST}"]},
        "Results": [{"Packages": [{"Name": "libfoo"}] * 3, "Vulnerabilities": list(found)}],
    }
    return whole | changes


def predicate(*found: dict[str, Any], **changes: Any) -> dict[str, Any]:
    report = scan.parse_report(document(*found, **changes), "report.json")
    return scan.predicate(report, UPDATED, NOW)


def test_times_versions_and_counts_are_those_of_the_report() -> None:
    facts = vulns.read(predicate(vulnerability()), Told(NOW, ()))
    assert facts.scanner == "pkg:golang/github.com/aquasecurity/trivy@v0.74.0"
    assert facts.scanner_version == "0.74.0"
    assert (facts.started, facts.finished) == ("2026-11-20T08:12:31Z",) * 2
    assert facts.database == "2026-11-20T06:00:00Z"
    assert (facts.packages, facts.suppressed) == (3, 0)


def test_each_package_is_named_with_its_own_severity_and_fix() -> None:
    facts = vulns.read(
        predicate(
            vulnerability(Severity="LOW"),
            vulnerability(PkgName="libbar", Severity="CRITICAL", FixedVersion="2.0"),
            vulnerability(PkgName="libbaz", Severity="CRITICAL", FixedVersion=""),
        ),
        Told(NOW, ()),
    )
    assert [(f.package, f.severity, f.fixed) for f in facts.findings] == [
        ("libbar", "CRITICAL", "2.0"),
        ("libbaz", "CRITICAL", ""),
        ("libfoo", "LOW", "1.1"),
    ]


@pytest.mark.parametrize("severity", ["", "NEGLIGIBLE", "UNKNOWN"])
def test_what_nobody_rated_is_unknown(severity: str) -> None:
    facts = vulns.read(predicate(vulnerability(Severity=severity)), Told(NOW, ()))
    assert facts.totals == {"UNKNOWN": 1}


def test_suppressed_findings_are_counted() -> None:
    hidden: list[dict[str, Any]] = [{"Packages": [{}], "ExperimentalModifiedFindings": [{}, {}]}]
    assert vulns.read(predicate(Results=hidden), Told(NOW, ())).suppressed == 2


@pytest.mark.parametrize("results", [None, [], [{"Target": "x"}], [{"Packages": None}]])
def test_a_scan_that_saw_nothing_says_so(results: Any) -> None:
    facts = vulns.read(predicate(Results=results), Told(NOW, ()))
    assert (facts.packages, facts.findings) == (0, [])


def test_what_the_scan_saw_is_said() -> None:
    results: list[dict[str, Any]] = [
        {"Class": "os-pkgs", "Type": "debian", "Packages": [{}, {}]},
        {"Class": "lang-pkgs", "Type": "pip", "Packages": [{}]},
        {"Class": "lang-pkgs", "Type": "npm"},
        {"Class": "secret", "Secrets": [{"RuleID": "aws"}, {"RuleID": "github-pat"}]},
    ]
    system = {"OS": {"Family": "debian", "Name": "9.13", "EOSL": True}}
    facts = vulns.read(predicate(Results=results, Metadata=system), Told(NOW, ()))
    assert (facts.packages, facts.secrets) == (3, 2)
    assert (facts.os, facts.end_of_life) == ("debian 9.13", True)
    assert facts.ecosystems == ["debian", "pip"]


def test_an_image_without_a_system_has_none() -> None:
    facts = vulns.read(predicate(), Told(NOW, ()))
    assert (facts.os, facts.end_of_life, facts.secrets) == ("", False, 0)
    assert facts.scanner_image == ""


def test_the_scanner_s_image_is_said_by_who_ran_it() -> None:
    report = scan.parse_report(document(), "report.json")
    said = scan.predicate(report, UPDATED, NOW, scanner_image=MANIFEST)
    assert vulns.read(said, Told(NOW, ())).scanner_image == MANIFEST


def test_a_finding_has_its_package_url_and_its_date() -> None:
    found = vulnerability(
        PkgIdentifier={"PURL": "pkg:deb/debian/libfoo@1.0?arch=amd64"},
        PublishedDate="2026-11-01T12:15:08.65Z",
    )
    (finding,) = vulns.read(predicate(found), Told(NOW, ())).findings
    assert finding.purl == "pkg:deb/debian/libfoo@1.0?arch=amd64"
    assert finding.published == "2026-11-01T12:15:08Z"


@pytest.mark.parametrize("date", ["", "soon", "2026-11-01", "0001-01-01T00:00:00+14:00", None])
def test_a_date_that_is_none_is_left_out(date: Any) -> None:
    (finding,) = vulns.read(predicate(vulnerability(PublishedDate=date)), Told(NOW, ())).findings
    assert finding.published is None


def test_long_texts_are_cut_to_what_a_reader_takes() -> None:
    long = vulnerability(PkgName="p" * 900, InstalledVersion="i" * 900, FixedVersion="f" * 900)
    (finding,) = vulns.read(predicate(long), Told(NOW, ())).findings
    assert (len(finding.package), len(finding.installed), len(finding.fixed)) == (256, 128, 512)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"SchemaVersion": 1}, "SchemaVersion 1, expected 2"),
        ({"CreatedAt": "2026-11-20T09:00:00"}, "it has no zone"),
        ({"CreatedAt": "yesterday"}, "CreatedAt of report.json is 'yesterday'"),
        ({"Trivy": None}, "no Trivy report"),
        ({"Results": [7]}, "Results are not Trivy's"),
        ({"Results": [{"Vulnerabilities": [{}]}]}, "Results are not Trivy's"),
    ],
)
def test_another_document_is_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        predicate(**change)


@pytest.mark.parametrize("value", [[], "text", None, {}])
def test_what_is_no_report_is_refused(value: Any) -> None:
    with pytest.raises(BadInput, match="no Trivy report"):
        scan.parse_report(value, "report.json")


def test_a_report_from_the_future_is_refused() -> None:
    late = (NOW + timedelta(minutes=2)).isoformat()
    with pytest.raises(BadInput, match="Set the scanner's clock"):
        predicate(CreatedAt=late)


def test_a_report_is_about_the_image_that_its_digests_name() -> None:
    report = scan.parse_report(document(), "report.json")
    scan.check_about(report, MANIFEST, "sha256:other")
    scan.check_about(report, "sha256:other", CONFIG)
    with pytest.raises(BadInput, match="Scan this image"):
        scan.check_about(report, "sha256:other", "sha256:other")


@pytest.mark.parametrize("metadata", [None, [], {}, {"RepoDigests": ["registry.example/a"]}])
def test_a_report_about_no_image_is_about_none(metadata: Any) -> None:
    report = scan.parse_report(document(Metadata=metadata), "report.json")
    for config in ("", "None"):
        with pytest.raises(BadInput, match="Scan this image"):
            scan.check_about(report, MANIFEST, config)


def test_a_file_that_is_not_json_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    file.write_text("<html>")
    with pytest.raises(BadInput, match="--format json"):
        scan.read_report(file)
    file.write_text(json.dumps(document()))
    assert scan.read_report(file).version == "0.74.0"
