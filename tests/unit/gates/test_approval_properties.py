"""What holds of approvals whatever people, slots and words there are."""

import json
from collections.abc import Iterator
from functools import cache
from itertools import permutations
from typing import Any

from hypothesis import event, given, settings
from hypothesis import strategies as st

from interlock.api import digests
from interlock.api.facts import Approval, Change, Involved
from interlock.api.values import Outcome
from interlock.gates.change_approval import evaluate
from interlock.policy import Policy, queries
from interlock.policy.model import Slot
from support.facts import (
    NAME,
    approval,
    change,
    good_facts,
    keyless,
    quality,
    review,
    safety,
    subject,
)
from support.policies import NAMESPACE, ROLES, good_policy, known_everywhere

PEOPLE = sorted(ROLES)
SOME_ROLES = ["quality", "ot-safety", "sre"]
ROLE = st.sampled_from(SOME_ROLES)
HELD = st.dictionaries(
    st.sampled_from(PEOPLE), st.frozensets(ROLE, min_size=1), min_size=2, max_size=5
)
SLOTS = st.lists(ROLE, min_size=1, max_size=3)


@settings(deadline=None)
@given(SLOTS, HELD)
def test_the_matching_fills_as_many_slots_as_any_seating_does(
    slots: list[str], held: dict[str, frozenset[str]]
) -> None:
    seats = [*held, *("" for _ in slots)]
    best = max(
        sum(role in held.get(person, ()) for role, person in zip(slots, order, strict=True))
        for order in permutations(seats, len(slots))
    )
    missing = queries.unfilled([Slot(role=role) for role in slots], held)
    assert len(slots) - len(missing) == best


@cache
def policy_of(slots: tuple[str, ...], held: tuple[tuple[str, frozenset[str]], ...]) -> Policy:
    """People in these roles, and a tier `high` with these slots that counts every strength."""
    whole = known_everywhere()
    for person in whole["people"]["people"]:
        person["roles"] = sorted(dict(held).get(person["id"], ()))
    good = good_policy(people=whole["people"], trust=whole["trust"], tiers=no_quorum())
    high = known_everywhere()["tiers"]["tiers"]["high"]
    asked = good.tiers.tiers["high"].model_copy(
        update={
            "quorum": [Slot(role=role) for role in slots],
            "gates": high["gates"],
            "strengths": high["strengths"],
        }
    )
    tiers = good.tiers.model_copy(update={"tiers": {**good.tiers.tiers, "high": asked}})
    return good.model_copy(update={"tiers": tiers})


def no_quorum() -> Any:
    return {"tiers": {name: {"gates": []} for name in ("low", "medium", "high", "safety")}}


WAYS = {"signed": approval, "sigstore": keyless, "forge": review}
WORD = st.tuples(
    st.sampled_from(sorted(WAYS)),
    st.sampled_from(PEOPLE),
    st.integers(0, 2),
    st.sampled_from(["approve"] * 8 + ["reject", "revoke"]),
    st.integers(0, 3),
)


def spoken(words: list[Any], held: dict[str, frozenset[str]]) -> list[Approval]:
    """The words, each in a role that its person holds, where they hold any."""
    said = []
    for number, (way, person, which, decision, minute) in enumerate(words):
        roles = sorted(held.get(person, SOME_ROLES))
        details = {"nonce": f"nonce-{number:020d}", "not_before": f"2026-11-20T11:0{minute}:00Z"}
        role = roles[which % len(roles)]
        said.append(WAYS[way](person, role, decision=decision, **details))
    return said


@settings(deadline=None)
@given(SLOTS, HELD, st.lists(WORD, min_size=1, max_size=9))
def test_no_quorum_is_filled_by_fewer_persons_than_slots(
    slots: list[str], held: dict[str, frozenset[str]], words: list[Any]
) -> None:
    policy = policy_of(tuple(slots), tuple(sorted(held.items())))
    said = spoken(words, held)
    result = evaluate(good_facts(approvals=said), policy)
    event(f"the quorum is {'full' if result.outcome is Outcome.PASS else 'not full'}")
    if result.outcome is Outcome.PASS:
        yes = {one.person for one in said if one.decision == "approve"} & set(held)
        no = {one.person for one in said if one.decision == "reject"} & set(held)
        assert len(yes - {"developer-1"}) >= len(slots)  # who is the author
        assert no <= yes, "a veto of somebody who never said yes"
        for role in slots:
            able = {person for person in yes - {"developer-1"} if role in held[person]}
            assert len(able) >= slots.count(role)


