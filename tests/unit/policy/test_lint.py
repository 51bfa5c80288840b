"""What a policy that may be signed will not do, said with the reason before anybody waits."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from interlock.policy.lint import lint
from support import policies
from support.policies import NAMESPACE, documents, good_policy, known_everywhere, ssh_line

Documents = dict[str, Any]
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
PAST = "2026-11-20T11:00:00Z"


def sound() -> Documents:
    """A policy of which nothing is to be said."""
    whole = known_everywhere()
    for role in ("quality", "ot-safety"):
        for number in (7, 8):
            name = f"{role}-{number}"
            keys = [{"ssh": ssh_line(name)}]
            whole["people"]["people"].append({"id": name, "roles": [role], "keys": keys})
    for tier in whole["tiers"]["tiers"].values():
        tier["strengths"] = ["signed", "sigstore", "forge"]
    lab = whole["namespaces"]["namespaces"]["lab"]
    repository = {"url": "https://git.example/lab.git", "approvals": policies.APPROVALS}
    lab["repositories"] = [repository]
    return whole


def said(change: Callable[[Documents], Any] = lambda _: None) -> list[str]:
    whole = sound()
    change(whole)
    return lint(good_policy(**whole), NOON)


def high(**changes: Any) -> Callable[[Documents], None]:
    return lambda whole: whole["tiers"]["tiers"]["high"].update(changes)


def person(number: int, **changes: Any) -> Callable[[Documents], None]:
    return lambda whole: whole["people"]["people"][number].update(changes)


def freeze(**changes: Any) -> Callable[[Documents], None]:
    each = {
        "name": "weekend",
        "environments": ["production"],
        "schedule": "0 18 * * FRI",
        "duration": "60h",
        "timeZone": "Europe/Berlin",
        "reason": "nobody is there",
        "overrideRole": "sre",
    }
    return lambda whole: whole["freezes"].update({"freezes": [each | changes]})


def test_of_a_sound_policy_nothing_is_said() -> None:
    assert said() == []
    assert said(freeze()) == []


def leave(whole: Documents, *roles: str) -> None:
    """Everybody with one of these roles has left."""
    for one in whole["people"]["people"]:
        if set(roles) & set(one["roles"]):
            one["notAfter"] = PAST


def test_a_quorum_of_people_who_left_is_never_filled() -> None:
    found = said(lambda whole: leave(whole, "ot-safety"))
    assert any(
        each.startswith("tiers.yaml: high: nobody can fill the quorum now: ot-safety")
        for each in found
    )
    assert f"people.yaml: ot-safety-1: ended {PAST}; nothing of theirs counts" in found


def test_a_quorum_of_revoked_people_is_never_filled() -> None:
    def revoke(whole: Documents) -> None:
        names = [one["id"] for one in whole["people"]["people"] if "ot-safety" in one["roles"]]
        listed = [{"person": name, "reason": "stolen keys"} for name in names]
        whole["revocations"]["persons"] = listed

    assert "tiers.yaml: high: nobody can fill the quorum now: ot-safety" in said(revoke)[0]


def test_who_can_never_be_an_author_is_named() -> None:
    found = lint(good_policy(), NOON)
    assert found[0] == (
        "tiers.yaml: high: changes that ot-safety-1 took part in can never be approved, as authors "
        "do not count and nobody stands in; add people with the role"
    )


def test_reviews_that_no_bridge_brings_are_said() -> None:
    found = said(lambda whole: whole["trust"]["bridges"][0].update(notAfter=PAST))
    assert any("high: strengths names forge, and trust.yaml has no bridge" in one for one in found)
    assert f"trust.yaml: the bridge to https://forge.example ended {PAST}" in found


@pytest.mark.parametrize(
    "change",
    [
        {"notAfter": PAST},
        {"compromisedSince": PAST},
        {"predicateTypes": ["https://slsa.dev/provenance/v1"]},
    ],
)
def test_evidence_that_nobody_may_sign_is_said(change: Documents) -> None:
    found = said(lambda whole: whole["trust"]["signers"][1].update(change))
    assert (
        "tiers.yaml: high: image-signature can never pass: trust.yaml has no builder who may sign "
        "https://sigstore.dev/cosign/sign/v1 now; add one, or drop the gate"
    ) in found


def test_a_scan_without_scanners_is_said() -> None:
    found = said(lambda whole: whole["trust"].update(scanners=[]))
    assert "tiers.yaml: low: vulnerability-scan can never pass: scanners is empty" in found


@pytest.mark.parametrize(
    ("change", "less"),
    [
        ({"gates": policies.GATES[1:]}, "the gates grants"),
        ({"quorum": [{"role": "ot-safety"}]}, "1 of quality in the quorum"),
        ({"strengths": ["forge"]}, ""),
        ({"approvalMaxAge": "73h"}, "an approvalMaxAge of 72h"),
        ({"breakGlass": {"allowed": True}}, "it allows break-glass"),
    ],
)
def test_a_higher_tier_that_asks_for_less_is_said(change: Documents, less: str) -> None:
    found = [one for one in said(high(**change)) if one.startswith("tiers.yaml: high asks")]
    assert found == ([f"tiers.yaml: high asks for less than medium: {less}"] if less else [])


def test_what_the_next_tier_does_not_ask_is_said_of_the_next_tier() -> None:
    found = said(high(knownAuthor=True, minimumDwell="1h"))
    assert found == [
        "tiers.yaml: safety asks for less than high: a minimumDwell of 1h",
    ]


def test_a_weaker_word_in_a_higher_tier_is_said() -> None:
    def change(whole: Documents) -> None:
        whole["tiers"]["tiers"]["medium"]["strengths"] = ["signed"]

    assert said(change) == [
        "tiers.yaml: high asks for less than medium: it counts approvals made as sigstore, forge, "
        "too"
    ]


def test_an_environment_is_compared_where_it_differs() -> None:
    def change(whole: Documents) -> None:
        whole["tiers"]["environments"] = {"test": {"high": {"gates": policies.GATES[:2]}}}

    found = said(change)
    assert [one.partition(" asks")[0] for one in found] == ["tiers.yaml: test: high"] * 2


def test_what_an_environment_leaves_as_it_is_is_said_once() -> None:
    def change(whole: Documents) -> None:
        high(approvalMaxAge="73h")(whole)
        whole["tiers"]["environments"] = {"test": {"low": {"gates": ["vulnerability-scan"]}}}

    found = [one for one in said(change) if "approvalMaxAge" in one]
    assert found == ["tiers.yaml: high asks for less than medium: an approvalMaxAge of 72h"]


def test_a_namespace_in_which_nothing_can_run_is_said() -> None:
    def change(whole: Documents) -> None:
        spaces = whole["namespaces"]["namespaces"]
        spaces["lab"]["grants"], spaces["lab"]["repositories"] = {}, []
        del whole["tiers"]["tiers"]["safety"]

    assert said(change) == [
        f"namespaces.yaml: {NAMESPACE}: a manifest may ask for tier safety, not in tiers.yaml; "
        "add them",
        "namespaces.yaml: lab: no image is granted, so nothing can run; grant one",
        "namespaces.yaml: lab: a manifest may ask for tier safety, not in tiers.yaml; add them",
        "namespaces.yaml: lab: the tiers medium, high ask for approvals, and without a repository "
        "no change has an author or a place for them; name one",
    ]


@pytest.mark.parametrize(
    "always",
    [
        {"schedule": "0 0 * * *", "duration": "25h"},
        {"schedule": "0 0 1 1 *", "duration": "8784h"},
    ],
)
def test_a_freeze_without_end_is_said(always: Documents) -> None:
    assert said(freeze(**always)) == [
        "freezes.yaml: line-4 is frozen for a year and longer by weekend; leave gaps"
    ]


def test_windows_that_allow_within_one_that_denies_are_said() -> None:
    def change(whole: Documents) -> None:
        freeze(schedule="0 0 * * MON", duration="24h")(whole)
        monday = dict(whole["freezes"]["freezes"][0], name="monday", kind="allow")
        whole["freezes"]["freezes"].append(monday)

    assert said(change) == [
        "freezes.yaml: line-4 is frozen for a year and longer by weekend, monday; leave gaps"
    ]


def test_a_role_that_nobody_holds_lifts_no_freeze() -> None:
    assert said(freeze(overrideRole="plant-manager")) == [
        "freezes.yaml: weekend: nobody holds the overrideRole plant-manager"
    ]


def test_glass_that_nobody_can_break_is_said() -> None:
    def change(whole: Documents) -> None:
        for tier in ("high", "safety"):
            whole["tiers"]["tiers"][tier]["breakGlass"] = {"allowed": True, "ratifyWithin": None}
        whole["tiers"]["tiers"]["medium"]["breakGlass"] = {"allowed": True}
        whole["tiers"]["tiers"]["low"]["breakGlass"] = {"allowed": True}
        person(3, users=["sre-1@cluster"])(whole)

    assert said(change) == [
        f"tiers.yaml: {tier}: breakGlass needs 2 persons, and people.yaml has 1 with users; "
        "nobody can break the glass"
        for tier in ("high", "safety")
    ]


def test_entries_that_have_ended_are_said() -> None:
    def change(whole: Documents) -> None:
        person(3, accounts=[{"forge": "https://gone.example", "id": 5}])(whole)
        whole["people"]["people"][3]["keys"][0]["notAfter"] = PAST
        ended = policies.allowance(created="2026-11-01T00:00:00Z", expires=PAST)
        whole["exceptions"] = {"roles": ["quality"], "exceptions": [ended]}

    assert said(change) == [
        f"people.yaml: sre-1: a key ended {PAST}; it counts nothing",
        "people.yaml: sre-1: trust.yaml has no bridge to https://gone.example; the account is idle",
        f"exceptions.yaml: CVE-2026-1234 in pkg:deb/debian/libfoo ended {PAST}",
    ]


def test_nothing_of_a_sound_policy_is_lost_on_the_way() -> None:
    assert documents().keys() == sound().keys()
