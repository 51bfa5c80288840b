"""A key that may sign one thing signs another."""

from pathlib import Path
from typing import Any

import pytest
from securesystemslib.signer import CryptoSigner, Key  # type: ignore[attr-defined]
from tuf.api.metadata import Metadata, TargetFile  # type: ignore[attr-defined]

from interlock.cli import tufrepo
from interlock.cli.tufkeys import KEY_NAME, RepositoryRefused, key_name, load_keys
from interlock.cli.tufsession import Joining
from interlock.evidence.governance import GovernanceRefused, load
from interlock.policy.revocations import RevokedDigest
from support.govrepo import HOLDERS, GovRepo, govrepo, held, keys_of
from support.policies import targets

LEAK = RevokedDigest(digest="a" * 64, reason="leaks")

OPEN_TIERS = b"tiers: {high: {gates: []}}\n"


@pytest.fixture
def repo(tmp_path: Path) -> GovRepo:
    return govrepo(tmp_path)


def place(repo: GovRepo, name: str, data: bytes) -> Any:
    """Put a hash-named copy there and return its entry for metadata."""
    file = TargetFile.from_data(name, data, ["sha256"])
    (repo.directory / "targets" / f"{file.hashes['sha256']}.{name}").write_bytes(data)
    return file


def test_the_revocations_key_cannot_sign_tiers_in_its_own_role(repo: GovRepo) -> None:
    evil = place(repo, "tiers.yaml", OPEN_TIERS)
    repo.forge("revocations", lambda signed: signed.targets.update({"tiers.yaml": evil}), "oncall")
    assert repo.load().targets["tiers.yaml"] == targets()["tiers.yaml"]


def test_the_revocations_key_cannot_fill_in_for_a_target_that_is_gone(repo: GovRepo) -> None:
    evil = place(repo, "tiers.yaml", OPEN_TIERS)
    repo.forge("targets", lambda signed: signed.targets.pop("tiers.yaml"), "targets")
    repo.forge("revocations", lambda signed: signed.targets.update({"tiers.yaml": evil}), "oncall")
    assert "tiers.yaml" not in repo.load().targets


@pytest.mark.parametrize("key", ["oncall", "ci", "root"])
def test_no_other_key_signs_targets(repo: GovRepo, key: str) -> None:
    evil = place(repo, "tiers.yaml", OPEN_TIERS)
    repo.forge("targets", lambda signed: signed.targets.update({"tiers.yaml": evil}), key)
    with pytest.raises(GovernanceRefused, match="targets was signed by 0/1 keys"):
        repo.load()


@pytest.mark.parametrize("key", ["targets", "ci", "root"])
def test_no_other_key_signs_revocations(repo: GovRepo, key: str) -> None:
    repo.forge("revocations", lambda signed: signed.targets.clear(), key)
    with pytest.raises(GovernanceRefused, match="revocations was signed by 0/1 keys"):
        repo.load()


@pytest.mark.parametrize("key", ["targets", "root"])
def test_no_other_key_signs_the_timestamp(repo: GovRepo, key: str) -> None:
    repo.forge("timestamp", lambda signed: None, key)
    with pytest.raises(GovernanceRefused, match="timestamp was signed by 0/1 keys"):
        repo.load()


def test_the_targets_role_cannot_shadow_the_revocations(repo: GovRepo) -> None:
    empty = place(repo, "revocations.yaml", b"digests: []\nsigners: []\n# nothing to see\n")
    change = {"revocations.yaml": empty}
    repo.forge("targets", lambda signed: signed.targets.update(change), "targets")
    with pytest.raises(GovernanceRefused, match="the role revocations owns it"):
        repo.load()


def test_revocations_cannot_be_left_out(repo: GovRepo) -> None:
    repo.forge("revocations", lambda signed: signed.targets.clear(), "oncall")
    with pytest.raises(GovernanceRefused, match=r"no role signs revocations\.yaml"):
        repo.load()


def test_a_target_cannot_be_named_out_of_its_folder(repo: GovRepo) -> None:
    evil = place(repo, "tiers.yaml", OPEN_TIERS)
    change = {"../metadata/tiers.yaml": evil}
    repo.forge("targets", lambda signed: signed.targets.update(change), "targets")
    with pytest.raises(GovernanceRefused, match="no name of a target"):
        repo.load()


def test_more_targets_than_a_policy_has_are_not_read(repo: GovRepo) -> None:
    many = {f"more_{letter}.yaml": place(repo, "x.yaml", b"") for letter in "abcdefghi"}
    repo.forge("targets", lambda signed: signed.targets.update(many), "targets")
    with pytest.raises(GovernanceRefused, match="17 targets are listed, at most 16"):
        repo.load()


