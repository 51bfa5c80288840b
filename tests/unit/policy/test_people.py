"""One entry a human being: what is refused before anybody signs it, and who somebody is later."""

from datetime import UTC, datetime
from typing import Any

import pytest

from interlock.api.facts import ForgeAccount
from interlock.policy import Policy, queries
from interlock.policy.parse import PolicyError
from support.facts import keyless, quality, review
from support.policies import (
    BRIDGE,
    FORGE,
    ISSUER,
    documents,
    email,
    fingerprint,
    good_policy,
    known_everywhere,
    ssh_line,
)

Documents = dict[str, Any]
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def made(whole: Documents) -> Policy:
    return good_policy(**{name: whole[name] for name in ("people", "trust", "tiers", "freezes")})


def refusal(whole: Documents) -> str:
    with pytest.raises(PolicyError) as refused:
        made(whole)
    return str(refused.value)


def people(whole: Documents) -> list[Documents]:
    return list(whole["people"]["people"])


@pytest.mark.parametrize(
    ("field", "shown"),
    [
        ("identities", f"quality-1@line-4.example ({ISSUER})"),
        ("accounts", f"account 101 of {FORGE}"),
        ("users", "user quality-1@cluster"),
    ],
)
def test_nothing_that_makes_a_person_stands_in_two_entries(field: str, shown: str) -> None:
    whole = known_everywhere()
    people(whole)[0]["users"] = ["quality-1@cluster"]
    people(whole)[3][field] = people(whole)[0][field]
    assert f"people.yaml: {shown} of sre-1 is already in the entry of quality-1" in refusal(whole)


def test_the_same_number_at_another_forge_is_another_account() -> None:
    whole = known_everywhere()
    people(whole)[3]["accounts"] = [{"forge": "https://other.example", "id": 101}]
    assert made(whole)


def test_the_key_of_a_bridge_is_no_person_s() -> None:
    whole = known_everywhere()
    whole["trust"]["bridges"][0]["key"] = ssh_line("quality-1")
    assert "the key of the bridge to https://forge.example is quality-1's" in refusal(whole)


def test_a_bridge_s_key_is_a_key() -> None:
    whole = known_everywhere()
    whole["trust"]["bridges"][0]["key"] = "ssh-ed25519 AAAA"
    assert refusal(whole).startswith("trust.yaml: the bridge to https://forge.example:")


@pytest.mark.parametrize(
    "forge",
    [
        "http://forge.example",
        "https://forge.example/",
        "https://Forge.example",
        "https://forge.example:443",
        "https://forge.example:443/git",
        "https://user@forge.example",
        "https://forge.example?x",
        "forge.example",
    ],
)
def test_a_forge_has_one_spelling(forge: str) -> None:
    whole = known_everywhere()
    people(whole)[0]["accounts"][0]["forge"] = forge
    assert "people.0.accounts.0.forge" in refusal(whole)


@pytest.mark.parametrize("strengths", [[], ["signed", "spoken"]])
def test_strengths_are_those_that_there_are(strengths: list[str]) -> None:
    whole = known_everywhere()
    whole["tiers"]["tiers"]["high"]["strengths"] = strengths
    assert "tiers.high.strengths" in refusal(whole)


@pytest.mark.parametrize("strength", ["signed", "sigstore", "forge"])
def test_a_quorum_is_filled_by_people_who_can_approve_in_ways_that_count(strength: str) -> None:
    whole = known_everywhere()
    whole["tiers"]["tiers"]["high"]["strengths"] = [strength]
    assert made(whole)
    means = {"signed": "keys", "sigstore": "identities", "forge": "accounts"}
    people(whole)[2][means[strength]] = []
    assert "of role ot-safety and people.yaml has 0" in refusal(whole)


def test_an_account_of_a_forge_without_a_bridge_fills_no_quorum() -> None:
    whole = known_everywhere()
    whole["tiers"]["tiers"]["high"]["strengths"] = ["forge"]
    whole["trust"]["bridges"] = []
    assert "people.yaml has 0 with a key" in refusal(whole)


def test_a_dwell_that_outlasts_every_approval_is_refused() -> None:
    whole = documents()
    whole["tiers"]["tiers"]["high"] |= {"approvalMaxAge": "2h", "minimumDwell": "120m"}
    why = refusal(whole)
    assert why.startswith("tiers.yaml: high: approvals end after 2h, before the minimumDwell")


@pytest.mark.parametrize("entry", ["person", "bridge"])
def test_an_end_before_the_beginning_is_refused(entry: str) -> None:
    whole = known_everywhere()
    found = people(whole)[0] if entry == "person" else whole["trust"]["bridges"][0]
    found |= {"notBefore": "2026-02-01T00:00:00Z", "notAfter": "2026-01-01T00:00:00Z"}
    assert "notAfter lies before notBefore" in refusal(whole)


def freeze(**changes: Any) -> Documents:
    whole = documents()
    each = {
        "name": "weekend",
        "environments": ["production"],
        "schedule": "0 18 * * FRI",
        "duration": "60h",
        "timeZone": "Europe/Berlin",
        "reason": "nobody is there",
    }
    whole["freezes"]["freezes"] = [each | changes]
    return whole


def test_a_freeze_that_concerns_nobody_is_refused() -> None:
    assert made(freeze())
    assert "freezes.yaml: weekend: it concerns nobody" in refusal(freeze(environments=[]))


@pytest.mark.parametrize(
    ("said", "named"),
    [({"environments": ["prod"]}, "environment prod"), ({"namespaces": ["l4"]}, "namespace l4")],
)
def test_a_freeze_of_what_does_not_exist_is_refused(said: Documents, named: str) -> None:
    assert f"weekend: namespaces.yaml has no {named}" in refusal(freeze(**said))


def test_two_freezes_have_two_names() -> None:
    whole = freeze()
    whole["freezes"]["freezes"] *= 2
    assert "weekend: this name occurs twice" in refusal(whole)


def test_what_is_wrong_with_a_schedule_is_said() -> None:
    why = refusal(freeze(schedule="0 25 * * *"))
    assert why.startswith("freezes.yaml: freezes.0.schedule:")
    assert "'25' does not lie within 0 to 23" in why


def test_somebody_is_found_by_whatever_is_theirs() -> None:
    policy = made(known_everywhere())
    for approval in (quality(), keyless("quality-1", "quality"), review("quality-1", "quality")):
        found = queries.person_of(policy, approval, NOON)
        assert found is not None
        assert found.id == "quality-1"


def test_a_bridge_has_its_forge_alone() -> None:
    policy = made(known_everywhere())
    account = ForgeAccount(forge=FORGE, id=101)
    key = fingerprint(BRIDGE)
    assert queries.person_of_account(policy, account, key, NOON)
    elsewhere = ForgeAccount(forge="https://other.example", id=101)
    assert queries.person_of_account(policy, elsewhere, key, NOON) is None
    assert queries.person_of_account(policy, account, fingerprint("quality-1"), NOON) is None


def test_means_are_asked_for_a_moment_or_for_ever() -> None:
    whole = known_everywhere()
    people(whole)[0]["keys"][0]["notAfter"] = "2026-11-20T11:00:00Z"
    policy = made(whole)
    person = policy.people.people[0]
    assert queries.means(policy, person, ["signed"])
    assert not queries.means(policy, person, ["signed"], NOON)
    assert queries.means(policy, person, ["signed", "forge"], NOON)
    assert email("quality-1") == person.identities[0].identity
