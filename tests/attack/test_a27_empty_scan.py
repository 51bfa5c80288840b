"""A scan that found nothing because it recognised nothing.

An operating system that the scanner does not know, no lockfile, a system without fixes, a list of
packages that was thrown away: each gives a report without a single finding.
"""

from typing import Any

import pytest

from interlock.api.reasons import Reason
from interlock.api.values import GateResult, Outcome, Purpose
from interlock.evidence.predicates import vulns
from interlock.evidence.predicates.base import Told
from interlock.evidence.statement import Refused
from interlock.gates.vulnerability_scan import evaluate
from support import signed
from support.facts import good_facts, scan_evidence
from support.policies import documents, good_policy
from support.reports import report, scanned

DEBIAN = {"Class": "os-pkgs", "Type": "debian", "Packages": [{"Name": "libfoo"}]}
KNOWN = {"OS": {"Family": "debian", "Name": "12.9"}}


def judged(*results: Any, purpose: Purpose = Purpose.PROMOTION, **metadata: Any) -> GateResult:
    said = scanned(report(*results, metadata=metadata))
    facts = good_facts(evidence=[scan_evidence(scan=said)], purpose=purpose)
    gates = documents()["gates"] | {"vulnerabilityScan": {"maximum": {}}}
    return evaluate(facts, good_policy(gates=gates))


def test_a_scan_of_packages_that_have_nothing_passes() -> None:
    assert judged(DEBIAN, **KNOWN).outcome is Outcome.PASS


@pytest.mark.parametrize(
    "results",
    [
        (),
        ({"Target": "app"},),
        ({"Class": "os-pkgs", "Type": "debian"},),
        ({"Class": "os-pkgs", "Type": "debian", "Packages": []},),
        ({"Class": "secret", "Secrets": []},),
        ({"Class": "lang-pkgs", "Type": "pip", "Packages": None, "Vulnerabilities": None},),
    ],
)
@pytest.mark.parametrize("metadata", [{}, KNOWN], ids=["unknown", "debian"])
@pytest.mark.parametrize("purpose", Purpose)
def test_a_scan_without_a_package_is_refused(
    results: tuple[dict[str, Any], ...], metadata: dict[str, Any], purpose: Purpose
) -> None:
    result = judged(*results, purpose=purpose, **metadata)
    assert result.reason is Reason.VULNERABLE
    assert "no package" in result.message


@pytest.mark.parametrize("purpose", Purpose)
def test_a_system_without_fixes_has_no_findings_to_show(purpose: Purpose) -> None:
    old = {"OS": {"Family": "debian", "Name": "9.13", "EOSL": True}}
    result = judged(DEBIAN, purpose=purpose, **old)
    assert result.reason is Reason.VULNERABLE
    assert result.message == "debian 9.13 gets no fixes any more"


@pytest.mark.parametrize("left_out", ["packages", "suppressed"])
def test_a_signed_scan_that_does_not_say_what_it_saw_is_none(left_out: str) -> None:
    said = signed.vulns()
    del said["scanner"]["annotations"][left_out]
    with pytest.raises(Refused, match=left_out):
        vulns.read(said, Told(signed.now(), ()))


def test_a_number_of_packages_of_no_known_kind_is_no_coverage() -> None:
    said = signed.vulns()
    for part in ("os", "ecosystems"):
        del said["scanner"]["annotations"][part]
    scan = vulns.read(said, Told(signed.now(), ())).model_copy(
        update={"scanner": scanned(report(DEBIAN)).scanner}
    )
    facts = good_facts(now=scan.finished, evidence=[scan_evidence(scan=scan)])
    result = evaluate(facts, good_policy())
    assert "no package that it knows" in result.message
