"""What is a policy, and what is refused before anybody signs it."""

from collections.abc import Callable
from typing import Any

import pytest

from interlock.api import digests
from interlock.policy.parse import PolicyError, parse, policy_digest
from support.policies import documents, good_policy, ssh_line, targets

Documents = dict[str, Any]


def refusal(**changes: Any) -> str:
    with pytest.raises(PolicyError) as refused:
        good_policy(**changes)
    return str(refused.value)


def test_the_good_policy_is_read_whole() -> None:
    policy = good_policy(revocation_version=7)
    assert policy.namespaces.namespaces["line-4"].minimum_tier == "high"
    assert policy.tiers.tiers["safety"].known_author
    assert policy.revocation_version == 7
    assert policy.root_digest == digests.sha256(targets()["trusted_root.json"])


def test_the_digest_is_over_the_targets_bytes_without_revocations() -> None:
    files = targets()
    named = {name: digests.sha256(data) for name, data in files.items()}
    del named["revocations.yaml"]
    assert good_policy().digest == digests.of_value(named) == policy_digest(files)


def test_a_revocation_does_not_change_the_digest() -> None:
    listed = {"digests": [{"digest": "a" * 64, "reason": "leaks"}]}
    assert good_policy(revocations=listed).digest == good_policy().digest


def test_one_byte_of_any_other_target_changes_the_digest() -> None:
    comment = targets()["people.yaml"] + b"# reviewed\n"
    assert good_policy(people=comment).digest != good_policy().digest


@pytest.mark.parametrize("stem", sorted(documents()))
def test_a_missing_target_is_named(stem: str) -> None:
    assert f"the target {stem}." in (why := refusal(**{stem: None}))
    assert "is missing" in why


def test_an_unknown_target_is_named() -> None:
    with pytest.raises(PolicyError, match=r"the target 'more\.yaml' is unknown"):
        parse(targets() | {"more.yaml": b""}, 1)


@pytest.mark.parametrize("stem", sorted(set(documents()) - {"trusted_root"}))
def test_an_unknown_field_is_named(stem: str) -> None:
    why = refusal(**{stem: {"fieldOfTheFuture": True}})
    assert why.startswith(f"{stem}.yaml: fieldOfTheFuture:")


def test_strict_reading_is_used() -> None:
    assert refusal(tiers=b"tiers: {}\ntiers: {}\n").startswith(
        "tiers.yaml: line 2: the key 'tiers'"
    )
    assert refusal(trusted_root=b'{"a": 1, "a": 2}').startswith("trusted_root.json: the key 'a'")


def test_nothing_is_coerced() -> None:
    assert "knownAuthor" in refusal(tiers={"tiers": {"low": {"gates": [], "knownAuthor": "yes"}}})


def test_an_empty_file_is_no_policy() -> None:
    assert refusal(people=b"").startswith("people.yaml: the document:")


def test_a_trusted_root_is_known_by_its_media_type() -> None:
    assert "no Sigstore trusted root" in refusal(trusted_root={"mediaType": "text/html"})


def tiers(change: Documents) -> Documents:
    found = documents()["tiers"]
    found["tiers"]["high"] |= change
    return dict(found)


def test_a_gate_that_does_not_exist_is_refused() -> None:
    why = refusal(tiers=tiers({"gates": ["model-signature", "model-signatur", "change-approval"]}))
    assert "high: no gate is called model-signatur;" in why


@pytest.mark.parametrize(
    ("quorum", "role"),
    [
        ([{"role": "quality", "count": 3}], "quality"),
        ([{"role": "quality"}, {"role": "quality"}, {"role": "quality"}], "quality"),
        ([{"role": "nobody"}], "nobody"),
    ],
)
def test_a_quorum_that_nobody_can_fill_is_refused(quorum: list[Documents], role: str) -> None:
    why = refusal(tiers=tiers({"quorum": quorum}))
    assert why.startswith("tiers.yaml: high: the quorum asks for")
    assert f"of role {role}" in why


