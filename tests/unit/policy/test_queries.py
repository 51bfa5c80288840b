"""What a policy answers; above all, that it answers no where it knows nothing."""

import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.api import digests
from interlock.api.facts import Involved
from interlock.policy import queries, revocations
from interlock.policy.model import Slot
from support.policies import (
    APPROVALS,
    REPOSITORY,
    ROLES,
    documents,
    email,
    fingerprint,
    good_policy,
    ssh_line,
)

DAY = "2026-11-20T12:00:00Z"
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
POLICY = good_policy()


@pytest.mark.parametrize(
    ("name", "pattern", "covered"),
    [
        ("registry.example/agents/press", "registry.example/agents/press", True),
        ("registry.example/agents/press", "registry.example/agents/*", True),
        ("registry.example/agents/press", "registry.example/agents/pr*", True),
        ("registry.example/agents/a/b", "registry.example/agents/*", True),
        ("registry.example/agents", "registry.example/agents/*", False),
        ("registry.example/agents-evil/x", "registry.example/agents/*", False),
        ("registry.example/agents/../x", "registry.example/agents/*", False),
        ("registry.example/agents/./x", "registry.example/agents/*", False),
        ("registry.example/agents/%2e%2e/x", "registry.example/agents/*", False),
        ("registry.example/agents/..\\x", "registry.example/agents/*", False),
        ("registry.example.evil.example/agents/x", "registry.example*", False),
        ("registry.example:5000/agents/x", "registry.example*", False),
        ("evil.example/registry.example/agents/x", "registry.example/agents/*", False),
        ("registry.example/agents/x", "*", False),
        ("registry.example/agents/x", "registry.*/agents/x", False),
        ("registry.example/agents/x", "registry.*/agents/*", False),
        ("https://mes.svc:8443/orders", "https://mes.svc:8443/*", True),
        ("https://mes.svc:8443", "https://mes.svc:8443", True),
        ("https://mes.svc:8443.evil.example", "https://mes.svc:8443*", False),
        ("https://mes.svc:8443@evil.example/", "https://mes.svc:8443*", False),
        ("https://mes.svc:8443/../admin", "https://mes.svc:8443/*", False),
        ("default/press-scheduler", "default/press-*", True),
        ("other/press-scheduler", "default/*", False),
        ("manuals", "*", True),
        ("manuals", "man*", True),
        ("manuals", "manual", False),
        ("Manuals", "manuals", False),
        ("", "", False),
        ("", "*", False),
    ],
)
def test_grants_are_exact_or_end_in_a_star(name: str, pattern: str, covered: bool) -> None:
    assert queries.granted(name, [pattern]) is covered


@given(st.text(), st.lists(st.text()))
def test_any_name_is_judged(name: str, patterns: list[str]) -> None:
    assert queries.granted(name, patterns) in (True, False)


@pytest.mark.parametrize(
    ("reference", "repository"),
    [
        ("registry.example/agents/press", "registry.example/agents/press"),
        ("registry.example/agents/press:1.4", "registry.example/agents/press"),
        (f"registry.example/agents/press@sha256:{'0' * 64}", "registry.example/agents/press"),
        (f"registry.example:5000/a/b:1@sha256:{'0' * 64}", "registry.example:5000/a/b"),
        ("registry.example:5000/b", "registry.example:5000/b"),
    ],
)
def test_a_repository_has_neither_tag_nor_digest(reference: str, repository: str) -> None:
    assert queries.repository(reference) == repository


@pytest.mark.parametrize(
    ("namespace", "tier", "effective"),
    [
        ("line-4", "low", "high"),
        ("line-4", "high", "high"),
        ("line-4", "safety", "safety"),
        ("lab", "low", "low"),
        ("lab", "medium", "medium"),
        ("unknown", "high", ""),
        ("lab", "enormous", ""),
        ("lab", "", ""),
    ],
)
def test_the_higher_tier_counts(namespace: str, tier: str, effective: str) -> None:
    assert queries.effective_tier(POLICY, namespace, tier) == effective
    asked = queries.tier_policy(POLICY, namespace, tier)
    assert asked == (POLICY.tiers.tiers[effective] if effective else None)


def test_a_tier_that_is_not_defined_asks_for_nothing_and_is_none() -> None:
    tiers = documents()["tiers"]
    del tiers["tiers"]["safety"]
    assert queries.tier_policy(good_policy(tiers=tiers), "line-4", "safety") is None


def test_environment_of_a_namespace() -> None:
    assert queries.environment(POLICY, "line-4") == "production"
    assert queries.environment(POLICY, "elsewhere") == ""


