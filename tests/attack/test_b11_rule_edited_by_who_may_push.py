"""Somebody who may push, or one holder of several, removes or softens an approval rule.

Rules lie outside the forge and count by signatures: what a merge right, an admin of the forge or
a single key can do is to propose (CVE-2026-6063 let developers remove code owners' rules).
"""

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from securesystemslib.signer import SSlibKey  # type: ignore[attr-defined]
from tuf.api.metadata import Metadata, TargetFile  # type: ignore[attr-defined]

from interlock.cli import tufrepo
from interlock.cli.tufkeys import KEY_NAME, RepositoryRefused, key_name, load_keys, new_keys
from interlock.cli.tufroles import Rotation
from interlock.cli.tufsession import Joining
from interlock.cli.tufstate import Open, Want
from interlock.evidence.governance import GovernanceRefused
from interlock.policy.revocations import RevokedDigest
from support.govrepo import HOLDERS, GovRepo, held, keys_of
from support.policies import documents, targets

FIRST, SECOND, THIRD = HOLDERS
SOFT = b"tiers: {high: {gates: []}, low: {gates: []}}\n"
LEAK = RevokedDigest(digest="a" * 64, reason="leaks")


@pytest.fixture
def repo(tmp_path: Path) -> GovRepo:
    return held(tmp_path)


def softened() -> bytes:
    tiers = documents()["tiers"]
    tiers["tiers"]["high"]["quorum"] = [{"role": "quality"}]
    return targets(tiers=tiers)["tiers.yaml"]


def in_force(repo: GovRepo) -> bytes:
    return repo.load().targets["tiers.yaml"]


def sign(repo: GovRepo, *names: str) -> tufrepo.Signed:
    return tufrepo.sign(repo.directory, keys_of(repo, *names))


def proposal(repo: GovRepo, role: str = "targets") -> Path:
    return repo.directory / f"pending/2.{role}.json"


def forged(repo: GovRepo, role: str, change: Any, *signers: Path) -> None:
    """Put a proposal there as somebody with other tools than ours would."""
    newest: Any = Metadata.from_file(str(repo.directory / f"metadata/1.{role}.json"))
    newest.signed.version = 2
    newest.signatures.clear()
    change(newest.signed)
    for folder in signers:
        for signer in load_keys(folder).values():
            newest.sign(signer, append=True)
    (repo.directory / "pending").mkdir(exist_ok=True)
    newest.to_file(str(proposal(repo, role)))


def with_tiers(repo: GovRepo, data: bytes) -> Any:
    file = TargetFile.from_data("tiers.yaml", data, ["sha256"])
    copy = repo.directory / "targets" / f"{file.hashes['sha256']}.tiers.yaml"
    copy.write_bytes(data)
    return lambda signed: signed.targets.update({"tiers.yaml": file})


def test_a_merged_edit_changes_no_rule(repo: GovRepo) -> None:
    repo.edit("tiers.yaml", softened())
    assert sign(repo, "ci").unsigned == ("tiers.yaml",)
    assert in_force(repo) == targets()["tiers.yaml"]


def test_a_proposal_that_nobody_signed_is_none(repo: GovRepo) -> None:
    forged(repo, "targets", with_tiers(repo, softened()))
    signed = sign(repo, "ci")
    assert (signed.published, signed.open) == ({"timestamp": 2}, ())
    assert not proposal(repo).exists()
    assert in_force(repo) == targets()["tiers.yaml"]


def test_one_holder_is_not_two(repo: GovRepo) -> None:
    forged(repo, "targets", with_tiers(repo, softened()), repo.keys / FIRST)
    signed = sign(repo, "ci")
    assert signed.open == (Open("targets", 2, (FIRST,), (Want(1, (SECOND, THIRD)),)),)
    assert in_force(repo) == targets()["tiers.yaml"]


