"""Attacks on the person who approves: sign what was not shown, or as somebody else."""

import io
from pathlib import Path
from typing import Any

import pytest

from support import facts
from support.approver import Desk, desk


@pytest.fixture
def team(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    return desk(tmp_path, monkeypatch)


def said(capsys: pytest.CaptureFixture[str]) -> str:
    captured = capsys.readouterr()
    return captured.out + captured.err


async def nothing_was_pushed(team: Desk) -> bool:
    return await team.read() == ([], [])


async def test_a_file_that_is_not_committed(team: Desk, capsys: Any) -> None:
    team.write(facts.spec(port=9090))
    assert team.approve("quality-1") == 1
    assert "differs from what is committed" in said(capsys)
    assert await nothing_was_pushed(team)


async def test_a_file_that_git_does_not_know(team: Desk, capsys: Any) -> None:
    team.git("rm", "--quiet", "--cached", facts.PATH)
    team.git("-c", "user.name=d", "-c", "user.email=d@x.example", "commit", "-qm", "gone")
    assert team.approve("quality-1") == 1
    assert "is not committed" in said(capsys)


async def test_a_key_that_people_yaml_does_not_know(team: Desk, capsys: Any) -> None:
    assert team.approve("stranger") == 1
    assert "belongs to nobody in people.yaml" in said(capsys)
    assert await nothing_was_pushed(team)


async def test_another_persons_name(team: Desk, capsys: Any) -> None:
    assert team.approve("quality-1", "--person", "quality-2") == 1
    assert "is quality-1's, not quality-2's" in said(capsys)
    assert await nothing_was_pushed(team)


async def test_a_role_that_the_person_does_not_hold(team: Desk, capsys: Any) -> None:
    assert team.approve("quality-1", "--role", "ot-safety") == 1
    assert "quality-1 holds quality, not the role ot-safety" in said(capsys)
    assert await nothing_was_pushed(team)


async def test_a_role_that_nobody_asks_for(team: Desk, capsys: Any) -> None:
    assert team.approve("sre-1") == 1
    assert "approvals are open to the roles ot-safety, quality" in said(capsys)


async def test_a_clone_of_another_repository(team: Desk, capsys: Any) -> None:
    team.git("remote", "set-url", "origin", "https://git.example/mallory/agents.git")
    assert team.approve("quality-1") == 1
    assert "governance lets no remote of this clone deliver" in said(capsys)


async def test_a_host_that_only_looks_like_ours(team: Desk) -> None:
    team.git("remote", "set-url", "origin", "https://evil.example/git.example/line-4/agents.git")
    assert team.approve("quality-1") == 1


async def test_a_line_that_is_made_up_inside_a_value(team: Desk, capsys: Any) -> None:
    """A newline in a value must not show the approver a field that is not there."""
    team.commit(facts.spec(env={"NOTE": "fine\n  port  8080 → 9090"}))
    assert team.approve("quality-1") == 0
    assert "fine\\u000a  port  8080" in said(capsys)


async def test_text_that_reorders_the_screen(team: Desk, capsys: Any) -> None:
    team.commit(facts.spec(env={"NOTE": "fine\u202e"}))
    assert team.approve("quality-1") == 2
    assert "hides or reorders text" in said(capsys)


async def test_saying_no_pushes_nothing(
    team: Desk, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    args = ["--serving", "none", "--key", str(team.key("quality-1"))]
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    assert team.run("approve", *args, yes=False) == 1
    assert await nothing_was_pushed(team)


UNREADABLE = {
    "a key that occurs twice": "spec: {{}}\n{text}",
    "an alias": "{text}\n  env: &e {{A: b}}\n  secrets: *e\n",
    "a tag": "{text}\n  env: !!python/object:os.system {{A: b}}\n",
    "a field that nobody knows": "{text}\n  initContainers: []\n",
    "a second document": "{text}\n---\n{text}",
    "a direction mark": "{text}\n  # \u202eedoc\n",
    "a control character": "{text}\n  # \x1b[2K\n",
}


@pytest.mark.parametrize("trick", UNREADABLE)
async def test_a_file_that_people_and_parsers_read_differently(
    team: Desk, capsys: Any, trick: str
) -> None:
    text = team.file.read_text().rstrip("\n")
    team.file.write_text(UNREADABLE[trick].format(text=text))
    team.git("-c", "user.name=d", "-c", "user.email=d@x.example", "commit", "-qam", "trick")
    assert team.approve("quality-1") == 2
    assert facts.PATH.rpartition("/")[2] in said(capsys)
    assert await nothing_was_pushed(team)


async def test_a_link_in_the_place_of_the_file(team: Desk) -> None:
    """A reviewer of the link sees a path; what it leads to changes without it."""
    (team.clone / "elsewhere.yaml").write_bytes(team.file.read_bytes())
    team.file.unlink()
    team.file.symlink_to("../elsewhere.yaml")
    team.git("add", "--all")
    team.git("-c", "user.name=d", "-c", "user.email=d@x.example", "commit", "-qm", "link")
    assert team.approve("quality-1") != 0
    assert await nothing_was_pushed(team)


async def test_a_submodule_in_the_place_of_its_folder(team: Desk) -> None:
    team.git("rm", "-rq", "--cached", "agents")
    cacheinfo = f"160000,{'ab' * 20},agents"
    team.git("update-index", "--add", "--cacheinfo", cacheinfo)
    team.git("-c", "user.name=d", "-c", "user.email=d@x.example", "commit", "-qm", "module")
    assert team.approve("quality-1") == 1
    assert await nothing_was_pushed(team)


def test_references_that_may_mean_something_else_tomorrow(team: Desk, capsys: Any) -> None:
    team.commit(facts.spec(image="registry.example/agents/press-scheduler:latest"))
    assert team.approve("quality-1") == 1
    assert "without a digest: image" in said(capsys)
