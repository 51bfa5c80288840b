"""`propose` writes digests into the file, commits on a branch of its own, and pushes it once."""

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import run
from typing import Any

import pytest
from click.testing import CliRunner, Result

from interlock.cli import ground
from interlock_pipelines.main import main
from support import policies
from support.gitrepos import Repo

EXAMPLE = Path(__file__).parents[3] / "examples" / "press-scheduler" / "agent.yaml"
AGENT = "agents/press.yaml"
NEW = {
    "name": "press-scheduler",
    "version": "2",
    "tree": f"sha256:{'1' * 64}",
    "volume": f"registry.example/models/press-scheduler@sha256:{'2' * 64}",
}
IMAGE = f"registry.example/agents/press-scheduler:1.5.0@sha256:{'3' * 64}"


class Team:
    """A bare repository, the user's clone of it, and the command in that clone."""

    def __init__(self, folder: Path) -> None:
        self.remote = Repo(folder / "remote.git")
        self.base = self.remote.commit({AGENT: EXAMPLE.read_bytes(), "README": b"hello"})
        self.clone = folder / "clone"
        run(["git", "clone", "-q", str(folder / "remote.git"), str(self.clone)], check=True)
        self.git("config", "user.name", "developer-1")
        self.git("config", "user.email", "developer-1@line-4.example")
        self.file = self.clone / AGENT
        self.published = folder / "published.json"
        self.published.write_text(json.dumps({"model": NEW, "image": {"image": IMAGE}}))

    def git(self, *args: str) -> str:
        done = run(["git", "-C", str(self.clone), *args], check=True, capture_output=True)
        return done.stdout.decode().rstrip("\n")

    def propose(self, *more: str | Path) -> Result:
        arguments = ["propose", self.file, "--published", self.published, *more]
        return CliRunner().invoke(main, list(map(str, arguments)))

    def json(self, *more: str | Path) -> Any:
        result = self.propose(*more, "-o", "json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    def branches(self) -> dict[str, str]:
        lines = self.remote.git("for-each-ref", "--format=%(refname) %(objectname)").splitlines()
        return dict(line.split() for line in lines)


@pytest.fixture
def team(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Team:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.delenv("INTERLOCK_CONFIG", raising=False)
    return Team(tmp_path)


def test_the_digests_are_on_a_branch_and_nothing_else_changed(team: Team) -> None:
    said = team.json()
    commit = team.branches()[f"refs/heads/{said['branch']}"]
    assert (commit, team.remote.git("rev-parse", f"{commit}^@")) == (said["commit"], team.base)
    old, new = EXAMPLE.read_text(), team.remote.git("show", f"{commit}:{AGENT}") + "\n"
    differs = [(a, b) for a, b in zip(old.splitlines(), new.splitlines(), strict=True) if a != b]
    assert [b.strip() for _, b in differs] == [
        f"image: {IMAGE}",
        'version: "2"',
        f"tree: {NEW['tree']}",
        f"volume: {NEW['volume']}",
    ]
    assert team.remote.git("diff", "--name-only", team.base, commit) == AGENT
    assert said["branch"] == f"interlock/press-scheduler-{said['content'][:10]}"
    assert {one["field"] for one in said["changed"]} == {
        *("image", "model.version", "model.tree", "model.volume")
    }


def test_the_working_copy_and_the_index_stay_as_they_are(team: Team) -> None:
    (team.clone / "README").write_text("unfinished")
    (team.clone / "other").write_text("staged")
    team.git("add", "other")
    before = team.git("status", "--porcelain=v2", "--branch")
    team.json()
    assert team.git("status", "--porcelain=v2", "--branch") == before
    assert team.file.read_bytes() == EXAMPLE.read_bytes()


def test_started_again_it_pushes_nothing_new(team: Team) -> None:
    first = team.json()
    assert team.json() == first
    assert len(team.branches()) == 2


def test_a_push_that_failed_is_taken_up_with_the_same_commit(team: Team) -> None:
    away = team.remote.path.rename(team.remote.path.with_name("away"))
    failed = team.propose()
    assert failed.exit_code == 3
    assert "git ls-remote failed" in failed.stderr
    (branch,) = team.git("branch", "--list", "interlock/*", "--format=%(objectname)").splitlines()
    away.rename(team.remote.path)
    assert team.json()["commit"] == branch


def test_a_file_that_is_not_committed_yet_is_proposed_as_it_lies_there(team: Team) -> None:
    team.file.write_text(team.file.read_text().replace("LOG_LEVEL: info", "LOG_LEVEL: debug"))
    other = team.clone / "agents" / "limits.yaml"
    other.write_text("kind: ConfigMap\n")
    said = team.json("--also", other)
    assert "env.LOG_LEVEL" in {one["field"] for one in said["changed"]}
    assert team.remote.git("show", f"{said['commit']}:agents/limits.yaml") == "kind: ConfigMap"


def test_a_dry_run_says_it_all_and_writes_nothing(team: Team) -> None:
    result = team.propose("--dry-run")
    assert result.exit_code == 0, result.output
    assert f"image  {_old()} → {IMAGE}" in result.stdout
    assert "Would propose line-4/press-scheduler" in result.stdout
    assert len(team.branches()) == 1
    assert team.git("branch", "--list", "interlock/*") == ""


def _old() -> str:
    (line,) = [x for x in EXAMPLE.read_text().splitlines() if x.startswith("  image: ")]
    return line.removeprefix("  image: ")


def test_what_is_there_already_is_no_change(team: Team, tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["propose", str(team.file)])
    assert result.exit_code == 0, result.output
    assert "there is nothing to propose" in result.stdout
    assert len(team.branches()) == 1


def _elsewhere(team: Team) -> None:
    team.published.write_text(json.dumps({"model": NEW | {"name": "other"}}))


def _unpinned(team: Team) -> None:
    team.file.write_text(team.file.read_text().replace(f"{_old()}", "registry.example/a/b:1"))
    team.published.write_text(json.dumps({"model": NEW}))


def _garbage(team: Team) -> None:
    team.published.write_text("[]")


def _tagged(team: Team) -> None:
    team.published.write_text(json.dumps({"image": {"image": "registry.example/a/b:2"}}))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_elsewhere, "The file names model press-scheduler, published was other"),
        (_unpinned, "names no digest for image"),
        (_garbage, "is not what `interlock-pipeline publish -o json` prints"),
        (_tagged, "is not pinned"),
    ],
)
def test_what_nobody_could_approve_is_not_proposed(
    team: Team, spoil: Callable[[Team], None], said: str
) -> None:
    spoil(team)
    result = team.propose()
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr
    assert len(team.branches()) == 1


