"""A verifier that crashes, or that says nothing, has verified nothing (CVE-2026-44310)."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from interlock.api.facts import Findings, Unresolved
from interlock.api.values import Outcome
from interlock.evidence import approvals, sshsig
from interlock.evidence.approvalfile import Proofs
from interlock.evidence.findings import Gatherer
from interlock.evidence.statement import Refused
from interlock.gates import GATES, judge
from support import facts, policies
from support.approver import Desk, desk
from support.facts import CONTENT
from support.plant import plant
from support.policies import ssh_key
from support.signed import now, proofs
from support.sshkeys import envelope, statement

GOOD = envelope(statement("quality-1", "quality"), ssh_key("quality-1"))


def crash(*_: object) -> str:
    raise RuntimeError("segmentation fault")


def test_a_crash_while_a_signature_is_verified_is_no_approval(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sshsig, "verify", crash)
    with pytest.raises(RuntimeError):
        approvals.parse(GOOD, CONTENT, proofs())


async def test_the_job_of_a_crash_ends_as_an_error_and_never_as_findings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def surprise(*_: object) -> Any:
        crash()

    made = plant(monkeypatch, tmp_path)
    assert isinstance(await made.findings(), Findings)
    monkeypatch.setattr(Gatherer, "_approvals", surprise)
    assert isinstance(await made.findings(), Unresolved)


class Silent:
    """A verifier of bundles that answers with nothing."""

    def verify(self, bundle: bytes, now: object) -> Any:
        """Say nothing."""
        return None


def test_a_verifier_that_answers_nothing_has_verified_nothing() -> None:
    bundle = b'{"verificationMaterial": {}, "dsseEnvelope": {}}'
    with pytest.raises((AttributeError, Refused)):
        approvals.parse(bundle, CONTENT, Proofs(Silent(), now()))


@pytest.mark.parametrize("text", ["", "Good signature", "0"])
async def test_a_signing_program_that_ends_well_and_wrote_no_signature(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    team: Desk = desk(tmp_path, monkeypatch)
    key = str(team.key("quality-1"))
    line = tmp_path / "key-quality-1.pub"
    line.write_text(policies.ssh_line("quality-1"))
    _program(tmp_path / "bin", "ssh-keygen", f"printf '%s' '{text}'")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    assert team.run("approve", "--serving", "none", "--key", key) == 3
    assert await team.read() == ([], [])


def _program(folder: Path, name: str, body: str) -> None:
    folder.mkdir()
    (folder / name).write_text(f"#!/bin/sh\n{body}\n")
    (folder / name).chmod(0o755)


def test_a_gate_that_crashes_lets_nothing_through(monkeypatch: pytest.MonkeyPatch) -> None:
    broken: Callable[..., Any] = crash
    gates = [(name, broken if name == "change-approval" else gate) for name, gate in GATES]
    monkeypatch.setattr("interlock.gates.GATES", tuple(gates))
    results = judge(facts.good_facts(), policies.good_policy())
    found = {one.gate: one.outcome for one in results}
    assert found["change-approval"] is Outcome.ERROR
    assert not found["change-approval"].lets_through


@pytest.mark.parametrize("year", ["0999", "1999", "3000", "9999"])
def test_a_moment_of_another_age_keeps_nobody_else_from_being_heard(year: str) -> None:
    """One file by a stranger must not end the reading of all others, nor a gate's arithmetic."""
    said = statement("mallory", "quality", notBefore=f"{year}-12-31T23:59:59Z")
    with pytest.raises(Refused):
        approvals.parse(envelope(said, ssh_key("mallory")), CONTENT, proofs())