def test_a_signature_under_another_holders_name_does_not_count(repo: GovRepo) -> None:
    forged(repo, "targets", with_tiers(repo, softened()), repo.keys / FIRST)
    document = json.loads(proposal(repo).read_text())
    ids = {name: keyid for name in HOLDERS for keyid in load_keys(repo.keys / name)}
    document["signatures"].append(document["signatures"][0] | {"keyid": ids[SECOND]})
    proposal(repo).write_text(json.dumps(document))
    assert "targets" not in sign(repo, "ci").published
    assert in_force(repo) == targets()["tiers.yaml"]


def test_keys_of_strangers_do_not_count(repo: GovRepo, tmp_path: Path) -> None:
    new_keys(tmp_path / "strange", ["a", "b"])
    forged(repo, "targets", with_tiers(repo, softened()), repo.keys / FIRST, tmp_path / "strange")
    assert "targets" not in sign(repo, "ci").published


def test_ci_and_oncall_together_change_no_rule(repo: GovRepo) -> None:
    folders = (repo.keys / "ci", repo.keys / "oncall")
    forged(repo, "targets", with_tiers(repo, softened()), *folders)
    assert "targets" not in sign(repo, "ci", "oncall").published
    assert in_force(repo) == targets()["tiers.yaml"]


def test_half_signed_targets_under_a_snapshot_by_oncall_are_refused(repo: GovRepo) -> None:
    """A stolen on-call key puts them in their place all the same: Interlock, and CI, say no."""
    stolen = GovRepo(repo.directory, keys_of(repo, FIRST, "oncall"), repo.bootstrap)
    stolen.forge("targets", with_tiers(repo, softened()), FIRST)
    with pytest.raises(GovernanceRefused, match="targets was signed by 1/2 keys"):
        repo.load()
    assert sign(repo, "ci").published == {}


def test_a_signature_stays_with_what_was_signed(repo: GovRepo) -> None:
    """The pusher waits for one signature and then changes the file under it."""
    repo.edit("tiers.yaml", targets()["tiers.yaml"] + b"# harmless\n")
    sign(repo, FIRST)
    repo.edit("tiers.yaml", softened())
    sign(repo, SECOND)
    assert "targets" not in sign(repo, "ci").published
    assert in_force(repo) == targets()["tiers.yaml"]


def test_a_holder_is_asked_before_signing_keys_that_a_proposal_brings(repo: GovRepo) -> None:
    """One holder hides a key of theirs among an edit that another wants to make."""
    mallory = {k: s.public_key for k, s in new_keys(repo.keys / "x", ["mallory"]).items()}

    def delegate(signed: Any) -> None:
        for key in mallory.values():
            signed.add_key(key, "revocations")

    forged(repo, "targets", delegate, repo.keys / FIRST)
    repo.edit("tiers.yaml", targets()["tiers.yaml"] + b"# mine\n")
    shown: list[Joining] = []

    def agree(joining: Joining) -> bool:
        shown.append(joining)
        return False

    with pytest.raises(RepositoryRefused, match="was not signed"):
        tufrepo.sign(repo.directory, keys_of(repo, SECOND), agree=agree)
    assert any("revocations: + key mallory" in line for line in shown[0].keys)


def test_a_root_in_which_one_key_is_two_is_not_signed(repo: GovRepo) -> None:
    """One holder adds their own key once more, under another id: they alone would be two."""

    def twice(signed: Any) -> None:
        (mine,) = [key for key in signed.keys.values() if key_name(key) == FIRST]
        again = mine.to_dict() | {KEY_NAME: "security-9"}
        signed.add_key(SSlibKey.from_dict("f" * 64, again), "root")

    forged(repo, "root", twice, repo.keys / FIRST)
    with pytest.raises(RepositoryRefused, match="are the same or are called the same"):
        sign(repo, SECOND)


def test_a_proposal_does_not_count_for_longer_than_the_next_holder_would_say(
    repo: GovRepo,
) -> None:
    def for_ever(signed: Any) -> None:
        signed.expires = (datetime.now(UTC) + timedelta(days=9999)).replace(microsecond=0)
        with_tiers(repo, softened())(signed)

    forged(repo, "targets", for_ever, repo.keys / FIRST)
    repo.edit("tiers.yaml", softened())
    assert sign(repo, SECOND).open[0].signed == (SECOND,)