def test_one_person_with_two_roles_does_not_make_a_quorum_of_two() -> None:
    people = {"people": [person("quality-1", "quality", "ot-safety")]}
    assert "each counted for one role only" in refusal(people=people)


def test_a_person_without_a_key_fills_no_quorum() -> None:
    people = documents()["people"]
    people["people"][2]["keys"] = []
    assert "of role ot-safety and people.yaml has 0" in refusal(people=people)


@pytest.mark.parametrize("change", [{"quorum": []}, {"gates": ["grants"]}])
def test_approval_gate_and_quorum_go_together(change: Documents) -> None:
    assert "go together" in refusal(tiers=tiers(change))


def person(name: str, *roles: str, key: str = "") -> Documents:
    return {"id": name, "roles": list(roles), "keys": [{"ssh": ssh_line(key or name)}]}


@pytest.mark.parametrize(
    "second",
    [
        person("other", "quality", key="quality-1"),
        person("quality-1", "sre", key="other"),
        person("other", "sre") | {"emails": ["Quality-1@line-4.example"]},
    ],
    ids=["key", "id", "address"],
)
def test_one_human_being_has_one_entry(second: Documents) -> None:
    people = documents()["people"]
    people["people"].append(second)
    assert "is already in the entry of quality-1" in refusal(people=people)


def test_a_key_that_is_none_is_refused() -> None:
    people = documents()["people"]
    people["people"][0]["keys"] = [{"ssh": "ssh-ed25519 AAAA"}]
    assert refusal(people=people).startswith("people.yaml: quality-1:")


@pytest.mark.parametrize(
    "time", ["2026-11-20", "2026-02-30T00:00:00Z", "2026-11-20T14:02:00", "tomorrow"]
)
def test_a_time_that_is_none_is_refused(time: str) -> None:
    trust = documents()["trust"]
    trust["signers"][0]["notBefore"] = time
    assert "signers.0.notBefore" in refusal(trust=trust)


def test_an_end_before_the_beginning_is_refused() -> None:
    window = {"notBefore": "2026-02-01T00:00:00Z", "notAfter": "2026-01-01T00:00:00Z"}
    trust, people = documents()["trust"], documents()["people"]
    trust["signers"][0] |= window
    people["people"][0]["keys"][0] |= window
    signer = "trainer@line-4.example (https://oidc.example)"
    assert f"trust.yaml: {signer}: notAfter lies" in refusal(trust=trust)
    assert "people.yaml: quality-1: a key's notAfter lies" in refusal(people=people)


def namespaces(change: Callable[[Documents], None]) -> Documents:
    found = documents()["namespaces"]
    change(found["namespaces"]["line-4"])
    return dict(found)


def test_a_least_tier_that_is_not_defined_is_refused() -> None:
    found = documents()["tiers"]
    del found["tiers"]["high"]
    assert "line-4: minimumTier high is not in tiers.yaml" in refusal(tiers=found)


@pytest.mark.parametrize(
    ("field", "pattern"),
    [
        ("images", "*"),
        ("images", "registry.example*"),
        ("artifacts", "registry.example/*/models"),
        ("tools", "https://mes.line-4.svc*"),
        ("tools", "https://*"),
        ("tools", "https://*.svc/"),
        ("knowledge", ""),
    ],
)
def test_a_grant_that_leaves_more_open_than_it_says_is_refused(field: str, pattern: str) -> None:
    changed = namespaces(lambda found: found["grants"].update({field: [pattern]}))
    assert f"namespaces.yaml: line-4: grant {pattern!r}:" in refusal(namespaces=changed)


def test_a_short_ref_is_refused() -> None:
    changed = namespaces(lambda found: found["repositories"][0].update({"ref": "main"}))
    assert "ref 'main' must be whole" in refusal(namespaces=changed)
