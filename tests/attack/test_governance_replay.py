"""Somebody who may push to the governance repository, and may not sign, changes nothing."""

import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from interlock.cli import tufrepo
from interlock.cli.tufkeys import RepositoryRefused
from interlock.evidence.governance import GovernanceRefused, GovernanceStale, load
from interlock.policy.parse import PolicyError, parse
from interlock.policy.revocations import RevokedDigest
from support.govrepo import GovRepo, govrepo
from support.policies import documents, targets

LEAK = RevokedDigest(digest="a" * 64, reason="leaks")


@pytest.fixture
def repo(tmp_path: Path) -> GovRepo:
    return govrepo(tmp_path)


def test_the_signed_state_is_read(repo: GovRepo) -> None:
    found = repo.load()
    assert found.targets == targets()
    assert set(found.versions.values()) == {1}
    assert parse(found.targets, found.versions["revocations"]).revocation_version == 1


def test_a_revocation_is_read_by_who_knows_the_older_list(repo: GovRepo) -> None:
    before = repo.load()
    tufrepo.revoke(repo.directory, repo.keys, LEAK)
    after = repo.load(before.metadata)
    assert after.versions["revocations"] == 2
    assert after.versions["targets"] == 1
    assert b"leaks" in after.targets["revocations.yaml"]


def test_older_metadata_is_refused_by_who_saw_the_newer(repo: GovRepo) -> None:
    old = repo.copy("old")
    tufrepo.revoke(repo.directory, repo.keys, LEAK)
    seen = repo.load()
    with pytest.raises(GovernanceRefused, match="older file was put in its place"):
        old.load(seen.metadata)


def test_the_same_metadata_again_is_no_replay(repo: GovRepo) -> None:
    seen = repo.load()
    assert repo.load(seen.metadata) == seen


def test_an_old_revocation_list_under_a_new_timestamp_is_refused(repo: GovRepo) -> None:
    old = repo.copy("old")
    tufrepo.revoke(repo.directory, repo.keys, LEAK)
    shutil.copy(
        old.directory / "metadata/1.revocations.json",
        repo.directory / "metadata/2.revocations.json",
    )
    with pytest.raises(GovernanceRefused, match="not the one that was signed"):
        repo.load()


def test_an_older_version_signed_by_ci_is_refused(repo: GovRepo) -> None:
    """A stolen CI key may say that nothing happened, and not that it went backwards."""
    tufrepo.revoke(repo.directory, repo.keys, LEAK)
    seen = repo.load()

    def back(signed: object) -> None:
        signed.meta["revocations.json"].version = 1  # type: ignore[attr-defined]

    repo.forge("snapshot", back, "ci")
    with pytest.raises(GovernanceRefused, match="older file was put in its place"):
        repo.load(seen.metadata)


def test_an_expired_timestamp_is_stale(repo: GovRepo) -> None:
    good = repo.load()
    tufrepo.sign(repo.directory, repo.keys, expires=timedelta(seconds=-1))
    for last_good in (None, good.metadata):
        with pytest.raises(GovernanceStale, match=r"timestamp\.json is expired"):
            repo.load(last_good)


def test_the_last_good_state_goes_stale_too(repo: GovRepo) -> None:
    tufrepo.sign(repo.directory, repo.keys, expires=timedelta(seconds=-1))
    seen = {"timestamp.json": (repo.directory / "metadata/timestamp.json").read_bytes()}
    with pytest.raises(GovernanceStale):
        repo.load(seen)


def test_expiry_is_that_of_the_first_role_to_expire(repo: GovRepo) -> None:
    tufrepo.sign(repo.directory, repo.keys, expires=timedelta(hours=1))
    roles = {each.role: each.expires for each in tufrepo.status(repo.directory).roles}
    assert repo.load().expires == roles["timestamp"] == min(roles.values())


def test_an_edit_that_nobody_signed_does_not_count(repo: GovRepo) -> None:
    repo.edit("tiers.yaml", b"tiers: {high: {gates: []}}")
    assert repo.load().targets["tiers.yaml"] == targets()["tiers.yaml"]


def test_an_edit_of_the_signed_copy_is_refused(repo: GovRepo) -> None:
    copy = repo.signed_copy("tiers.yaml")
    copy.write_bytes(copy.read_bytes().replace(b"true", b"null"))
    with pytest.raises(GovernanceRefused, match="not the one that was signed"):
        repo.load()


