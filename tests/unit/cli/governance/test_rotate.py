"""Who may sign changes: the old keys sign it, the new ones do, and Interlock follows."""

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from interlock.cli import tufrepo
from interlock.cli.governance import governance
from interlock.cli.tufkeys import RepositoryRefused, load_keys, new_keys
from interlock.cli.tufroles import Rotation
from interlock.cli.tufsession import Joining
from interlock.cli.tufstate import Want
from interlock.policy.revocations import RevokedDigest
from support.govrepo import HOLDERS, GovRepo, govrepo, held, keys_of
from support.policies import targets

FIRST, SECOND, THIRD = HOLDERS
NEW = "security-4"


def run(*args: object, answer: str = "") -> Result:
    return CliRunner().invoke(governance, [str(arg) for arg in args], input=answer)


@pytest.fixture
def repo(tmp_path: Path) -> GovRepo:
    return held(tmp_path)


def added(repo: GovRepo, name: str = NEW) -> dict[str, Any]:
    """A public key whose private half its holder alone has."""
    (signer,) = new_keys(repo.keys / name, [name]).values()
    return {name: signer.public_key}


def keys(repo: GovRepo, role: str) -> tuple[str, ...]:
    return next(each.keys for each in tufrepo.status(repo.directory).roles if each.role == role)


def test_a_holder_takes_another_ones_place(repo: GovRepo) -> None:
    before = repo.load()
    change = Rotation(add=added(repo), remove=(THIRD,))
    signed = tufrepo.rotate(repo.directory, keys_of(repo, FIRST), change)
    assert signed.added == {"root": 2}
    assert signed.open[0].wanted == (Want(1, (SECOND, THIRD)), Want(1, (SECOND, NEW)))
    assert tufrepo.sign(repo.directory, keys_of(repo, SECOND)).published == {}
    assert repo.load(before.metadata).versions["root"] == 1
    assert tufrepo.sign(repo.directory, keys_of(repo, "ci")).published["root"] == 2
    assert keys(repo, "root") == keys(repo, "targets") == (FIRST, SECOND, NEW)
    assert repo.load(before.metadata).versions["root"] == 2


def test_the_old_ones_alone_are_not_enough_for_a_new_root(repo: GovRepo) -> None:
    """Both thresholds: two of the old three, and two of the new ones."""
    change = Rotation(("root",), add=added(repo), remove=(SECOND, THIRD))
    tufrepo.rotate(repo.directory, keys_of(repo, FIRST), change)
    for name in (SECOND, THIRD):
        signed = tufrepo.sign(repo.directory, keys_of(repo, name, "ci"))
    assert "root" not in signed.published
    assert signed.open[0].wanted == (Want(1, (NEW,)),)
    assert tufrepo.sign(repo.directory, keys_of(repo, NEW, "ci")).published["root"] == 2


def test_targets_that_the_new_keys_did_not_sign_hold_the_new_root_back(repo: GovRepo) -> None:
    change = Rotation(("targets",), add=added(repo), remove=(FIRST, SECOND))
    folder = keys_of(repo, FIRST, SECOND, "ci")
    signed = tufrepo.rotate(repo.directory, folder, change)
    assert signed.published.keys() == {"timestamp"}
    assert {each.role for each in signed.open} == {"root", "targets"}
    for name in (THIRD, NEW):
        signed = tufrepo.sign(repo.directory, keys_of(repo, name, "ci"))
    assert signed.published.keys() == {"root", "targets", "snapshot", "timestamp"}
    assert repo.load().versions["targets"] == 2


def test_a_lost_on_call_key_is_replaced_in_all_its_roles(repo: GovRepo) -> None:
    change = Rotation(add=added(repo, "oncall-2"), remove=("oncall",))
    folder = keys_of(repo, FIRST, SECOND, "ci", "oncall-2")
    signed = tufrepo.rotate(repo.directory, folder, change)
    assert signed.published.keys() == {"root", "targets", "revocations", "snapshot", "timestamp"}
    for role in ("snapshot", "timestamp"):
        assert keys(repo, role) == ("ci", "oncall-2")
    assert keys(repo, "revocations") == ("oncall-2",)
    leak = RevokedDigest(digest="a" * 64, reason="leaks")
    with pytest.raises(RepositoryRefused, match="signature by oncall-2"):
        tufrepo.revoke(repo.directory, keys_of(repo, "oncall"), leak)
    tufrepo.revoke(repo.directory, keys_of(repo, "oncall-2"), leak)
    assert b"leaks" in repo.load().targets["revocations.yaml"]