HANDS = st.lists(
    st.builds(
        Involved,
        kind=st.sampled_from(["signer", "author", "committer", "coauthor"]),
        id=st.one_of(
            st.sampled_from([f"{person}@line-4.example" for person in PEOPLE]),
            st.sampled_from([quality().key, safety().key, "SHA256:unknown"]),
            st.text(max_size=20),
        ),
    ),
    max_size=4,
)
UNPROVEN = st.sampled_from(
    [
        quality(key="SHA256:unknown", nonce="u" * 16),
        safety(key="SHA256:unknown", nonce="v" * 16),
        keyless("quality-1", "quality", issuer="https://oidc.evil.example"),
        review("ot-safety-1", "ot-safety", key="SHA256:unknown"),
        review("ot-safety-1", "ot-safety", account=None),
        approval("ot-safety-1", "ot-safety", key=quality().key, nonce="w" * 16),
        approval("sre-1", "ot-safety", nonce="x" * 16),
        approval("sre-1", "sre", key="SHA256:unknown", decision="reject", nonce="y" * 16),
        approval("sre-1", "sre", key="SHA256:unknown", decision="revoke", nonce="z" * 16),
    ]
)
GENUINE = st.lists(
    st.sampled_from(
        [
            quality(),
            safety(),
            keyless("quality-2", "quality"),
            review("quality-1", "quality"),
            approval("sre-1", "sre", decision="reject"),
            quality(decision="reject", not_before="2026-11-20T10:00:00Z", nonce="r" * 16),
        ]
    ),
    max_size=4,
    unique_by=lambda one: one.envelope,
)
EVERYWHERE = {name: known_everywhere()[name] for name in ("people", "trust", "tiers")}
POLICY = good_policy(**EVERYWHERE)


@settings(deadline=None)
@given(GENUINE, HANDS, HANDS, st.lists(UNPROVEN, max_size=4), st.integers(0, 3))
def test_what_nobody_signed_never_opens_the_gate(
    genuine: list[Approval],
    hands: list[Involved],
    more: list[Involved],
    unproven: list[Approval],
    unsigned: int,
) -> None:
    def judged(said: list[Approval], found: Change) -> Outcome:
        facts = good_facts(approvals=said, change=found)
        return evaluate(facts, POLICY).outcome

    before = judged(genuine, change(people=hands))
    after = judged([*genuine, *unproven], change(people=hands + more, unsigned=unsigned))
    if before is not Outcome.PASS:
        assert after is not Outcome.PASS


def one_byte_changed(text: bytes) -> Iterator[bytes]:
    """Yield the text with each byte changed in turn, in two ways, and with each left out."""
    for place in range(len(text)):
        head, here, tail = text[:place], text[place], text[place + 1 :]
        yield head + bytes([here ^ 1]) + tail
        yield head + bytes([here ^ 32]) + tail
        yield head + tail


def as_document(text: bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def test_any_byte_of_the_content_that_changes_leaves_it_without_approvals() -> None:
    good = subject()
    assert evaluate(good_facts(), good_policy()).outcome is Outcome.PASS
    facts, policy, tried = good_facts(), good_policy(), 0
    for text in one_byte_changed(digests.canonical(good.spec)):
        spec = as_document(text)
        if not isinstance(spec, dict) or spec.get("riskTier") != "high":
            continue
        tried += 1
        digest = digests.content(NAMESPACE, NAME, spec)
        assert digest != good.digest, text
        changed = good.model_copy(update={"spec": spec, "digest": digest})
        result = evaluate(facts.model_copy(update={"subject": changed}), policy)
        assert result.outcome is Outcome.WAIT, text
        assert result.message.startswith("0 of 2")
    assert tried > len(digests.canonical(good.spec))


def test_another_name_or_namespace_is_another_content() -> None:
    spec = subject().spec
    contents = {
        digests.content(namespace, name, spec)
        for namespace in (NAMESPACE, "lab")
        for name in (NAME, "other")
    }
    assert len(contents) == 4
