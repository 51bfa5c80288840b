"""Approvers collude, or approve whatever comes without reading it.

No rule can tell: each signature is genuine. Roles are apart, nobody approves their own change, a
tier's minimum dwell leaves others the time to object (each tested where it is built); and the log
shows to an auditor who approves how.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from interlock.api import names
from interlock.audit.chain import Chain
from interlock.audit.follower import Follower
from interlock.audit.records import Keyring, Signer
from interlock.audit.reviews import Reviewer, reviewers
from interlock.cli import exits
from interlock.cli.main import interlock
from interlock.gates import judge
from support.facts import NOW, approval, at, good_facts, subject
from support.policies import NAMESPACE, good_policy

SIGNER = Signer(Ed25519PrivateKey.from_private_bytes(b"r" * 32))
PAIR = (("quality-1", "quality"), ("ot-safety-1", "ot-safety"))
POLICY = good_policy()


def decision(number: int, *words: dict[str, Any], minutes: float = 0) -> dict[str, Any]:
    """A decision on the `number`th content, made so long after noon; each word is an approval."""
    judged = subject(env={"N": str(number)})
    said = [
        approval(**{"subject": judged.digest, "nonce": f"nonce-{number:08d}-{n:08d}"} | word)
        for n, word in enumerate(words)
    ]
    facts = good_facts(subject=judged, approvals=said, now=at(NOW, minutes=minutes))
    outcomes = [
        {"gate": one.gate, "outcome": one.outcome.value, "evidence": list(one.evidence)}
        for one in judge(facts, POLICY)
    ]
    return {
        "agent": {"namespace": NAMESPACE, "name": "press-scheduler", "uid": "u"},
        "digest": judged.digest,
        "purpose": "promotion",
        "outcomes": outcomes,
        "facts": facts.canonical().decode(),
        "number": number,
        "revision": f"press-scheduler-{judged.digest[:10]}",
        "at": facts.now,
    }


def stamped(number: int, seconds: int) -> Iterator[dict[str, Any]]:
    """A content that is judged, and approved by the pair so many seconds later."""
    yield decision(number)
    when = {"not_before": at(NOW, seconds=seconds)}
    both = ({"person": person, "role": role} | when for person, role in PAIR)
    yield decision(number, *both, minutes=10)


def habits(*found: dict[str, Any]) -> dict[str, Reviewer]:
    return {one.person: one for one in reviewers(found)}


def test_who_waves_everything_through_stands_out() -> None:
    found = [spec for number in range(40) for spec in stamped(number, seconds=20)]
    careful = {"person": "quality-2", "role": "quality", "not_before": at(NOW, minutes=9)}
    found += [decision(99), decision(99, careful, minutes=10)]
    by = habits(*found)
    assert by["quality-1"] == Reviewer(
        person="quality-1",
        approvals=40,
        rejections=0,
        busiest=40,
        median_seconds=20,
        quick=40,
        mostly_with="ot-safety-1",
        together=40,
    )
    assert (by["quality-2"].quick, by["quality-2"].median_seconds) == (0, 540)
    assert by["quality-2"].mostly_with == ""


def test_a_word_counts_once_however_often_it_was_judged() -> None:
    words = {"person": "quality-1", "role": "quality"}
    found = habits(*(decision(1, words, minutes=n) for n in range(5)))["quality-1"]
    assert (found.approvals, found.busiest) == (1, 1)


def test_approvals_before_the_first_judgement_have_no_wait() -> None:
    early = {"person": "quality-1", "role": "quality"}  # an hour before
    assert habits(decision(1, early))["quality-1"].median_seconds is None


def test_a_no_is_counted_as_one() -> None:
    no = {"person": "sre-1", "role": "sre", "decision": "reject"}
    found = habits(decision(1, no))["sre-1"]
    assert (found.approvals, found.rejections) == (0, 1)


def test_words_in_somebody_s_name_are_nobody_s() -> None:
    """Or whoever may push could make an honest person look bad."""
    forged = {"person": "quality-1", "role": "quality", "key": "SHA256:unknown"}
    genuine = {"person": "ot-safety-1", "role": "ot-safety"}
    assert habits(decision(1, forged)) == {}
    assert habits(decision(1, forged, genuine)).keys() == {"ot-safety-1"}


@pytest.fixture
async def log(tmp_path: Path) -> Path:
    chain = Chain.open(tmp_path / "records.jsonl")
    found = [spec for number in range(3) for spec in stamped(number, seconds=20)]
    objects = [("GateDecision", _object(number, spec)) for number, spec in enumerate(found)]
    keyring, now = Keyring([SIGNER.public]), datetime(2026, 11, 20, 13, tzinfo=UTC)
    assert await Follower(chain, keyring, lambda: now).catch_up(objects) == 6
    chain.close()
    pem = SIGNER.public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "public.pem").write_bytes(pem)
    return tmp_path / "records.jsonl"


def _object(number: int, spec: dict[str, Any]) -> dict[str, Any]:
    spec = spec | {"number": number}
    meta = {
        "namespace": names.agent_namespace(NAMESPACE, "press-scheduler"),
        "name": names.decision_name(spec["revision"], number),
        "uid": f"decision-{number}",
        "creationTimestamp": NOW,
    }
    return {"metadata": meta, "spec": SIGNER.sign("GateDecision", spec)}


def run(log: Path, *more: str) -> int:
    key = ["--public-key", str(log.with_name("public.pem"))]
    return exits.main(interlock, "interlock", ["audit", "reviews", str(log), *key, *more])


def test_the_auditor_sees_it_in_the_log(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(log) == exits.OK
    head, first, second = capsys.readouterr().out.splitlines()
    assert head.split("   ")[0] == "PERSON"
    assert first.split() == ["ot-safety-1", "3", "0", "3", "0:00:20", "3", "quality-1", "(3)"]
    assert second.split()[0] == "quality-1"
    assert run(log, "-o", "json") == exits.OK
    assert json.loads(capsys.readouterr().out)[0]["quick"] == 3


def test_of_a_log_that_was_touched_nothing_is_counted(
    log: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log.write_bytes(log.read_bytes().replace(b"quality-1", b"quality-2"))
    assert run(log) == exits.USAGE
    assert "is not intact" in capsys.readouterr().err
