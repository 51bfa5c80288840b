"""The trusted root is one signed target of governance: nobody swaps it, or brings an old one back.

CVE-2022-29173: a client took a root that was rolled back on disk; others never checked the one that
they had cached.
"""

import shutil
from pathlib import Path

import pytest

from interlock.api.facts import Findings, Unresolved
from interlock.cli import tufrepo
from interlock.evidence.governance import GovernanceRefused
from interlock.policy.parse import PolicyError, parse
from interlock_sandbox.sigstore import Instance
from support import plant
from support.govrepo import GovRepo, govrepo
from support.plant import Plant
from support.policies import good_policy

MALLORY = Instance.create("sigstore.mallory.example").trusted_root()


@pytest.fixture
def repo(tmp_path: Path) -> GovRepo:
    return govrepo(tmp_path)


@pytest.fixture
def good(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Plant:
    return plant.plant(monkeypatch, tmp_path)


def test_a_root_put_into_the_tree_is_not_the_one_that_was_signed(repo: GovRepo) -> None:
    repo.signed_copy("trusted_root.json").write_bytes(MALLORY)
    with pytest.raises(GovernanceRefused):
        repo.load()


def test_an_older_root_is_not_taken_back(repo: GovRepo) -> None:
    old = repo.copy("old")
    repo.edit("trusted_root.json", MALLORY)
    tufrepo.sign(repo.directory, repo.keys)
    seen = repo.load()
    assert seen.targets["trusted_root.json"] == MALLORY
    shutil.copytree(old.directory / "targets", repo.directory / "targets", dirs_exist_ok=True)
    assert repo.load(seen.metadata).targets["trusted_root.json"] == MALLORY
    with pytest.raises(GovernanceRefused, match="older file was put in its place"):
        old.load(seen.metadata)


def test_another_root_is_another_policy() -> None:
    """Decisions name the digest of the policy, and of the root, that they were made under."""
    good, other = good_policy(), good_policy(trusted_root=MALLORY)
    assert good.digest != other.digest
    assert good.root_digest != other.root_digest


@pytest.mark.parametrize(
    "root",
    [b"", b"{}", b"[]", MALLORY[:-1], MALLORY + b"{}", MALLORY.replace(b"{", b'{"x":1,"x":1,', 1)],
    ids=["nothing", "empty", "a list", "cut", "trailing", "twice"],
)
def test_a_root_with_no_meaning_or_two_is_no_policy(root: bytes) -> None:
    with pytest.raises(PolicyError, match=r"trusted_root\.json"):
        good_policy(trusted_root=root)


async def test_under_another_root_nothing_proves_anything(good: Plant) -> None:
    given = {name: data.decode() for name, data in plant.targets(trusted_root=MALLORY).items()}
    found = await good.findings(targets=given)
    assert isinstance(found, Findings)
    assert found.evidence == []
    assert {denied.code for denied in found.denied} == {"OutsideTrust"}


@pytest.mark.parametrize("kind", ["tlogs", "certificateAuthorities", "ctlogs"])
async def test_a_root_that_cannot_be_read_is_said_and_not_worked_around(
    good: Plant, kind: str
) -> None:
    broken = MALLORY.replace(f'"{kind}":['.encode(), f'"{kind}":[{{}},'.encode(), 1)
    targets = plant.targets(trusted_root=broken)
    assert parse(targets, 1)
    found = await good.findings(targets={name: data.decode() for name, data in targets.items()})
    assert isinstance(found, Unresolved)
    assert found.reason == "SourceRefused"
    assert "trusted_root.json cannot be used" in found.message
