"""A file in the image tells the scanner what not to report.

Trivy reads `.trivyignore`, `trivy.yaml` and `trivy-secret.yaml` of its working directory, and lists
what it then leaves out only in `ExperimentalModifiedFindings`, and only where asked to.
"""

from typing import Any

import pytest

from interlock.api.reasons import Reason
from interlock.api.values import GateResult, Outcome, Purpose
from interlock.gates.vulnerability_scan import evaluate
from support.facts import good_facts, scan_evidence
from support.policies import allowance, documents, good_policy
from support.reports import HIDDEN, report, scanned, vulnerability


def judged(*results: dict[str, Any], **facts: Any) -> GateResult:
    evidence = scan_evidence(scan=scanned(report(*results)))
    return evaluate(good_facts(evidence=[evidence], **facts), good_policy())


def packages(**changes: Any) -> dict[str, Any]:
    return {"Class": "os-pkgs", "Type": "debian", "Packages": [{"Name": "libfoo"}]} | changes


def test_a_scan_without_anything_hidden_passes() -> None:
    assert judged(packages()).outcome is Outcome.PASS


@pytest.mark.parametrize("status", ["ignored", "unknown", "fixed", "not_affected", ""])
@pytest.mark.parametrize("purpose", Purpose)
def test_one_finding_that_was_left_out_is_one_too_many(status: str, purpose: Purpose) -> None:
    hidden = HIDDEN | {"Status": status, "Source": ".trivyignore"}
    result = judged(packages(ExperimentalModifiedFindings=[hidden]), purpose=purpose)
    assert result.reason is Reason.VULNERABLE
    assert "1 suppressed" in result.message


def test_it_counts_in_whatever_part_of_the_report_it_stands() -> None:
    secret = {"Class": "secret", "ExperimentalModifiedFindings": [HIDDEN, HIDDEN]}
    assert "2 suppressed" in judged(packages(), secret).message


def test_a_fault_that_is_shown_does_not_make_up_for_one_that_is_hidden() -> None:
    shown = packages(
        Vulnerabilities=[vulnerability(Severity="LOW")], ExperimentalModifiedFindings=[HIDDEN]
    )
    assert judged(shown).reason is Reason.VULNERABLE


def test_no_exception_and_no_limit_excuses_a_suppressed_finding() -> None:
    gates = documents()["gates"] | {"vulnerabilityScan": {"maximum": {}}}
    listed = {"roles": ["quality"], "exceptions": [allowance()]}
    hidden = packages(ExperimentalModifiedFindings=[HIDDEN])
    facts = good_facts(evidence=[scan_evidence(scan=scanned(report(hidden)))])
    result = evaluate(facts, good_policy(gates=gates, exceptions=listed))
    assert result.reason is Reason.VULNERABLE
