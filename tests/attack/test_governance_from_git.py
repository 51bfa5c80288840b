"""The governance repository's git server, or who may push to it, shows other bytes."""

import subprocess
from pathlib import Path

import pytest

from interlock.cli import tufrepo
from interlock.evidence import governance
from interlock.evidence.git import GitRefused, Mirror
from interlock.evidence.governance import GovernanceRefused
from interlock.policy.revocations import RevokedDigest
from support.govrepo import GovRepo, govrepo
from support.policies import targets

LEAK = RevokedDigest(digest="a" * 64, reason="leaks")

MAIN = "refs/heads/main"


@pytest.fixture
def repo(tmp_path: Path) -> GovRepo:
    found = govrepo(tmp_path)
    git(found, "init", "--quiet", "--initial-branch=main")
    commit(found)
    return found


def git(repo: GovRepo, *args: str) -> None:
    who = ("-c", "user.name=security", "-c", "user.email=security@example.com")
    subprocess.run(["git", *who, "-C", str(repo.directory), *args], check=True)


def commit(repo: GovRepo) -> None:
    git(repo, "add", "--all")
    git(repo, "commit", "--quiet", "--no-gpg-sign", "--message=policy")


async def tip(repo: GovRepo, folder: Path) -> tuple[Mirror, str]:
    mirror = Mirror(folder / "mirror.git", allow_file=True)
    await mirror.fetch(f"file://{repo.directory}", {MAIN: MAIN})
    found = await mirror.tip(MAIN)
    assert found
    return mirror, found


async def test_governance_is_read_from_a_commit(repo: GovRepo, tmp_path: Path) -> None:
    mirror, first = await tip(repo, tmp_path)
    before = await governance.fetch(mirror, first, repo.bootstrap)
    assert before.targets == targets()
    tufrepo.revoke(repo.directory, repo.keys, LEAK)
    commit(repo)
    mirror, second = await tip(repo, tmp_path)
    after = await governance.fetch(mirror, second, repo.bootstrap, before.metadata)
    assert after.versions["revocations"] == 2
    with pytest.raises(GovernanceRefused, match="older file"):
        await governance.fetch(mirror, first, repo.bootstrap, after.metadata)


async def test_a_symbolic_link_is_not_followed(repo: GovRepo, tmp_path: Path) -> None:
    file = repo.directory / "metadata/timestamp.json"
    file.unlink()
    file.symlink_to("/etc/passwd")
    commit(repo)
    mirror, found = await tip(repo, tmp_path)
    with pytest.raises(GitRefused, match="expected a plain file"):
        await governance.fetch(mirror, found, repo.bootstrap)


async def test_a_large_file_is_not_read(repo: GovRepo, tmp_path: Path) -> None:
    repo.signed_copy("people.yaml").write_bytes(bytes(1_000_000))
    commit(repo)
    mirror, found = await tip(repo, tmp_path)
    with pytest.raises(GitRefused, match="has 1000000 bytes, at most"):
        await governance.fetch(mirror, found, repo.bootstrap)


async def test_a_repository_without_governance_is_refused(repo: GovRepo, tmp_path: Path) -> None:
    git(repo, "rm", "-r", "--quiet", "metadata")
    commit(repo)
    mirror, found = await tip(repo, tmp_path)
    with pytest.raises(GovernanceRefused, match="there is no file metadata/"):
        await governance.fetch(mirror, found, repo.bootstrap)
