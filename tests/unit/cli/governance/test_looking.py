"""The commands that look: what Interlock would take, what changes for whom, what a team may."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from interlock.cli import ground, tufrepo
from interlock.cli.governance import governance
from interlock.cli.tufkeys import new_keys, own_key
from interlock.cli.tufroles import Rotation
from support.govrepo import HOLDERS, GovRepo, held, keys_of
from support.policies import documents, good_policy, targets

FIRST, SECOND, _ = HOLDERS


def run(*args: object) -> Result:
    return CliRunner().invoke(governance, [str(arg) for arg in args])


def said(*args: object) -> Any:
    result = run(*args, "-o", "json")
    assert result.exit_code == 0, result.output
    return json.loads(result.output)


def git(repo: GovRepo, *args: str) -> None:
    who = ("-c", "user.name=security", "-c", "user.email=security@example.com")
    subprocess.run(["git", *who, "-C", str(repo.directory), *args], check=True)


def commit(repo: GovRepo, message: str = "policy") -> None:
    git(repo, "add", "--all")
    git(repo, "commit", "--quiet", "--no-gpg-sign", f"--message={message}")


@pytest.fixture
def repo(tmp_path: Path) -> GovRepo:
    found = held(tmp_path)
    git(found, "init", "--quiet", "--initial-branch=main")
    commit(found)
    return found


@pytest.fixture
def root(repo: GovRepo, tmp_path: Path) -> Path:
    file = tmp_path / "root.json"
    file.write_bytes(repo.bootstrap)
    return file


def edit(repo: GovRepo, **changes: Any) -> None:
    for name, data in targets(**changes).items():
        repo.edit(name, data)


def test_verify_takes_what_is_whole(repo: GovRepo, root: Path) -> None:
    result = run("verify", repo.directory, "--root", root, "--since", "main")
    assert result.exit_code == 0, result.output
    assert "root 1, timestamp 1" in result.output
    assert good_policy().digest in result.output


def test_verify_without_a_root_says_what_it_rests_on(repo: GovRepo) -> None:
    assert "From its own first root" in run("verify", repo.directory).output


def test_verify_refuses_what_is_not_signed_yet(repo: GovRepo, root: Path) -> None:
    repo.edit("tiers.yaml", targets()["tiers.yaml"] + b"# more\n")
    result = run("verify", repo.directory, "--root", root)
    assert (result.exit_code, "tiers.yaml is not signed" in result.output) == (1, True)
    tufrepo.sign(repo.directory, keys_of(repo, FIRST))
    result = run("verify", repo.directory, "--root", root)
    assert (result.exit_code, "waits for 1 of" in result.output) == (1, True)


def test_verify_refuses_another_root(repo: GovRepo, tmp_path: Path) -> None:
    other = held(tmp_path / "other")
    (tmp_path / "root.json").write_bytes(other.bootstrap)
    result = run("verify", repo.directory, "--root", tmp_path / "root.json")
    assert (result.exit_code, "was signed by 0/" in result.output) == (1, True)


def test_verify_refuses_what_is_older_than_a_commit(repo: GovRepo, root: Path) -> None:
    old = repo.copy("old")
    tufrepo.sign(repo.directory, keys_of(repo, "ci"))
    commit(repo)
    git(repo, "checkout", "--quiet", "-b", "back")
    for file in (old.directory / "metadata").iterdir():
        (repo.directory / "metadata" / file.name).write_bytes(file.read_bytes())
    result = run("verify", repo.directory, "--root", root, "--since", "main")
    assert (result.exit_code, "older file" in result.output) == (1, True)


def test_verify_refuses_an_older_root_with_all_that_was_signed_under_it(
    repo: GovRepo, root: Path
) -> None:
    """Keys that were taken out would count again for whoever starts from the first root."""
    old = repo.copy("old")
    new_keys(repo.keys / "ci-2", ["ci-2"])
    change = Rotation(add={"ci-2": own_key(repo.keys / "ci-2", "ci-2")}, remove=("ci",))
    tufrepo.rotate(repo.directory, keys_of(repo, FIRST), change)
    tufrepo.sign(repo.directory, keys_of(repo, SECOND, "ci-2"))
    assert repo.load().versions["root"] == 2
    commit(repo)
    git(repo, "checkout", "--quiet", "-b", "back")
    shutil.rmtree(repo.directory / "metadata")
    shutil.copytree(old.directory / "metadata", repo.directory / "metadata")
    assert run("verify", repo.directory, "--root", root).exit_code == 0
    result = run("verify", repo.directory, "--root", root, "--since", "main")
    assert (result.exit_code, "was verified before" in result.output) == (1, True), result.output


def test_verify_refuses_a_commit_that_is_not_there(repo: GovRepo, root: Path) -> None:
    result = run("verify", repo.directory, "--root", root, "--since", "no-such")
    assert (result.exit_code, "has no governance" in result.output) == (2, True)


def test_diff_of_nothing(repo: GovRepo) -> None:
    assert run("diff", repo.directory).output == "Nothing changes.\n"


def test_diff_says_for_whom(repo: GovRepo) -> None:
    docs = documents()
    docs["tiers"]["tiers"]["high"]["quorum"] = [{"role": "quality", "count": 2}]
    docs["namespaces"]["namespaces"]["line-4"]["grants"]["models"].append({"name": "night-*"})
    docs["namespaces"]["namespaces"]["line-9"] = {"environment": "test"}
    docs["people"]["people"][3]["roles"] = ["quality"]
    edit(repo, **{name: docs[name] for name in ("tiers", "namespaces", "people")})
    output = run("diff", repo.directory).output
    assert "namespace line-4\n  grants.models: + registry default, name night-*" in output
    assert "namespace line-9\n  is new" in output
    assert "person sre-1   (may approve in line-4 (high), line-4 (safety), lab (medium)," in output
    assert "  roles: - sre\n  roles: + quality\n" in output
    assert "tier high   (namespaces lab, line-4, line-9)" in output
    assert "quorum: - role ot-safety, count 1" in output
    assert "tier low" not in output


def test_diff_of_keys_that_are_proposed(repo: GovRepo) -> None:
    change = Rotation(("root",), threshold=1)
    tufrepo.rotate(repo.directory, keys_of(repo, FIRST), change)
    assert said("diff", repo.directory)["keys"] == ["root: signatures needed: 2 → 1"]


def test_diff_against_a_branch_and_between_commits(repo: GovRepo) -> None:
    git(repo, "checkout", "--quiet", "-b", "proposal")
    tiers = documents()["tiers"]
    tiers["tiers"]["low"]["minimumBake"] = "9m"
    edit(repo, tiers=tiers)
    commit(repo)
    git(repo, "checkout", "--quiet", "main")
    assert run("diff", repo.directory).output == "Nothing changes.\n"
    (change,) = said("diff", repo.directory, "--to", "proposal")["changes"]
    assert (change["subject"], change["lines"]) == ("tier low", ["minimumBake: 1s → 9m"])
    git(repo, "checkout", "--quiet", "proposal")
    (change,) = said("diff", repo.directory, "--from", "main")["changes"]
    assert change["subject"] == "tier low"


def test_diff_shows_keys_by_their_fingerprints(repo: GovRepo) -> None:
    people = documents()["people"]
    line = people["people"][4]["keys"][0]["ssh"]
    people["people"][4]["keys"] = []
    people["people"][4]["roles"] = []
    edit(repo, people=people)
    output = run("diff", repo.directory).output
    assert "keys: - ssh SHA256:" in output
    assert line not in output


def test_diff_of_a_repository_that_never_counted(repo: GovRepo, tmp_path: Path) -> None:
    (tmp_path / "fresh/targets").mkdir(parents=True)
    for name, data in targets().items():
        (tmp_path / "fresh/targets" / name).write_bytes(data)
    assert "namespace line-4\n  is new" in run("diff", tmp_path / "fresh").output


def test_explain_says_what_a_namespace_may_and_who_decides(repo: GovRepo) -> None:
    output = run("explain", "line-4", "--directory", repo.directory).output
    assert "line-4: environment production, tier high or above, at most 10 replicas" in output
    assert "models     default/press-*, default/line-vision" in output
    assert "https://git.example/line-4/agents.git refs/heads/main, path agents" in output
    assert "approval   1 of role quality: quality-1, quality-2" in output
    assert "Tier high" in output
    assert "Tier medium" not in output
    lab = said("explain", "lab", "--directory", repo.directory)
    assert list(lab["tiers"]) == ["low", "medium", "high", "safety"]
    assert lab["grants"]["models"] == []


def test_explain_reads_what_is_in_force(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("cluster: factory\n")
    monkeypatch.setattr(ground, "rules", lambda _: ground.Rules(good_policy(), {}))
    result = run("explain", "lab", "--config", tmp_path / "config.yaml")
    assert result.exit_code == 0, result.output
    assert "  nowhere: no repository is named" in result.output
    result = run("explain", "nowhere", "--config", tmp_path / "config.yaml")
    assert (result.exit_code, "It knows: lab, line-4." in result.output) == (1, True)


@pytest.mark.parametrize("folder", ["targets", "metadata", "pending"])
def test_a_symbolic_link_is_not_read(repo: GovRepo, tmp_path: Path, folder: str) -> None:
    """It would bring a file of the holder's machine into what the holder signs."""
    (tmp_path / "secret").write_bytes(b"secret")
    (repo.directory / folder).mkdir(exist_ok=True)
    (repo.directory / folder / "tires.yaml").symlink_to(tmp_path / "secret")
    for command in (("status", repo.directory), ("diff", repo.directory)):
        result = run(*command)
        assert (result.exit_code, "is a symbolic link" in result.output) == (1, True)