@pytest.mark.parametrize(
    ("namespace", "url", "ref", "path", "found"),
    [
        ("line-4", REPOSITORY, "refs/heads/main", "agents", True),
        ("line-4", REPOSITORY, "refs/heads/main", "agents/press", True),
        ("line-4", REPOSITORY, "refs/heads/main", "agents-other", False),
        ("line-4", REPOSITORY, "refs/heads/main", "", False),
        ("line-4", REPOSITORY, "refs/heads/other", "agents", False),
        ("line-4", REPOSITORY + "x", "refs/heads/main", "agents", False),
        ("lab", REPOSITORY, "refs/heads/main", "agents", False),
        ("unknown", REPOSITORY, "refs/heads/main", "agents", False),
    ],
)
def test_sources_are_granted_exactly(
    namespace: str, url: str, ref: str, path: str, found: bool
) -> None:
    grant = queries.source_of(POLICY, namespace, url, ref, path)
    assert (grant.approvals if grant else None) == (APPROVALS if found else None)


def test_a_key_is_one_persons() -> None:
    for person in ROLES:
        found = queries.person_of_key(POLICY, fingerprint(person), NOON)
        assert found
        assert found.id == person
    assert queries.person_of_key(POLICY, fingerprint("stranger"), NOON) is None


@pytest.mark.parametrize(
    ("window", "valid"),
    [
        ({"notBefore": DAY, "notAfter": DAY}, True),
        ({"notBefore": "2026-11-20T12:00:01Z"}, False),
        ({"notAfter": "2026-11-20T11:59:59Z"}, False),
        ({"notAfter": "2026-11-20T12:30:00+01:00"}, False),
    ],
)
def test_a_key_counts_while_it_is_valid(window: dict[str, str], valid: bool) -> None:
    people = documents()["people"]
    people["people"][0]["keys"][0] |= window
    policy = good_policy(people=people)
    found = queries.person_of_key(policy, fingerprint("quality-1"), NOON)
    assert (found is not None) is valid
    signer = Involved(kind="signer", id=fingerprint("quality-1"))
    assert queries.person_involved(policy, signer), "an expired key still excludes"


def test_addresses_exclude_whatever_their_case() -> None:
    author = Involved(kind="author", id=email("developer-1").upper())
    found = queries.person_involved(POLICY, author)
    assert found
    assert found.id == "developer-1"
    assert queries.person_involved(POLICY, Involved(kind="author", id="x@evil.example")) is None


@pytest.mark.parametrize(
    ("quorum", "people", "missing"),
    [
        ([("a", 1)], {"p": "a"}, []),
        ([("a", 2)], {"p": "a"}, ["a"]),
        ([("a", 1), ("b", 1)], {"p": "ab"}, ["b"]),
        ([("a", 1), ("b", 1)], {"p": "ab", "q": "a"}, []),
        ([("b", 1), ("a", 1)], {"p": "ab", "q": "b"}, []),
        ([("a", 1), ("b", 1), ("c", 1)], {"p": "ab", "q": "bc", "r": "a"}, []),
        ([("a", 1)], {}, ["a"]),
        ([], {"p": "a"}, []),
    ],
)
def test_each_person_fills_one_slot(
    quorum: list[tuple[str, int]], people: dict[str, str], missing: list[str]
) -> None:
    slots = [Slot(role=role, count=count) for role, count in quorum]
    assert queries.unfilled(slots, people) == missing


def test_all_that_a_revision_is_made_of_can_be_revoked() -> None:
    spec = {
        "image": f"registry.example/agents/press:1@sha256:{'1' * 64}",
        "model": {
            "name": "press",
            "tree": f"sha256:{'2' * 64}",
            "volume": f"r/m@sha256:{'3' * 64}",
        },
        "prompts": [{"name": "system", "digest": f"sha256:{'4' * 64}"}],
        "tools": [{"name": "t", "schema": {"configMap": "c", "digest": f"sha256:{'5' * 64}"}}],
    }
    marks = queries.digests_of(spec, "c" * 64)
    assert {digit * 64 for digit in "12345c"} < marks
    for mark in marks:
        policy = good_policy(revocations={"digests": [{"digest": mark, "reason": "leaks"}]})
        said = revocations.why(policy.revocations, revocations.of_digests(marks))
        assert said.endswith("is revoked: leaks")


def test_revoking_the_behaviour_is_enough() -> None:
    spec = {"image": "registry.example/agents/press:1"}
    assert digests.behaviour(spec) in queries.digests_of(spec, "c" * 64)


def test_fingerprints_are_those_of_ssh_keygen(tmp_path: Path) -> None:
    file = tmp_path / "key.pub"
    file.write_text(ssh_line("quality-1"))
    shown = subprocess.run(
        ["ssh-keygen", "-l", "-f", str(file)], capture_output=True, text=True, check=True
    )
    assert shown.stdout.split()[1] == fingerprint("quality-1")


@pytest.mark.parametrize(
    "line",
    ["", "ssh-ed25519", "ssh-ed25519 !!!", "ssh-rsa AAAAC3NzaC1lZDI1NTE5", "no-pty ssh-rsa"],
)
def test_a_line_that_is_no_key_has_no_fingerprint(line: str) -> None:
    with pytest.raises(ValueError, match="key"):
        queries.ssh_fingerprint(line)