def test_a_branch_of_somebody_else_is_not_overwritten(team: Team) -> None:
    team.remote.commit({"x": b"y"}, ref="refs/heads/mine", parents=())
    result = team.propose("--branch", "mine")
    assert result.exit_code == 1
    assert "has a branch mine with another commit" in result.stderr
    assert team.remote.git("ls-tree", "--name-only", "refs/heads/mine") == "x"


def test_the_commit_is_signed_where_the_user_signs(team: Team, tmp_path: Path) -> None:
    key = tmp_path / "key"
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    for name, value in (("gpg.format", "ssh"), ("user.signingKey", f"{key}.pub")):
        team.git("config", name, value)
    team.git("config", "commit.gpgSign", "true")
    commit = team.json()["commit"]
    assert "gpgsig -----BEGIN SSH SIGNATURE-----" in team.remote.git("cat-file", "commit", commit)


def test_a_file_outside_of_any_clone_is_refused(team: Team, tmp_path: Path) -> None:
    outside = tmp_path / "agent.yaml"
    outside.write_bytes(EXAMPLE.read_bytes())
    result = CliRunner().invoke(main, ["propose", str(outside)])
    assert result.exit_code == 2
    assert "lies in no git repository" in result.stderr


def test_who_must_approve_is_what_governance_says(
    team: Team, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = policies.good_policy()
    monkeypatch.setattr(ground, "rules", lambda _: ground.Rules(policy, {}))
    config = tmp_path / "config.yaml"
    config.write_text("cluster: plant-1\n")
    quorum = policy.tiers.tiers["high"].quorum
    wanted = [slot.role for slot in quorum for _ in range(slot.count)]
    assert wanted
    assert team.json("--config", config)["approvals"] == wanted
    text = team.propose("--config", str(config)).stdout
    assert f"by distinct persons: {', '.join(wanted)}." in text
    assert f"interlock approve {AGENT}" in text
