"""The signature is good, and it is nobody's: valid is not the same as known."""

import json
from typing import Any

import pytest

from interlock.api.values import GateResult, Outcome
from interlock.evidence import approvals
from interlock.evidence.approvalfile import FORGE_NAMESPACE
from interlock.evidence.statement import Refused
from interlock.gates import change_approval
from interlock_sandbox.sigstore import Recipe
from support import facts, policies
from support.facts import CONTENT
from support.policies import ISSUER, email, ssh_key
from support.signed import instance, proofs
from support.signedvotes import vote
from support.sshkeys import envelope, review, statement

SAFETY = vote("ot-safety-1", "ot-safety")
POLICY = policies.good_policy(**policies.known_everywhere())


def judge(first: Any) -> GateResult:
    return change_approval.evaluate(facts.good_facts(approvals=[first, SAFETY]), POLICY)


def by_identity(identity: str, issuer: str, **extensions: str) -> Any:
    """What the verifier reads of quality-1's approval, signed by an identity."""
    said = statement("quality-1", "quality", notAfter="2099-01-01T00:00:00Z")
    recipe = Recipe(identity=identity, issuer=issuer, extensions=extensions)
    data = instance().sign_statement(json.dumps(said).encode(), recipe)
    return approvals.parse(data, CONTENT, proofs())


def by_bridge(key: str, **changes: Any) -> Any:
    """What the verifier reads of quality-1's review, signed by somebody as its bridge."""
    data = envelope(
        review("quality-1", "quality", **changes), ssh_key(key), namespace=FORGE_NAMESPACE
    )
    return approvals.parse(data, CONTENT, proofs())


def test_those_who_are_known_count() -> None:
    assert judge(vote("quality-1", "quality")).outcome is Outcome.PASS
    assert judge(by_identity(email("quality-1"), ISSUER)).outcome is Outcome.PASS
    assert judge(by_bridge(policies.BRIDGE)).outcome is Outcome.PASS


@pytest.mark.parametrize("person", ["quality-1", "*", "quality-1,mallory", ""])
def test_a_strangers_key(person: str) -> None:
    """Whatever name stands in the statement: there is no list of principals to match patterns."""
    result = judge(vote(person, "quality", key="mallory", nonce="mallory-0123456789"))
    assert result.outcome is Outcome.WAIT
    assert "belongs to nobody in people.yaml now" in result.message


@pytest.mark.parametrize(
    ("identity", "issuer"),
    [
        (email("quality-1"), "https://login.mallory.example"),
        (email("quality-1").upper(), ISSUER),
        (f"{email('quality-1')}.mallory.example", ISSUER),
        (f"mallory+{email('quality-1')}", ISSUER),
        (email("quality-1"), f"{ISSUER}/"),
    ],
)
def test_an_identity_that_only_looks_like_a_known_one(identity: str, issuer: str) -> None:
    assert judge(by_identity(identity, issuer)).outcome is Outcome.WAIT


def test_a_build_that_runs_under_a_persons_name() -> None:
    """A certificate that says which workflow asked for it is a program's, whoever started it."""
    with pytest.raises(Refused, match="NotAPerson"):
        by_identity(email("quality-1"), ISSUER, build_trigger="workflow_dispatch")


def test_a_bridge_that_governance_does_not_name() -> None:
    assert judge(by_bridge("mallory")).outcome is Outcome.WAIT


def test_a_bridge_speaks_for_its_own_forge_only() -> None:
    forge = review("quality-1", "quality")["predicate"]["forge"]
    elsewhere = forge | {"url": "https://forge.mallory.example"}
    assert judge(by_bridge(policies.BRIDGE, forge=elsewhere)).outcome is Outcome.WAIT


def test_an_account_of_nobody_with_a_known_name() -> None:
    forge = review("quality-1", "quality")["predicate"]["forge"] | {"account": 999_999}
    assert forge["login"] == "quality-1"
    assert judge(by_bridge(policies.BRIDGE, forge=forge)).outcome is Outcome.WAIT


def test_an_identity_that_security_took_away() -> None:
    gone = {
        "identity": email("quality-1"),
        "issuer": ISSUER,
        "reason": "the account was taken over",
    }
    revocations = {"digests": [], "signers": [gone]}
    policy = policies.good_policy(**policies.known_everywhere() | {"revocations": revocations})
    found = [by_identity(email("quality-1"), ISSUER), SAFETY]
    result = change_approval.evaluate(facts.good_facts(approvals=found), policy)
    assert result.outcome is Outcome.WAIT
    assert "taken over" in result.message
