"""The revocation list is not there, and whoever looks takes that for "nothing is revoked".

git's own check of commits does so: a missing `gpg.ssh.revocationFile` is a warning and exit 0.
Here the list is part of what is verified: without it nothing is verified, and what was known to
be revoked stays so.
"""

from pathlib import Path
from typing import Any

import pytest

from interlock.cli import tufrepo
from interlock.evidence.governance import GovernanceRefused
from interlock.policy.parse import REVOCATIONS, PolicyError, parse
from interlock.policy.revocations import RevokedDigest
from support.govrepo import GovRepo, govrepo
from support.policies import targets

LEAK = RevokedDigest(digest="a" * 64, reason="leaks")


@pytest.fixture
def repo(tmp_path: Path) -> GovRepo:
    found = govrepo(tmp_path)
    tufrepo.revoke(found.directory, found.keys, LEAK)
    return found


def test_a_list_that_is_gone_from_the_repository_is_refused(repo: GovRepo) -> None:
    good = repo.load()
    repo.signed_copy(REVOCATIONS).unlink()
    for seen in (None, good.metadata):
        with pytest.raises(GovernanceRefused, match=r"there is no file targets/.*revocations"):
            repo.load(seen)


def test_metadata_of_the_list_that_is_gone_is_refused(repo: GovRepo) -> None:
    (repo.directory / "metadata/2.revocations.json").unlink()
    with pytest.raises(GovernanceRefused, match=r"there is no file metadata/2\.revocations"):
        repo.load()


def test_a_list_that_its_role_no_longer_names_is_refused(repo: GovRepo) -> None:
    repo.forge("revocations", lambda signed: signed.targets.clear(), "oncall")
    with pytest.raises(GovernanceRefused, match=r"no role signs revocations\.yaml"):
        repo.load()


def test_a_role_of_the_list_that_is_gone_is_refused(repo: GovRepo) -> None:
    def undelegate(signed: Any) -> None:
        signed.delegations = None

    repo.forge("targets", undelegate, "targets")
    with pytest.raises(GovernanceRefused):
        repo.load()


def test_a_snapshot_without_the_list_is_refused(repo: GovRepo) -> None:
    good = repo.load()
    repo.forge("snapshot", lambda signed: signed.meta.pop("revocations.json"), "ci")
    for seen in (None, good.metadata):
        with pytest.raises(GovernanceRefused):
            repo.load(seen)


def test_an_empty_file_in_its_place_is_refused(repo: GovRepo) -> None:
    repo.signed_copy(REVOCATIONS).write_bytes(b"")
    with pytest.raises(GovernanceRefused):
        repo.load()


def test_targets_without_the_list_are_no_policy() -> None:
    without = {name: data for name, data in targets().items() if name != REVOCATIONS}
    with pytest.raises(PolicyError, match=r"revocations\.yaml is missing"):
        parse(without, 1)


def test_nobody_signs_a_policy_without_it(repo: GovRepo) -> None:
    (repo.directory / "targets" / REVOCATIONS).unlink()
    with pytest.raises(PolicyError, match=r"revocations\.yaml is missing"):
        tufrepo.sign(repo.directory, repo.keys)
    assert b"leaks" in repo.load().targets[REVOCATIONS]