def test_a_list_that_the_new_key_did_not_sign_holds_its_delegation_back(repo: GovRepo) -> None:
    change = Rotation(("revocations",), add=added(repo, "oncall-2"), remove=("oncall",))
    signed = tufrepo.rotate(repo.directory, keys_of(repo, FIRST, SECOND, "ci"), change)
    assert signed.published == {"timestamp": 2}
    assert [each.role for each in signed.open] == ["targets", "revocations"]
    assert signed.open[1].wanted == (Want(1, ("oncall-2",)),)
    leak = RevokedDigest(digest="a" * 64, reason="leaks")
    tufrepo.revoke(repo.directory, keys_of(repo, "oncall-2", "ci"), leak)
    assert b"leaks" in repo.load().targets["revocations.yaml"]
    assert keys(repo, "revocations") == ("oncall-2",)


def test_a_proposal_keeps_nobody_from_signing_who_may_sign_today(repo: GovRepo) -> None:
    """One holder proposes to take everybody else out: until it counts, it stops nothing."""
    coup = Rotation(add=added(repo), remove=("oncall", "ci", SECOND))
    tufrepo.rotate(repo.directory, keys_of(repo, FIRST), coup)
    leak = RevokedDigest(digest="a" * 64, reason="leaks")
    tufrepo.revoke(repo.directory, keys_of(repo, "oncall"), leak)
    assert b"leaks" in repo.load().targets["revocations.yaml"]
    assert tufrepo.sign(repo.directory, keys_of(repo, "ci")).published == {"timestamp": 3}
    for name in ("root", "targets"):
        (repo.directory / f"pending/2.{name}.json").unlink()
    repo.edit("tiers.yaml", targets()["tiers.yaml"] + b"# more\n")
    assert tufrepo.sign(repo.directory, keys_of(repo, SECOND)).added == {"targets": 2}


def test_a_change_is_signed_by_todays_holders_beside_a_proposed_root(repo: GovRepo) -> None:
    coup = Rotation(("root", "targets"), add=added(repo), remove=(SECOND, THIRD))
    tufrepo.rotate(repo.directory, keys_of(repo, FIRST), coup)
    (repo.directory / "pending/2.targets.json").unlink(missing_ok=True)
    repo.edit("tiers.yaml", targets()["tiers.yaml"] + b"# more\n")
    for name in (SECOND, THIRD):
        refuse_root(repo, name)
    assert "targets" in tufrepo.sign(repo.directory, keys_of(repo, "ci")).published


def refuse_root(repo: GovRepo, name: str) -> None:
    """Sign the change, and not the root that another proposes, on a branch without it."""
    file = repo.directory / "pending/2.root.json"
    kept = file.read_bytes()
    file.unlink()
    tufrepo.sign(repo.directory, keys_of(repo, name))
    file.write_bytes(kept)


def test_a_stolen_ci_key_no_longer_signs_the_time(repo: GovRepo) -> None:
    before = repo.load()
    change = Rotation(add=added(repo, "ci-2"), remove=("ci",))
    tufrepo.rotate(repo.directory, keys_of(repo, FIRST, SECOND, "ci-2"), change)
    after = repo.load(before.metadata)
    assert after.versions["root"] == 2
    assert tufrepo.sign(repo.directory, keys_of(repo, "ci")).published == {}


def test_a_snapshot_that_only_the_old_key_signed_is_signed_anew(repo: GovRepo) -> None:
    repo.edit("tiers.yaml", targets()["tiers.yaml"] + b"# more\n")
    tufrepo.sign(repo.directory, keys_of(repo, FIRST, SECOND, "ci"))
    change = Rotation(add=added(repo, "ci-2"), remove=("ci",))
    signed = tufrepo.rotate(repo.directory, keys_of(repo, FIRST, SECOND, "ci-2"), change)
    assert signed.published == {"root": 2, "snapshot": 3, "timestamp": 3}
    assert repo.load().versions["snapshot"] == 3


def test_where_the_time_needs_two_one_signs_nothing(repo: GovRepo) -> None:
    change = Rotation(("snapshot", "timestamp"), threshold=2)
    both = keys_of(repo, FIRST, SECOND, "ci", "oncall")
    assert "root" in tufrepo.rotate(repo.directory, both, change).published
    assert tufrepo.sign(repo.directory, keys_of(repo, "ci")).published == {}
    assert tufrepo.sign(repo.directory, both).published == {"timestamp": 3}