def test_a_proposal_that_is_over_does_not_count(repo: GovRepo) -> None:
    """It was complete once, lay on a branch, and is merged when everybody has forgotten it."""

    def over(signed: Any) -> None:
        signed.expires = (datetime.now(UTC) - timedelta(seconds=1)).replace(microsecond=0)
        with_tiers(repo, softened())(signed)

    forged(repo, "targets", over, repo.keys / FIRST, repo.keys / SECOND)
    assert sign(repo, "ci").published == {"timestamp": 2}
    assert in_force(repo) == targets()["tiers.yaml"]


def test_an_old_proposal_that_was_never_completed_does_not_come_back(repo: GovRepo) -> None:
    repo.edit("tiers.yaml", softened())
    sign(repo, FIRST)
    kept = proposal(repo).read_bytes()
    repo.edit("tiers.yaml", targets()["tiers.yaml"] + b"# instead\n")
    sign(repo, SECOND, THIRD, "ci")
    proposal(repo).write_bytes(kept)
    signed = sign(repo, SECOND, "ci")
    assert signed.published == {"timestamp": 3}
    assert not proposal(repo).exists()


def test_oncall_signs_no_edit_of_the_list_along(repo: GovRepo) -> None:
    """At night nobody reads the file: what was taken off it by a push stays on it."""
    tufrepo.revoke(repo.directory, keys_of(repo, "oncall"), LEAK)
    repo.edit("revocations.yaml", targets()["revocations.yaml"])
    other = RevokedDigest(digest="b" * 64, reason="leaks too")
    signed = tufrepo.revoke(repo.directory, keys_of(repo, "oncall"), other)
    assert b"a" * 64 in repo.load().targets["revocations.yaml"]
    assert b"b" * 64 in repo.load().targets["revocations.yaml"]
    assert "nobody signed were left out" in signed.dropped[0]


def test_a_spoilt_file_does_not_keep_oncall_from_revoking(repo: GovRepo) -> None:
    repo.signed_copy("tiers.yaml").write_bytes(SOFT)
    repo.edit("people.yaml", b"no policy")
    tufrepo.revoke(repo.directory, keys_of(repo, "oncall"), LEAK)
    assert b"leaks" in repo.load().targets["revocations.yaml"]


def test_ci_does_not_stamp_what_interlock_would_refuse(repo: GovRepo) -> None:
    repo.signed_copy("tiers.yaml").write_bytes(SOFT)
    repo.edit("tiers.yaml", SOFT)
    before = (repo.directory / "metadata/timestamp.json").read_bytes()
    with pytest.raises(RepositoryRefused, match="Interlock would refuse the result"):
        sign(repo, "ci")
    assert (repo.directory / "metadata/timestamp.json").read_bytes() == before


def test_a_signed_root_put_in_the_place_of_targets_is_nothing(repo: GovRepo) -> None:
    """The same holders sign both, so their signatures on it hold."""
    change = Rotation(("root",), threshold=1)
    tufrepo.rotate(repo.directory, keys_of(repo, FIRST), change)
    shutil.copy(proposal(repo, "root"), proposal(repo))
    signed = sign(repo, SECOND, "ci")
    assert signed.published.keys() == {"root", "timestamp"}
    assert repo.load().versions["targets"] == 1


def test_a_garbled_proposal_stops_nobody(repo: GovRepo) -> None:
    (repo.directory / "pending").mkdir()
    for role in ("root", "targets", "revocations"):
        proposal(repo, role).write_bytes(b"[" * 5000)
    shutil.copy(repo.directory / "metadata/1.snapshot.json", proposal(repo))
    assert sign(repo, "ci").published == {"timestamp": 2}
    assert list((repo.directory / "pending").iterdir()) == []
