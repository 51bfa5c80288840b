"""Root and targets are signed by k of n holders, one after another; before that nothing counts."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from interlock.cli import tufrepo
from interlock.cli.governance import governance
from interlock.cli.tufinit import Holders
from interlock.cli.tufkeys import RepositoryRefused, new_keys, public_key, show_key
from interlock.cli.tufstate import Open, Want
from interlock.policy.parse import PolicyError
from interlock.policy.revocations import RevokedDigest
from support.govrepo import HOLDERS, GovRepo, held, keys_of
from support.policies import targets

FIRST, SECOND, THIRD = HOLDERS
ONLINE = ("ci", "oncall")


def run(*args: object, answer: str = "") -> Result:
    return CliRunner().invoke(governance, [str(arg) for arg in args], input=answer)


@pytest.fixture
def repo(tmp_path: Path) -> GovRepo:
    return held(tmp_path)


def edit(repo: GovRepo, comment: bytes = b"# more\n") -> bytes:
    data = targets()["tiers.yaml"] + comment
    repo.edit("tiers.yaml", data)
    return data


def sign(repo: GovRepo, *names: str) -> tufrepo.Signed:
    return tufrepo.sign(repo.directory, keys_of(repo, *names))


def in_force(repo: GovRepo) -> bytes:
    return repo.load().targets["tiers.yaml"]


def test_one_command_sets_up_two_of_three(repo: GovRepo) -> None:
    roles = {each.role: each for each in tufrepo.status(repo.directory).roles}
    for role in ("root", "targets"):
        assert (roles[role].threshold, roles[role].keys) == (2, HOLDERS)
    assert (roles["revocations"].threshold, roles["revocations"].keys) == (1, ("oncall",))
    assert (roles["snapshot"].threshold, roles["snapshot"].keys) == (1, ONLINE)
    assert repo.load().targets == targets()


def test_one_signature_of_two_changes_nothing_that_counts(repo: GovRepo) -> None:
    edit(repo)
    signed = sign(repo, FIRST)
    assert (signed.published, signed.added) == ({}, {"targets": 2})
    assert signed.open == (Open("targets", 2, (FIRST,), (Want(1, (SECOND, THIRD)),)),)
    assert in_force(repo) == targets()["tiers.yaml"]
    assert repo.load().versions["targets"] == 1


def test_the_second_completes_it_and_ci_lets_it_count(repo: GovRepo) -> None:
    data = edit(repo)
    sign(repo, FIRST)
    signed = sign(repo, SECOND)
    assert signed.open[-1] == Open("snapshot", 2, (), (Want(1, ONLINE),))
    assert in_force(repo) != data
    assert sign(repo, "ci").published == {"targets": 2, "snapshot": 2, "timestamp": 2}
    assert in_force(repo) == data
    assert list((repo.directory / "pending").iterdir()) == []
    assert tufrepo.status(repo.directory).open == ()


def test_no_holder_proposes_what_is_no_policy(repo: GovRepo) -> None:
    repo.edit("tiers.yaml", b"tiers: {low: {gates: [no-such-gate]}}")
    with pytest.raises(PolicyError, match="no gate is called no-such-gate"):
        sign(repo, FIRST)
    assert not (repo.directory / "pending").exists()


def test_the_same_holder_twice_is_one(repo: GovRepo) -> None:
    edit(repo)
    sign(repo, FIRST)
    assert sign(repo, FIRST, "ci").published == {"timestamp": 2}
    assert repo.load().versions["targets"] == 1


def test_ci_signs_the_time_whatever_waits(repo: GovRepo) -> None:
    edit(repo)
    sign(repo, FIRST)
    repo.edit("people.yaml", b"no policy at all")
    signed = sign(repo, "ci")
    assert signed.published == {"timestamp": 2}
    assert signed.unsigned == ("people.yaml",)
    assert [each.signed for each in signed.open] == [(FIRST,)]


def test_an_edit_after_a_signature_drops_it_and_says_so(repo: GovRepo) -> None:
    edit(repo)
    sign(repo, FIRST)
    edit(repo, b"# something else\n")
    signed = sign(repo, SECOND)
    assert [each.signed for each in signed.open] == [(SECOND,)]
    assert f"when {FIRST} signed" in signed.dropped[0]


def test_an_edit_that_is_taken_back_takes_the_proposal_back(repo: GovRepo) -> None:
    edit(repo)
    sign(repo, FIRST)
    repo.edit("tiers.yaml", targets()["tiers.yaml"])
    assert sign(repo, SECOND).open == ()


def test_a_revocation_does_not_wait_for_a_proposal(repo: GovRepo) -> None:
    edit(repo)
    sign(repo, FIRST)
    leak = RevokedDigest(digest="a" * 64, reason="leaks")
    signed = tufrepo.revoke(repo.directory, keys_of(repo, "oncall"), leak)
    assert signed.published == {"revocations": 2, "snapshot": 2, "timestamp": 2}
    assert b"leaks" in repo.load().targets["revocations.yaml"]
    assert [each.role for each in signed.open] == ["targets"]


def test_a_holder_is_shown_what_another_proposed(repo: GovRepo) -> None:
    repo.edit("people.yaml", targets()["people.yaml"].replace(b"- sre\n", b"- quality\n"))
    sign(repo, FIRST)
    keys = keys_of(repo, SECOND)
    refused = run("sign", repo.directory, "--keys", keys, answer="n\n")
    assert refused.exit_code == 1
    assert f"targets 2, signed by {FIRST}:" in refused.output
    assert "person sre-1" in refused.output
    assert "roles: + quality" in refused.output
    assert tufrepo.status(repo.directory).open[0].signed == (FIRST,)
    agreed = run("sign", repo.directory, "--keys", keys, answer="y\n")
    assert agreed.exit_code == 0, agreed.output
    assert f"targets 2, signed by {FIRST}, {SECOND}, has all its signatures." in agreed.output


def test_sign_says_who_is_missing(repo: GovRepo) -> None:
    edit(repo)
    output = run("sign", repo.directory, "--keys", keys_of(repo, FIRST)).output
    assert f"targets 2, signed by {FIRST}, waits for 1 of {SECOND}, {THIRD}." in output
    assert "which does not count yet" in output
    assert f"waits for 1 of {SECOND}, {THIRD}" in run("status", repo.directory).output


def test_keys_that_may_not_sign_what_changed_are_refused(repo: GovRepo, tmp_path: Path) -> None:
    edit(repo)
    new_keys(tmp_path / "strange", ["stranger"])
    result = run("sign", repo.directory, "--keys", tmp_path / "strange")
    assert result.exit_code == 1
    assert "may sign that" in result.output


def test_nothing_to_sign_is_no_error(repo: GovRepo) -> None:
    result = run("sign", repo.directory, "--keys", keys_of(repo, FIRST))
    assert (result.exit_code, result.output) == (
        0,
        "There is nothing that these keys could sign.\n",
    )


def test_a_ceremony_with_keys_that_nobody_else_ever_had(tmp_path: Path) -> None:
    shown = {}
    for name in HOLDERS:
        result = run("key", name, "--keys", tmp_path / name)
        assert result.exit_code == 0, result.output
        shown[name] = tmp_path / name / f"{name}.pub"
    holders = [word for name, file in shown.items() for word in ("--holder", f"{name}={file}")]
    directory, keys = tmp_path / "repo", tmp_path / "made"
    result = run("init", directory, "--keys", keys, *holders, "--threshold", "2")
    assert result.exit_code == 0, result.output
    assert "root 1 waits for 2 of" in result.output
    assert sorted(file.stem for file in keys.iterdir()) == ["ci", "oncall"]
    assert (
        "waits for signatures"
        in json.loads(run("status", directory, "-o", "json").output)["refused"]
    )
    for name in HOLDERS[:2]:
        signed = run("sign", directory, "--keys", tmp_path / name, "--yes")
        assert signed.exit_code == 0, signed.output
        assert "root: + key security-3" in signed.output
    assert not (directory / "metadata").exists()
    assert tufrepo.sign(directory, keys).published.keys() == {*ROLES}
    assert tufrepo.status(directory).refused == ""


ROLES = ("root", "targets", "revocations", "snapshot", "timestamp")


@pytest.mark.parametrize(
    ("holders", "sentence"),
    [
        (Holders(("a", "b"), {}, 3), "3 of 2 holders cannot sign"),
        (Holders(("a", "a"), {}, 2), "called the same"),
        (Holders(("../a",), {}, 1), "cannot be called"),
    ],
)
def test_holders_that_cannot_be_make_no_key(
    tmp_path: Path, holders: Holders, sentence: str
) -> None:
    with pytest.raises(RepositoryRefused, match=sentence):
        tufrepo.init(tmp_path / "repo", tmp_path / "keys", targets(), holders)
    assert not (tmp_path / "keys").exists()
    assert not (tmp_path / "repo").exists()


def test_one_key_under_two_names_is_not_two_holders(tmp_path: Path) -> None:
    new_keys(tmp_path / "mine", ["a"])
    file = show_key(tmp_path / "mine", "a")
    shown = {name: public_key(name, file) for name in ("a", "b")}
    with pytest.raises(RepositoryRefused, match="2 signatures and has 1 keys"):
        tufrepo.init(tmp_path / "repo", tmp_path / "keys", targets(), Holders((), shown, 2))


def test_what_ends_soon_is_proposed_again(repo: GovRepo) -> None:
    folder = keys_of(repo, FIRST)
    signed = tufrepo.sign(repo.directory, folder, expires=timedelta(days=100))
    assert signed.added == {"targets": 2}


def test_a_file_that_is_no_public_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.pub").write_bytes(b"none")
    holder = f"security-1={tmp_path / 'x.pub'}"
    result = run("init", tmp_path / "r", "--keys", tmp_path / "k", "--holder", holder)
    assert (result.exit_code, "is no public key in PEM" in result.output) == (1, True)
