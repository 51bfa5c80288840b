"""The CI templates of a governance repository: each command is one, and what they do holds."""

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import yaml
from click.testing import CliRunner

from interlock.cli.governance import governance
from support.govrepo import HOLDERS, held, keys_of
from support.policies import targets

FOLDER = Path(__file__).parents[4] / "pipelines/templates/governance"
FORGES = ("gitea", "github", "gitlab")


def texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from texts(each)


def commands(forge: str) -> list[list[str]]:
    """The arguments of each `interlock governance` in a template."""
    document = yaml.safe_load((FOLDER / f"{forge}.yml").read_text())
    lines = [line.strip() for text in texts(document) for line in text.splitlines()]
    begin = "interlock governance "
    return [shlex.split(line)[2:] for line in lines if line.startswith(begin)]


@pytest.mark.parametrize("forge", FORGES)
def test_each_command_is_one_that_the_program_takes(forge: str) -> None:
    verbs = []
    for verb, *rest in commands(forge):
        command = governance.get_command(click.Context(governance), verb)
        assert command, verb
        known = {name for one in command.params for name in one.opts}
        assert [word for word in rest if re.match(r"--?[a-z]", word) and word not in known] == []
        verbs.append(verb)
    assert sorted(verbs) == ["diff", "lint", "sign", "verify"]


@pytest.mark.parametrize("forge", FORGES)
def test_a_pull_request_never_sees_the_key(forge: str) -> None:
    document = yaml.safe_load((FOLDER / f"{forge}.yml").read_text())
    jobs = document.get("jobs", document)
    assert not any("CI_KEY" in text for text in texts(jobs["check"]))
    assert any("CI_KEY" in text for text in texts(jobs["sign"]))


def test_the_templates_steps_let_a_signed_proposal_count(tmp_path: Path) -> None:
    """What a runner would do, with a real clone: check on the branch, sign on main."""
    repo = held(tmp_path)
    origin, work, root = tmp_path / "origin.git", repo.directory, tmp_path / "root.json"
    root.write_bytes(repo.bootstrap)
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch=main", str(origin))
    git(work, "init", "--quiet", "--initial-branch=main")
    git(work, "remote", "add", "origin", str(origin))
    pushed(work, "main")
    git(work, "checkout", "--quiet", "-b", "proposal")
    repo.edit("tiers.yaml", targets()["tiers.yaml"] + b"# more\n")
    codes = [check(work, root)]
    for name in HOLDERS[:2]:
        assert run("sign", str(work), "--yes", "--keys", str(keys_of(repo, name))) == 0
        pushed(work, "proposal")
        codes.append(check(work, root))
    assert codes == [1, 1, 0]
    git(work, "checkout", "--quiet", "main")
    git(work, "merge", "--quiet", "--no-edit", "proposal")
    assert run("sign", str(work), "--keys", str(keys_of(repo, "ci"))) == 0
    pushed(work, "main")
    assert repo.load().targets["tiers.yaml"].endswith(b"# more\n")
    assert check(work, root) == 0


def check(work: Path, root: Path) -> int:
    assert run("diff", str(work), "--from", "origin/main") == 0
    return run("verify", str(work), "--root", str(root), "--since", "origin/main")


def run(*args: str) -> int:
    return CliRunner().invoke(governance, args).exit_code


def pushed(work: Path, branch: str) -> None:
    git(work, "add", "--all")
    git(work, "commit", "--quiet", "--no-gpg-sign", "--message=policy")
    git(work, "push", "--quiet", "origin", branch)


def git(folder: Path, *args: str) -> None:
    who = ("-c", "user.name=security", "-c", "user.email=security@example.com")
    subprocess.run(["git", *who, "-C", str(folder), *args], check=True)