def test_another_root_than_the_pinned_one_is_refused(repo: GovRepo, tmp_path: Path) -> None:
    other = govrepo(tmp_path, "other")
    with pytest.raises(GovernanceRefused, match="was signed by 0/1 keys"):
        load(tufrepo.read_from(other.directory), repo.bootstrap)


def test_a_root_that_the_old_root_did_not_sign_is_refused(repo: GovRepo, tmp_path: Path) -> None:
    other = govrepo(tmp_path, "other")
    other.forge("root", lambda signed: None, "root")
    root = (other.directory / "metadata/2.root.json").read_bytes()
    (repo.directory / "metadata/2.root.json").write_bytes(root)
    with pytest.raises(GovernanceRefused, match="root was signed by 0/1 keys"):
        repo.load()


def test_a_root_that_the_old_root_signed_is_followed(repo: GovRepo) -> None:
    root = (repo.directory / "metadata/1.root.json").read_bytes()
    repo.forge("root", lambda signed: None, "root")
    (repo.directory / "metadata/1.root.json").write_bytes(root)
    found = repo.load()
    assert found.versions["root"] == 2
    assert {"1.root.json", "2.root.json"} <= set(found.metadata)
    assert repo.load(found.metadata) == found


def test_a_bootstrap_that_is_no_root_is_refused(repo: GovRepo) -> None:
    data = (repo.directory / "metadata/1.targets.json").read_bytes()
    with pytest.raises(GovernanceRefused):
        load(tufrepo.read_from(repo.directory), data)


def test_one_cannot_sign_without_the_key(repo: GovRepo) -> None:
    (repo.keys / "targets.pem").unlink()
    repo.edit("tiers.yaml", targets()["tiers.yaml"] + b"# changed\n")
    signed = tufrepo.sign(repo.directory, repo.keys)
    assert signed.published == {"timestamp": 2}
    assert signed.unsigned == ("tiers.yaml",)
    assert repo.load().targets["tiers.yaml"] == targets()["tiers.yaml"]


def test_oncall_alone_can_revoke_whatever_else_was_edited(repo: GovRepo) -> None:
    for name in ("root", "targets", "ci"):
        (repo.keys / f"{name}.pem").unlink()
    repo.edit("tiers.yaml", OPEN_TIERS)
    tufrepo.revoke(repo.directory, repo.keys, LEAK)
    found = repo.load()
    assert b"leaks" in found.targets["revocations.yaml"]
    assert found.targets["tiers.yaml"] == targets()["tiers.yaml"]


def test_a_revocation_that_cannot_be_signed_leaves_no_trace(repo: GovRepo) -> None:
    (repo.keys / "oncall.pem").unlink()
    with pytest.raises(RepositoryRefused, match="revocations needs 1 signature by oncall"):
        tufrepo.revoke(repo.directory, repo.keys, LEAK)
    assert tufrepo.status(repo.directory).unsigned == ()


def test_keys_that_others_can_read_are_not_used(repo: GovRepo) -> None:
    (repo.keys / "ci.pem").chmod(0o644)
    with pytest.raises(RepositoryRefused, match="open to others"):
        tufrepo.sign(repo.directory, repo.keys)


def test_keys_do_not_lie_in_the_repository(tmp_path: Path) -> None:
    with pytest.raises(RepositoryRefused, match="would lie in the repository"):
        tufrepo.init(tmp_path / "repo", tmp_path / "repo" / "keys", targets())
    assert not (tmp_path / "repo").exists()


def test_a_holder_s_key_that_is_exchanged_under_its_old_id_is_shown(tmp_path: Path) -> None:
    """TUF does not bind an id to a key: one holder would quietly get the vote of another."""
    mallory, victim, third = HOLDERS
    repo = held(tmp_path)
    root: Any = Metadata.from_file(str(repo.directory / "metadata" / "1.root.json"))
    keyid = next(one for one, key in root.signed.keys.items() if key_name(key) == victim)
    own = CryptoSigner.generate_ed25519().public_key.to_dict()
    root.signed.keys[keyid] = Key.from_dict(keyid, own | {KEY_NAME: victim})
    root.signed.version = 2
    (signer,) = load_keys(keys_of(repo, mallory)).values()
    root.sign(signer)
    (repo.directory / "pending").mkdir(exist_ok=True)
    root.to_file(str(repo.directory / "pending" / "2.root.json"))
    shown: list[Joining] = []

    def agree(joining: Joining) -> bool:
        shown.append(joining)
        return False

    with pytest.raises(RepositoryRefused, match="root 2 was not signed"):
        tufrepo.sign(repo.directory, keys_of(repo, third), agree=agree)
    assert shown[0].signed == (mallory,)
    assert shown[0].keys == (f"key {victim} ({keyid[:10]}) is another key than before",)