def test_a_file_without_end_is_not_read(repo: GovRepo) -> None:
    repo.edit("people.yaml", bytes(1_000_000))
    result = run("status", repo.directory)
    assert (result.exit_code, "has more than" in result.output) == (1, True)


def test_lint_gives_advice_with_the_reason(repo: GovRepo) -> None:
    result = run("lint", repo.directory)
    assert result.exit_code == 1
    assert "namespaces.yaml: lab: the tiers medium, high, safety ask for approvals" in result.output
    docs = documents()
    del docs["namespaces"]["namespaces"]["lab"]
    docs["tiers"]["tiers"] = {"low": docs["tiers"]["tiers"]["low"]}
    docs["namespaces"]["namespaces"]["line-4"]["minimumTier"] = "low"
    edit(repo, namespaces=docs["namespaces"], tiers=docs["tiers"])
    found = json.loads(CliRunner().invoke(governance, lint_json(repo)).stdout)
    assert all("line-4: a manifest may ask for the tiers" in each for each in found)


def lint_json(repo: GovRepo) -> list[str]:
    return ["lint", str(repo.directory), "-o", "json"]


@pytest.mark.parametrize("folder", ["metadata", "pending", "targets"])
def test_a_folder_that_leads_elsewhere_is_not_written_to(
    repo: GovRepo, tmp_path: Path, folder: str
) -> None:
    """Whoever may push would choose where the one who signs writes files."""
    repo.edit("tiers.yaml", targets()["tiers.yaml"] + b"# more\n")
    elsewhere = tmp_path / "elsewhere"
    there = repo.directory / folder
    if there.exists():
        there.rename(elsewhere)
    elsewhere.mkdir(exist_ok=True)
    before = {file: file.read_bytes() for file in elsewhere.iterdir()}
    there.symlink_to(elsewhere)
    result = run("sign", repo.directory, "--keys", keys_of(repo, FIRST))
    assert (result.exit_code, f"{folder} is a symbolic link" in result.output) == (1, True)
    assert {file: file.read_bytes() for file in elsewhere.iterdir()} == before