def test_one_key_becomes_two_of_three(tmp_path: Path) -> None:
    alone = govrepo(tmp_path)
    new = {name: one for name in HOLDERS for name, one in added(alone, name).items()}
    change = Rotation(("root", "targets"), add=new, remove=("root", "targets"), threshold=2)
    tufrepo.rotate(alone.directory, alone.keys, change)
    tufrepo.sign(alone.directory, alone.keys / FIRST)
    tufrepo.sign(alone.directory, alone.keys / SECOND)
    signed = tufrepo.sign(alone.directory, alone.keys)
    assert signed.published.keys() == {"root", "targets", "snapshot", "timestamp"}
    found = alone.load()
    assert found.targets == targets()
    assert {each.role: each.threshold for each in tufrepo.status(alone.directory).roles} == {
        "root": 2,
        "targets": 2,
        "revocations": 1,
        "snapshot": 1,
        "timestamp": 1,
    }


def test_a_rotation_signs_no_edit_along(repo: GovRepo) -> None:
    repo.edit("tiers.yaml", targets()["tiers.yaml"] + b"# unseen\n")
    change = Rotation(add=added(repo, "oncall-2"), remove=("oncall",))
    tufrepo.rotate(repo.directory, keys_of(repo, FIRST, SECOND, "ci", "oncall-2"), change)
    assert repo.load().targets["tiers.yaml"] == targets()["tiers.yaml"]
    assert tufrepo.status(repo.directory).unsigned == ("tiers.yaml",)


def test_the_next_holder_is_shown_the_keys(repo: GovRepo) -> None:
    tufrepo.rotate(repo.directory, keys_of(repo, FIRST), Rotation(add=added(repo), remove=(THIRD,)))
    result = run("sign", repo.directory, "--keys", keys_of(repo, SECOND), answer="n\n")
    assert result.exit_code == 1
    assert f"root: + key {NEW}" in result.output
    assert f"targets: - key {THIRD}" in result.output


def test_who_rotates_is_asked_about_what_another_had_proposed(repo: GovRepo) -> None:
    mallory = Rotation(("root",), add=added(repo, "mallory"))
    tufrepo.rotate(repo.directory, keys_of(repo, FIRST), mallory)
    shown: list[Joining] = []

    def agree(joining: Joining) -> bool:
        shown.append(joining)
        return False

    change = Rotation(("root",), add=added(repo))
    with pytest.raises(RepositoryRefused, match="was not signed"):
        tufrepo.rotate(repo.directory, keys_of(repo, SECOND), change, agree=agree)
    assert any("+ key mallory" in line for line in shown[0].keys)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (Rotation(("root",), threshold=4), "4 signatures and has 3 keys"),
        (Rotation(("root",), remove=(SECOND, THIRD)), "2 signatures and has 1 keys"),
        (Rotation(("root",), threshold=2), "changes nothing"),
        (Rotation(remove=("nobody",)), "no key is called nobody"),
    ],
)
def test_a_rotation_that_nobody_could_meet_is_refused(
    repo: GovRepo, change: Rotation, sentence: str
) -> None:
    with pytest.raises(RepositoryRefused, match=sentence):
        tufrepo.rotate(repo.directory, keys_of(repo, FIRST), change)
    assert not (repo.directory / "pending").exists()


def test_only_a_holder_rotates(repo: GovRepo) -> None:
    with pytest.raises(RepositoryRefused, match="none of the keys at hand may sign root"):
        tufrepo.rotate(repo.directory, keys_of(repo, "ci"), Rotation(("root",), threshold=1))


def test_the_command_makes_a_key_once(repo: GovRepo) -> None:
    folder = keys_of(repo, FIRST)
    args = ("rotate", repo.directory, "--keys", folder, "--remove", THIRD, "--add", NEW)
    assert run("rotate", repo.directory, "--keys", folder, "--add", NEW).exit_code == 2
    first = run(*args)
    assert first.exit_code == 0, first.output
    made = (folder / f"{NEW}.pem").read_bytes()
    assert run(*args).exit_code == 1
    assert (folder / f"{NEW}.pem").read_bytes() == made
    assert len(load_keys(folder)) == 2
