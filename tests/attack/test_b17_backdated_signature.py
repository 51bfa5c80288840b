"""Signed today with a key that ended yesterday, and dated the day before: our clock decides."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest

from interlock.api.values import GateResult, Outcome
from interlock.evidence import approvals
from interlock.evidence.statement import Refused
from interlock.gates import change_approval
from interlock_sandbox.sigstore import Recipe
from support import facts, policies
from support.facts import CONTENT, NOW, at
from support.gitrepos import Repo, mirror
from support.policies import ISSUER, email, ssh_key
from support.signed import instance, now, proofs
from support.signedvotes import vote
from support.sshkeys import envelope, statement

BACK = {"notBefore": at(NOW, days=-2), "notAfter": at(NOW, days=30)}
SAFETY = vote("ot-safety-1", "ot-safety")
REF = approvals.ref_of(CONTENT)


def judge(found: list[Any], **fields: str) -> GateResult:
    """The verdict where quality-1's key has these fields."""
    documents = policies.documents()
    documents["people"]["people"][0]["keys"][0] |= fields
    policy = policies.good_policy(people=documents["people"])
    return change_approval.evaluate(facts.good_facts(approvals=found), policy)


@pytest.mark.parametrize(
    "validity", [{"notAfter": at(NOW, days=-1)}, {"notBefore": at(NOW, days=1)}]
)
def test_the_date_in_the_statement_revives_no_key(validity: dict[str, str]) -> None:
    dated = vote("quality-1", "quality", **BACK)
    assert judge([dated, SAFETY]).outcome is Outcome.PASS
    result = judge([dated, SAFETY], **validity)
    assert result.outcome is Outcome.WAIT
    assert "belongs to nobody in people.yaml now" in result.message


async def test_the_date_of_a_commit_revives_nothing(tmp_path: Path) -> None:
    """`git verify-commit` takes its time from the commit (gpg-interface.c): here nobody asks it."""
    repo = Repo(tmp_path / "approvals.git")
    said = envelope(statement("quality-1", "quality"), ssh_key("quality-1"))
    old = "2024-01-01T00:00:00Z"
    files = {"a.dsse.json": said}
    repo.commit(files, ref=REF, GIT_AUTHOR_DATE=old, GIT_COMMITTER_DATE=old)
    mine = mirror(tmp_path / "mirror.git")
    await mine.fetch(repo.url, {REF: REF})
    found, _ = await approvals.read(mine, CONTENT, proofs())
    result = judge([*found, SAFETY], notAfter=at(NOW, days=-1))
    assert result.outcome is Outcome.WAIT


def test_a_validity_without_end_ends_with_the_tiers_patience() -> None:
    forever = vote("quality-1", "quality", notBefore=at(NOW, days=-4), notAfter=at(NOW, days=900))
    assert "expired" in judge([forever, SAFETY]).message


def test_an_identity_without_a_key_cannot_backdate_at_all() -> None:
    """A certificate lives for minutes, and a log saw when it signed."""
    today = now()
    times = {"notBefore": _z(today, days=-9), "notAfter": _z(today, days=-8)}
    said = json.dumps(statement("quality-1", "quality", **times)).encode()
    who = Recipe(identity=email("quality-1"), issuer=ISSUER)
    with pytest.raises(Refused, match="Expired"):
        approvals.parse(instance().sign_statement(said, who), CONTENT, proofs())


def _z(moment: dt.datetime, **delta: float) -> str:
    return (moment + dt.timedelta(**delta)).strftime("%Y-%m-%dT%H:%M:%SZ")
