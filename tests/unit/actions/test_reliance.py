"""What a decision rests on, and that what runs is cut when that is revoked, and not before."""

import json
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from interlock.actions import parse
from interlock.actions.observe import Observer
from interlock.actions.ports import InForce
from interlock.api.kinds.records import GateDecisionSpec
from interlock.api.observed import Revision, Use, Verdict
from interlock.api.values import Purpose
from support.facts import good_facts, image_signature, quality, scan_evidence
from support.policies import BUILDER, ISSUER, good_policy

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
MARK = "9f" * 32


def uses(*counted: str) -> set[tuple[str, str]]:
    outcome = SimpleNamespace(gate="any", outcome="PASS", evidence=list(counted))
    spec: Any = SimpleNamespace(outcomes=[outcome], facts=good_facts().canonical().decode())
    assert GateDecisionSpec.model_fields.keys() >= {"outcomes", "facts"}
    return {use[:2] for use in parse._uses(spec)}


def test_a_decision_rests_on_what_its_gates_counted() -> None:
    assert uses() == set()
    assert uses(image_signature().bundle) == {
        ("digest", image_signature().bundle),
        ("signer", BUILDER),
    }
    assert {kind for kind, _ in uses(scan_evidence().bundle)} == {"digest", "signer", "scanner"}
    assert uses(quality().envelope) == {
        ("digest", quality().envelope),
        ("key", quality().key),
        ("person", "quality-1"),
        ("approval", quality().nonce),
    }


def verdict(number: int, *rests: Use, said: Any = "Allowed", revision: str = "new") -> Verdict:
    return Verdict(
        name=f"{revision}-{number}",
        revision=revision,
        number=number,
        purpose=Purpose.PROMOTION,
        verdict=said,
        at=NOW,
        expires=None,
        inputs="",
        uses=rests,
    )


def revoked(*verdicts: Verdict, **lists: Any) -> dict[str, str]:
    """What an observer makes of two revisions, `new` and its fallback, and these decisions."""
    cache: Any = SimpleNamespace(of=lambda *_: {one.name: one for one in verdicts})
    parser: Any = SimpleNamespace(verdict=lambda obj: obj)
    observer = Observer(cache, parser, SimpleNamespace(), {})  # type: ignore[arg-type]
    new: Any = SimpleNamespace(parent="", marks=frozenset({MARK}))
    fallback: Any = SimpleNamespace(parent="new", marks=frozenset())
    revisions: dict[str, Revision] = {"new": new, "less": fallback}
    in_force = InForce(good_policy(revocations=lists), {}, fresh=True)
    return observer._revoked("home", in_force, revisions)


SIGNER = Use("signer", BUILDER, ISSUER, NOW)
STOLEN = {"signers": [{"identity": BUILDER, "issuer": ISSUER, "reason": "stolen"}]}


def test_what_rests_on_a_revoked_signer_is_revoked_and_its_fallback_too() -> None:
    assert revoked(verdict(1, SIGNER)) == {}
    found = revoked(verdict(1, SIGNER), **STOLEN)
    assert set(found) == {"new", "less"}
    assert "stolen" in found["new"]


@pytest.mark.parametrize(
    ("use", "lists"),
    [
        (Use("person", "quality-1"), {"persons": [{"person": "quality-1", "reason": "r"}]}),
        (Use("approval", "n1"), {"approvals": [{"nonce": "n1", "reason": "r"}]}),
        (Use("scanner", "u", at=NOW), {"scanners": [{"scanner": "u", "reason": "r"}]}),
        (Use("digest", "ab" * 32), {"digests": [{"digest": "ab" * 32, "reason": "r"}]}),
    ],
)
def test_so_is_what_rests_on_anything_else_that_is_revoked(use: Use, lists: Any) -> None:
    assert set(revoked(verdict(1, use), **lists)) == {"new", "less"}
    assert revoked(verdict(1), **lists) == {}


def test_a_revision_is_revoked_by_what_it_is_made_of() -> None:
    lists = {"digests": [{"digest": MARK, "reason": "leaks"}]}
    assert set(revoked(**lists)) == {"new", "less"}


def test_a_newer_decision_that_rests_on_something_else_lets_it_back() -> None:
    assert revoked(verdict(2), verdict(1, SIGNER), **STOLEN) == {}
    assert revoked(verdict(1), verdict(2, SIGNER), **STOLEN) != {}


@pytest.mark.parametrize("said", ["Blocked", "Waiting", "Error"])
def test_a_newer_decision_that_does_not_allow_changes_nothing(said: Any) -> None:
    """Else the refusal itself, which rests on nothing, would let it back."""
    assert revoked(verdict(1, SIGNER), verdict(2, said=said), **STOLEN) != {}
    assert json.loads(good_facts().canonical())["schema"] == "interlock.dev/facts/v1"
