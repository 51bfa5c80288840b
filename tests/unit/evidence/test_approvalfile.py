"""Three kinds of files, one reading: what a person signed, with a key, an identity or a click."""

import datetime as dt
import json
from typing import Any

import pytest

from interlock.api import digests
from interlock.api.facts import AGENT_CONTENT, APPROVAL, ForgeAccount
from interlock.evidence import approvals
from interlock.evidence.approvalfile import FORGE_NAMESPACE, Proofs
from interlock.evidence.statement import Refused
from interlock_sandbox.sigstore import Instance, Recipe
from support.facts import CONTENT, NOW, at
from support.policies import BRIDGE, FORGE, account, fingerprint, ssh_key
from support.signed import instance, now, proofs, verifier
from support.sshkeys import envelope, review, statement

PERSON = Recipe(identity="quality-1@line-4.example", issuer="https://login.example")
REVIEW = review("quality-1", "quality")
SIGNS = ssh_key(BRIDGE)


def said(**changes: Any) -> dict[str, Any]:
    """What quality-1 says today."""
    today = now().replace(microsecond=0)
    times = {"notBefore": _z(today), "notAfter": _z(today + dt.timedelta(hours=8))}
    return statement("quality-1", "quality", **times | changes)


def _z(moment: dt.datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def bundle(statement: dict[str, Any], recipe: Recipe = PERSON) -> bytes:
    return instance().sign_statement(json.dumps(statement).encode(), recipe)


def forged(**changes: Any) -> dict[str, Any]:
    """The review with fields of `forge` changed."""
    predicate = REVIEW["predicate"]
    return REVIEW | {"predicate": predicate | {"forge": predicate["forge"] | changes}}


def test_a_bundle_of_a_persons_identity_is_an_approval() -> None:
    data = bundle(said(reason="reviewed", overrides=["year-end"]))
    found = approvals.parse(data, CONTENT, proofs())
    assert found.envelope == digests.sha256(data)
    assert (found.strength, found.key, found.account) == ("sigstore", "", None)
    assert (found.identity, found.issuer) == (PERSON.identity, PERSON.issuer)
    assert (found.person, found.role, found.subject) == ("quality-1", "quality", CONTENT)
    assert (found.overrides, found.reason) == (["year-end"], "reviewed")


def test_a_bridges_word_on_a_review_is_an_approval() -> None:
    data = envelope(REVIEW, SIGNS, namespace=FORGE_NAMESPACE)
    found = approvals.parse(data, CONTENT, proofs())
    assert (found.strength, found.key) == ("forge", fingerprint(BRIDGE))
    assert found.account == ForgeAccount(forge=FORGE, id=account("quality-1"))
    assert found.review == f"{FORGE} pull request 42, review 1001"
    assert (found.identity, found.not_before) == ("", at(NOW, hours=-1))


def test_a_persons_signature_says_of_no_forge() -> None:
    found = approvals.parse(
        envelope(statement("quality-1", "quality"), ssh_key("quality-1")), CONTENT, proofs()
    )
    assert (found.strength, found.account, found.review) == ("signed", None, "")


@pytest.mark.parametrize(
    "changes",
    [
        {"url": "http://git.example"},
        {"url": "https://git.example/"},
        {"url": "https://user@git.example"},
        {"account": "7"},
        {"account": 0},
        {"account": True},
        {"pull": -1},
        {"commit": "main"},
        {"commit": "c0" * 19},
        {"seen": "2026-11-20"},
        {"review": ""},
        {"official": True},
    ],
)
def test_a_review_that_says_too_little_or_too_much_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(Refused, match="Malformed"):
        approvals.parse(
            envelope(forged(**changes), SIGNS, namespace=FORGE_NAMESPACE), CONTENT, proofs()
        )


@pytest.mark.parametrize("decision", ["approve", "reject", "revoke"])
def test_a_forge_that_forgot_the_commit_may_say_no_and_not_yes(decision: str) -> None:
    said = forged(commit="")
    said["predicate"]["decision"] = decision
    data = envelope(said, SIGNS, namespace=FORGE_NAMESPACE)
    if decision == "approve":
        with pytest.raises(Refused, match="names the commit"):
            approvals.parse(data, CONTENT, proofs())
    else:
        assert approvals.parse(data, CONTENT, proofs()).decision == decision


def test_a_bundle_that_another_sigstore_made_is_refused() -> None:
    data = Instance.create("elsewhere.example").sign_statement(json.dumps(said()).encode(), PERSON)
    with pytest.raises(Refused):
        approvals.parse(data, CONTENT, proofs())


def test_a_bundle_about_another_content_is_refused() -> None:
    other = said() | {"subject": [{"name": AGENT_CONTENT, "digest": {"sha256": "ab" * 32}}]}
    with pytest.raises(Refused, match="WrongSubject"):
        approvals.parse(bundle(other), CONTENT, proofs())


@pytest.mark.parametrize(
    "changes",
    [
        {"predicateType": "https://slsa.dev/provenance/v1"},
        {"subject": [{"name": "model-tree", "digest": {"sha256": CONTENT}}]},
        {"subject": [{"name": AGENT_CONTENT, "digest": {"sha256": CONTENT}}] * 2},
    ],
)
def test_a_bundle_of_another_statement_is_refused(changes: dict[str, Any]) -> None:
    assert said()["predicateType"] == APPROVAL
    with pytest.raises(Refused, match="Malformed"):
        approvals.parse(bundle(said() | changes), CONTENT, proofs())


def test_a_bundle_that_was_signed_after_it_ended_is_refused() -> None:
    """Here the time of signing is a log's word, and not the signer's."""
    ended = said(notBefore=at(_z(now()), hours=-9), notAfter=at(_z(now()), hours=-1))
    with pytest.raises(Refused, match="Expired"):
        approvals.parse(bundle(ended), CONTENT, proofs())


def test_a_bundle_of_the_future_is_refused() -> None:
    data = bundle(said())
    with pytest.raises(Refused, match="FutureTime"):
        approvals.parse(data, CONTENT, Proofs(verifier(), now() - dt.timedelta(hours=1)))


def test_what_is_larger_than_a_file_may_be_is_refused() -> None:
    data = bundle(said(clusters=["c" * 500] * 64, reason="r" * 1000, ref="r" * 500))
    assert len(data) < approvals.MAX_BYTES
    with pytest.raises(Refused, match="Malformed"):
        approvals.parse(data + b" " * approvals.MAX_BYTES, CONTENT, proofs())
