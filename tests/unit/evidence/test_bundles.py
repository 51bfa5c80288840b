"""From verified statements to facts: what is compared, what is counted, what is denied."""

import datetime as dt
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from interlock.api import facts
from interlock.api.digests import ModelFile, sha256
from interlock.api.facts import Denied, Evidence
from interlock.evidence import bundles
from interlock.evidence.http import Blob
from interlock.evidence.predicates import oms, vulns
from interlock.evidence.predicates.base import Told, rfc3339
from interlock.evidence.statement import Refused
from support import signed


def read(*data: bytes | None) -> tuple[list[Evidence], list[Denied]]:
    blobs = [Blob(f"test:{number}", each) for number, each in enumerate(data)]
    return bundles.read(blobs, signed.verifier(), signed.model_files(), signed.now())


def signature(predicate: dict[str, Any], files: Sequence[ModelFile]) -> facts.ModelSignature:
    return oms.read(predicate, Told(signed.now(), files))


def scan(predicate: dict[str, Any]) -> facts.Scan:
    return vulns.read(predicate, Told(signed.now(), ()))


def test_what_was_signed_and_is_there_is_the_same() -> None:
    bundle = signed.signed_model()
    (evidence,), denied = read(bundle)
    assert denied == []
    assert evidence.bundle == sha256(bundle)
    assert evidence.model == facts.ModelSignature(files=2)
    assert evidence.model.same
    assert evidence.scan is None


def test_a_bundle_found_twice_counts_once_and_all_are_sorted() -> None:
    one, two = signed.signed_model(), signed.signed_image()
    evidence, denied = read(two, one, two, b"", b"")
    assert [each.bundle for each in evidence] == sorted([sha256(one), sha256(two)])
    assert [each.bundle for each in denied] == [sha256(b"")]


def test_a_bundle_over_its_cap_is_denied_unread() -> None:
    _, (denied,) = read(None)
    assert (denied.code, denied.got) == ("TooLarge", "more than 4 MiB")


def test_a_location_is_shown_and_not_obeyed() -> None:
    _, (denied,) = bundles.read([Blob("x\x1b[31m", b"")], signed.verifier(), [], signed.now())
    assert denied.location == "x\\x1b[31m"


@pytest.mark.parametrize(
    "serialization",
    [
        {"method": "shards"},
        {"hash_type": "blake2b"},
        {"allow_symlinks": True},
        {"allow_symlinks": "false"},
    ],
)
def test_oms_other_than_whole_files_and_sha256_is_denied(serialization: dict[str, Any]) -> None:
    with pytest.raises(Refused) as refused:
        signature(signed.oms(**serialization), signed.model_files())
    assert refused.value.code == "BadPredicate"


def test_oms_may_leave_out_its_defaults_and_nothing_else() -> None:
    usual = signed.oms(ignore_paths=[".git", "model.sig"])
    assert signature(usual, signed.model_files()).same
    with pytest.raises(Refused, match=r"'weights\.safetensors' left out") as refused:
        signature(signed.oms(ignore_paths=["weights.safetensors"]), signed.model_files())
    assert refused.value.code == "PathsLeftOut"


@pytest.mark.parametrize(
    "change",
    [
        lambda said: said["resources"].append(said["resources"][0]),
        lambda said: said["resources"].clear(),
        lambda said: said["resources"][0].update(algorithm="sha512"),
        lambda said: said["resources"][0].update(digest="A" * 64),
        lambda said: said.pop("serialization"),
    ],
)
def test_oms_lists_each_file_once_with_its_sha256(change: Callable[[Any], object]) -> None:
    said = signed.oms()
    change(said)
    with pytest.raises(Refused):
        signature(said, signed.model_files())


def test_differences_are_named_up_to_a_number() -> None:
    there = signed.model_files({f"{n:03}": b"x" for n in range(50)})
    compared = signature(signed.oms(), there)
    assert compared.missing == ["MLmodel", "weights.safetensors"]
    assert compared.unsigned == [f"{n:03}" for n in range(facts.MAX_FILES_NAMED)]
    assert not compared.same


def test_a_scan_lists_the_worst_first_and_counts_all() -> None:
    found = [(f"CVE-2026-{n:04}", "LOW") for n in range(600)]
    said = scan(signed.vulns(*found, ("CVE-2026-9999", "CRITICAL"), ("CVE-2026-9998", "odd")))
    assert said.totals == {"CRITICAL": 1, "LOW": 600, "UNKNOWN": 1}
    assert len(said.findings) == facts.MAX_FINDINGS
    first = said.findings[0]
    assert (first.id, first.package, first.fixed) == ("CVE-2026-9999", "libfoo", "1.1")
    assert said.findings[1].severity == "UNKNOWN"
    assert (said.packages, said.suppressed) == (12, 0)


