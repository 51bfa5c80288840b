"""A VEX document that nobody verified says that the findings do no harm.

Trivy applies VEX documents from a registry or a repository without looking at any signature
(`--vex oci`). What a scan left out on such a word is refused; Interlock applies its own exceptions,
which governance signed, to what the scan found.
"""

from typing import Any

import pytest

from interlock.api.reasons import Reason
from interlock.api.values import GateResult, Outcome
from interlock.gates.vulnerability_scan import evaluate
from support.facts import good_facts, scan_evidence
from support.policies import allowance, good_policy
from support.reports import HIDDEN, report, scanned, vulnerability

EXCEPTED = {"roles": ["quality"], "exceptions": [allowance()]}


def judged(result: dict[str, Any], **policy: Any) -> GateResult:
    whole = {"Class": "os-pkgs", "Type": "debian", "Packages": [{"Name": "libfoo"}]} | result
    facts = good_facts(evidence=[scan_evidence(scan=scanned(report(whole)))])
    return evaluate(facts, good_policy(**policy))


@pytest.mark.parametrize("source", ["OpenVEX", "CycloneDX VEX", "CSAF VEX", "VEX attestation"])
@pytest.mark.parametrize("status", ["not_affected", "fixed", "under_investigation"])
def test_what_vex_hid_is_counted_and_refused(source: str, status: str) -> None:
    hidden = HIDDEN | {"Type": "vulnerability", "Status": status, "Source": source}
    result = judged({"ExperimentalModifiedFindings": [hidden]})
    assert result.reason is Reason.VULNERABLE
    assert "1 suppressed" in result.message


def test_the_same_word_by_governance_counts_if_the_scan_shows_the_finding() -> None:
    shown = {"Vulnerabilities": [vulnerability()]}
    assert judged(shown).reason is Reason.VULNERABLE
    result = judged(shown, exceptions=EXCEPTED)
    assert result.outcome is Outcome.PASS
    assert "1 by exception" in result.message


def test_and_does_not_count_if_the_scan_hides_it() -> None:
    hidden = {"ExperimentalModifiedFindings": [HIDDEN]}
    assert judged(hidden, exceptions=EXCEPTED).reason is Reason.VULNERABLE
