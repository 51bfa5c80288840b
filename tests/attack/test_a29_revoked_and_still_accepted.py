"""What security revoked counts nothing, by whatever way it comes back.

A bundle that is revoked by its digest has another digest with a space in it: what it says is
revoked, then. Everything here is signed well, in its time, by those who might.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from interlock.api.facts import Findings
from interlock.api.reasons import Reason
from interlock.api.values import Outcome, Purpose
from interlock.gates import change_approval
from interlock_sandbox.sigstore import Recipe
from support import managed, plant, policies
from support.facts import good_facts, quality, safety
from support.plant import Plant
from support.policies import fingerprint, good_policy

KEY = managed.release()
TRUST = policies.documents()["trust"] | {
    "signers": [
        *policies.documents()["trust"]["signers"],
        {"role": "builder", "key": managed.pem(KEY)},
    ]
}


@pytest.fixture
def good(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Plant:
    return plant.plant(monkeypatch, tmp_path)


def listed(name: str, **entry: Any) -> dict[str, Any]:
    return {name: [entry | {"reason": "stolen"}]}


async def reasons(good: Plant, revocations: dict[str, Any], gate: str) -> tuple[Reason, Reason]:
    judged = await good.judged(revocations=revocations, trust=TRUST)
    return judged[gate].reason, judged["revocation"].reason


async def test_a_revoked_bundle_comes_back_with_a_space_in_it(good: Plant) -> None:
    found = await good.findings()
    assert isinstance(found, Findings)
    (mine,) = (each for each in found.evidence if each.identity == policies.BUILDER)
    assert mine.bundle == hashlib.sha256(good.image_bundles[0]).hexdigest()
    by_bundle = listed("digests", digest=mine.bundle)
    assert await reasons(good, by_bundle, "image-signature") == (Reason.REVOKED, Reason.REVOKED)
    good.image_bundles[0] = json.dumps(json.loads(good.image_bundles[0]), indent=1).encode()
    by_statement = listed("digests", digest=mine.statement)
    assert await reasons(good, by_bundle, "image-signature") == (Reason.PASSED, Reason.PASSED)
    assert await reasons(good, by_statement, "image-signature") == (Reason.REVOKED, Reason.REVOKED)


@pytest.mark.parametrize("since", [None, "2026-01-01T00:00:00Z"])
async def test_a_revoked_signer(good: Plant, since: str | None) -> None:
    entry = {"identity": policies.BUILDER, "issuer": policies.ISSUER}
    entry |= {"since": since} if since else {}
    revoked = await reasons(good, listed("signers", **entry), "image-signature")
    assert revoked == (Reason.REVOKED, Reason.REVOKED)


async def test_a_revoked_key(good: Plant) -> None:
    good.image_bundles[0] = plant.image_signature(Recipe(managed=KEY))
    identity = next(s.shown for s in good_policy(trust=TRUST).trust.signers if s.key)
    assert await reasons(good, {}, "image-signature") == (Reason.PASSED, Reason.PASSED)
    revoked = await reasons(
        good, listed("keys", key=identity.removeprefix("key:")), "image-signature"
    )
    assert revoked == (Reason.REVOKED, Reason.REVOKED)


async def test_a_revoked_scanner(good: Plant) -> None:
    revoked = listed("scanners", scanner=policies.SCANNER_URI)
    assert await reasons(good, revoked, "vulnerability-scan") == (Reason.REVOKED, Reason.REVOKED)


@pytest.mark.parametrize("purpose", Purpose)
@pytest.mark.parametrize(
    "revocation",
    [
        listed("persons", person="quality-1"),
        listed("keys", key=fingerprint("quality-1")),
        listed("approvals", nonce=quality().nonce),
        listed("digests", digest=quality().envelope),
    ],
    ids=["person", "key", "approval", "envelope"],
)
def test_a_revoked_approval_leaves_its_place_open(
    revocation: dict[str, Any], purpose: Purpose
) -> None:
    facts = good_facts(purpose=purpose)
    assert change_approval.evaluate(facts, good_policy()).outcome is Outcome.PASS
    result = change_approval.evaluate(facts, good_policy(revocations=revocation))
    assert (result.outcome, result.reason) == (Outcome.WAIT, Reason.APPROVAL_MISSING)
    assert "is revoked: stolen" in result.message


def test_a_revoked_approval_comes_back_in_another_envelope() -> None:
    """The envelope can be written anew; the nonce in it is signed."""
    again = good_facts(approvals=[quality(envelope="e0" * 32), safety()])
    by_nonce = good_policy(revocations=listed("approvals", nonce=quality().nonce))
    assert change_approval.evaluate(again, by_nonce).outcome is Outcome.WAIT


def test_the_objection_of_a_revoked_person_stops_nobody() -> None:
    facts = good_facts(approvals=[quality(), safety(), quality(decision="reject", nonce="n" * 16)])
    policy = good_policy(revocations=listed("approvals", nonce="n" * 16))
    assert change_approval.evaluate(facts, good_policy()).outcome is Outcome.FAIL
    assert change_approval.evaluate(facts, policy).outcome is Outcome.PASS