def test_a_vulnerability_that_nobody_rated_is_unknown_and_the_worst_rating_counts() -> None:
    said = signed.vulns(("CVE-1", "LOW"), ("CVE-2", "LOW"))
    said["scanner"]["result"][0]["severity"] = [{"method": "cvss", "score": "9.8"}]
    said["scanner"]["result"][1]["severity"].append(
        {"method": "interlock.dev/severity", "score": "HIGH"}
    )
    assert scan(said).totals == {"UNKNOWN": 1, "HIGH": 1}


def test_a_rating_by_another_method_is_none_of_ours() -> None:
    said = signed.vulns(("CVE-1", "LOW"))
    said["scanner"]["result"][0]["severity"][0]["method"] = "somebody.example/severity"
    assert scan(said).totals == {"UNKNOWN": 1}


def test_a_system_has_fixes_unless_the_scanner_says_that_it_has_none() -> None:
    assert not scan(signed.vulns()).end_of_life


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("scanner", "db"), None),
        (("scanner", "db", "lastUpdate"), "2026-01-01T00:00:00"),
        (("scanner", "db", "lastUpdate"), "yesterday"),
        (("scanner", "uri"), ""),
        (("scanner", "result"), {}),
        (("scanner", "annotations"), {"packages": 3}),
        (("scanner", "annotations"), {"packages": 3, "suppressed": -1}),
        (("scanner", "annotations", "secrets"), -1),
        (("scanner", "annotations", "image"), "registry.example/trivy:latest"),
        (("scanner", "annotations", "endOfLife"), "no"),
        (("scanner", "annotations", "ecosystems"), ["x"] * 17),
        (("metadata", "scanFinishedOn"), "2020-01-01T00:00:00Z"),
        (("metadata", "scanStartedOn"), None),
    ],
)
def test_an_incomplete_scan_is_none(path: tuple[str, ...], value: object) -> None:
    said = signed.vulns()
    inner = said
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    with pytest.raises(Refused) as refused:
        scan(said)
    assert refused.value.code == "BadPredicate"


def test_a_scan_cannot_have_ended_after_it_was_signed() -> None:
    with pytest.raises(Refused, match="before it was signed"):
        scan(signed.vulns(finished=signed.now() + dt.timedelta(hours=1)))


def test_times_are_whole_seconds_in_utc() -> None:
    zone = dt.timezone(dt.timedelta(hours=2))
    moment = dt.datetime(2026, 1, 1, 12, 0, 0, 999, tzinfo=zone)
    assert rfc3339(moment) == "2026-01-01T10:00:00Z"


def test_of_a_scanners_scans_the_newest_keeps_its_findings_and_the_others_their_counts() -> None:
    moment = signed.now()
    found = [("CVE-2026-1234", "HIGH"), ("CVE-2026-1235", "LOW")]
    blobs = []
    for hours in (1, 30, 2):
        said = signed.vulns(*found, finished=moment - dt.timedelta(hours=hours))
        blobs.append(signed.signed(facts.VULNS, said, {"oci-manifest": signed.IMAGE}))
    proofs, denied = read(*blobs)
    assert denied == []
    named = {each.scan.finished: len(each.scan.findings) for each in proofs if each.scan}
    assert [named[key] for key in sorted(named)] == [0, 0, 2]
    assert [each.scan.totals for each in proofs if each.scan] == [{"HIGH": 1, "LOW": 1}] * 3


def test_scans_by_others_or_of_something_else_are_kept_whole() -> None:
    said = signed.vulns(("CVE-2026-1234", "HIGH"))
    other = signed.vulns(("CVE-2026-1234", "HIGH"))
    other["scanner"]["uri"] = "https://other.example"
    blobs = [
        signed.signed(facts.VULNS, said, {"oci-manifest": signed.IMAGE}),
        signed.signed(facts.VULNS, said, {"oci-manifest": "b" * 64}),
        signed.signed(facts.VULNS, other, {"oci-manifest": signed.IMAGE}),
    ]
    proofs, _ = read(*blobs)
    assert [len(each.scan.findings) for each in proofs if each.scan] == [1, 1, 1]