def test_a_target_swapped_for_another_signed_one_is_refused(repo: GovRepo) -> None:
    shutil.copy(repo.signed_copy("freezes.yaml"), repo.signed_copy("exceptions.yaml"))
    with pytest.raises(GovernanceRefused, match="not the one that was signed"):
        repo.load()


def test_a_target_swapped_for_its_older_self_is_refused(repo: GovRepo) -> None:
    before = repo.signed_copy("tiers.yaml").read_bytes()
    tiers = documents()["tiers"]
    tiers["tiers"]["low"]["minimumBake"] = "9m"
    repo.edit("tiers.yaml", targets(tiers=tiers)["tiers.yaml"])
    tufrepo.sign(repo.directory, repo.keys)
    repo.signed_copy("tiers.yaml").write_bytes(before)
    with pytest.raises(GovernanceRefused, match="not the one that was signed"):
        repo.load()


@pytest.mark.parametrize("path", ["metadata/timestamp.json", "metadata/1.targets.json"])
def test_metadata_that_is_gone_is_refused(repo: GovRepo, path: str) -> None:
    (repo.directory / path).unlink()
    with pytest.raises(GovernanceRefused, match=f"there is no file {path}"):
        repo.load()


def test_metadata_that_is_no_json_is_refused(repo: GovRepo) -> None:
    (repo.directory / "metadata/timestamp.json").write_bytes(b"[" * 15000)
    with pytest.raises(GovernanceRefused, match="stays in force"):
        repo.load()


def test_a_target_of_100_mb_is_refused(repo: GovRepo) -> None:
    repo.signed_copy("people.yaml").write_bytes(bytes(100_000_000))
    with pytest.raises(GovernanceRefused, match="exceeding the maximum allowed length"):
        repo.load()


def test_a_target_signed_as_100_mb_is_not_read(repo: GovRepo) -> None:
    def grow(signed: object) -> None:
        signed.targets["people.yaml"].length = 100_000_000  # type: ignore[attr-defined]

    repo.forge("targets", grow, "targets")
    with pytest.raises(GovernanceRefused, match="has 100000000 bytes, at most 262144"):
        repo.load()


def test_duplicate_keys_are_refused_before_they_are_signed(repo: GovRepo) -> None:
    repo.edit("freezes.yaml", b"freezes: []\nfreezes: []\n")
    with pytest.raises(PolicyError, match=r"freezes\.yaml: line 2: the key 'freezes' occurs twice"):
        tufrepo.sign(repo.directory, repo.keys)
    assert repo.load().versions["targets"] == 1


def test_a_cache_cannot_be_used_to_write_elsewhere(repo: GovRepo) -> None:
    with pytest.raises(GovernanceRefused, match="no name of a metadata file"):
        repo.load({"../../evil.json": b""})


def test_the_readers_own_errors_pass(repo: GovRepo) -> None:
    def read(path: str) -> bytes:
        raise TimeoutError(path)

    with pytest.raises(TimeoutError):
        load(read, repo.bootstrap)


@pytest.mark.parametrize("how", ["the list", "the list and the snapshot"])
def test_ci_does_not_sign_an_older_list_that_somebody_put_back(repo: GovRepo, how: str) -> None:
    """Who may push and not sign would have CI's key say to new operators that nothing is newer."""
    old, ci = repo.copy("old"), repo.keys.with_name("ci")
    ci.mkdir()
    shutil.copy(repo.keys / "ci.pem", ci)
    tufrepo.revoke(repo.directory, repo.keys, LEAK)
    timestamp = repo.directory / "metadata" / "timestamp.json"
    newest = timestamp.read_bytes()
    snapshot = (repo.directory / "metadata" / "2.snapshot.json").read_bytes()
    shutil.rmtree(repo.directory)
    shutil.copytree(old.directory, repo.directory)
    timestamp.write_bytes(newest)
    if how == "the list":
        (repo.directory / "metadata" / "2.snapshot.json").write_bytes(snapshot)
    with pytest.raises(RepositoryRefused, match=r"names (revocations|snapshot) 2, and .* only 1"):
        tufrepo.sign(repo.directory, ci)
    assert timestamp.read_bytes() == newest
