"""The policy as the verifier gives it: verified once, never older, refused as a whole."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from interlock.api.facts import Unresolved
from interlock.bridge.governed import Electorate, Governance
from interlock.bridge.port import Hands
from interlock.evidence.http import SourceUnavailable
from interlock.policy.parse import parse
from support import policies
from support.forgetown import ACCOUNTS, FORGE, START, documents

METADATA = {"1.root.json": "e30="}


class Verifier:
    """Answers governance as it is told to, and keeps what it was asked."""

    def __init__(self, answer: bytes | Unresolved) -> None:
        self.answer = answer
        self.asked: list[Mapping[str, Any]] = []

    async def governance(self, request: Mapping[str, Any]) -> bytes | Unresolved:
        self.asked.append(request)
        return self.answer


def governance(answer: bytes | Unresolved) -> tuple[Governance, Verifier]:
    verifier: Any = Verifier(answer)
    return Governance(verifier), verifier


def answer(**changes: Any) -> bytes:
    targets = {name: data.decode() for name, data in policies.targets(**documents()).items()}
    whole = {
        "versions": {"revocations": 3},
        "expires": "2026-12-20T12:00:00Z",
        "targets": targets,
        "metadata": METADATA,
    }
    return json.dumps(whole | changes).encode()


async def test_what_was_verified_is_what_is_asked_with_next() -> None:
    made, verifier = governance(answer())
    found = await made.now()
    assert found.policy.revocation_version == 3
    await made.now()
    assert [one["metadata"] for one in verifier.asked] == [{}, METADATA]


@pytest.mark.parametrize(
    "said",
    [
        Unresolved(reason="PolicyStale", message="the timestamp has expired"),
        b"<html>",
        answer(targets={}),
        answer(versions={}),
    ],
)
async def test_without_a_policy_there_is_none(said: bytes | Unresolved) -> None:
    made, _ = governance(said)
    with pytest.raises(SourceUnavailable):
        await made.now()


def electorate(**changes: Any) -> Electorate:
    policy = parse(policies.targets(**documents() | changes), 1)
    key = policies.fingerprint("bridge")
    return Electorate(policy, FORGE, key, policy.tiers.tiers["high"], START)


def test_an_account_is_a_persons_at_this_forge_by_this_bridge() -> None:
    found = electorate().person(ACCOUNTS["quality-1"])
    assert found is not None
    assert found.id == "quality-1"
    assert electorate().person(0) is None
    assert electorate().person(-2) is None
    elsewhere = documents()["people"]
    elsewhere["people"][0]["accounts"][0]["forge"] = "https://other.example"
    assert electorate(people=elsewhere).person(ACCOUNTS["quality-1"]) is None
    no_bridge = documents()["trust"] | {"bridges": []}
    assert electorate(trust=no_bridge).person(ACCOUNTS["quality-1"]) is None


def test_a_person_who_left_has_no_account_and_is_still_excluded() -> None:
    people = documents()["people"]
    people["people"][0]["notAfter"] = "2026-11-01T00:00:00Z"
    made = electorate(people=people)
    assert made.person(ACCOUNTS["quality-1"]) is None
    assert made.touched(Hands(frozenset({ACCOUNTS["quality-1"]}))) == {"quality-1"}


def test_hands_are_known_by_number_and_by_address() -> None:
    hands = Hands(frozenset({ACCOUNTS["sre-1"], 999}), frozenset({"QUALITY-1@line-4.example"}))
    assert electorate().touched(hands) == {"sre-1", "quality-1"}


def test_the_roles_that_the_tier_asks_for_are_asked() -> None:
    assert electorate().asked == {"quality", "ot-safety"}
