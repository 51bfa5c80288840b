"""A14, A15: a pass of yesterday beside a fail of today, and a pass of long ago."""

import datetime as dt
from dataclasses import replace
from pathlib import Path

import pytest

from interlock.api.reasons import Reason
from support import plant, proofs, proven, signed
from support.plant import EVALUATOR, Plant
from support.proven import Proof


@pytest.fixture
def good(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Plant:
    return plant.plant(monkeypatch, tmp_path)


def evaluated(result: str, hours: float) -> Proof:
    proof = proven.honest()["evaluation"]
    proof.predicate = proofs.red_team(result=result)
    proof.signer = replace(EVALUATOR, time=signed.now() - dt.timedelta(hours=hours))
    return proof


async def test_a_newer_fail_beats_an_older_pass(good: Plant) -> None:
    results = await proven.judged(good, evaluated("PASSED", 5), evaluated("FAILED", 1))
    assert results["evaluation"].reason is Reason.EVALUATION_FAILED


async def test_an_old_pass_is_stale(good: Plant) -> None:
    results = await proven.judged(good, evaluated("PASSED", 721))
    assert results["evaluation"].reason is Reason.EVALUATION_STALE


async def test_a_failed_test_under_a_passed_result_is_a_fail(good: Plant) -> None:
    proof = evaluated("PASSED", 1)
    proof.predicate["failedTests"] = ["prompt-injection-7"]
    results = await proven.judged(good, proof)
    assert results["evaluation"].reason is Reason.EVALUATION_FAILED
    assert "prompt-injection-7" in results["evaluation"].message
