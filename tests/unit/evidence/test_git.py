import base64
from pathlib import Path

import pytest

from interlock.api.config import Git
from interlock.evidence.git import GitRefused, GitUnavailable, Mirror, mirror_for
from interlock.evidence.gitaccess import credentials
from support.gitrepos import MAIN, Repo, mirror

APPROVALS = f"refs/approvals/{'ab' * 32}"


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return Repo(tmp_path / "remote.git")


@pytest.fixture
def mine(tmp_path: Path) -> Mirror:
    return mirror(tmp_path / "mirror.git")


async def test_a_fetched_file_is_read_back(repo: Repo, mine: Mirror) -> None:
    commit = repo.commit({"agents/a.yaml": b"one", "top.txt": b"two"})
    fetched = await mine.fetch(repo.url, {MAIN: MAIN})
    assert fetched.tips == {MAIN: commit}
    assert await mine.tip(MAIN) == commit
    assert await mine.read(commit, "agents/a.yaml") == b"one"
    assert await mine.read(commit, "top.txt") == b"two"
    below = [(entry.name, entry.size) for entry in await mine.tree(commit, "agents")]
    assert below == [("a.yaml", 3)]
    every = [entry.name for entry in await mine.tree(commit, recursive=True)]
    assert every == ["agents/a.yaml", "top.txt"]


async def test_a_ref_that_is_nowhere_is_no_error(repo: Repo, mine: Mirror) -> None:
    repo.commit({"a": b"1"})
    fetched = await mine.fetch(repo.url, {MAIN: MAIN, APPROVALS: APPROVALS})
    assert fetched.tips[APPROVALS] is None
    assert not fetched.refused
    assert await mine.tip(APPROVALS) is None


async def test_a_mirror_that_was_never_fetched_has_no_tips(mine: Mirror) -> None:
    assert await mine.tip(MAIN) is None


async def test_a_branch_moves_forward(repo: Repo, mine: Mirror) -> None:
    first = repo.commit({"a": b"1"})
    await mine.fetch(repo.url, {MAIN: MAIN})
    second = repo.commit({"a": b"2"})
    assert (await mine.fetch(repo.url, {MAIN: MAIN})).tips == {MAIN: second}
    assert await mine.is_ancestor(first, second)
    assert not await mine.is_ancestor(second, first)
    assert not await mine.is_ancestor("ab" * 20, second)


async def test_a_rewritten_branch_keeps_its_old_tip_and_says_so(repo: Repo, mine: Mirror) -> None:
    first = repo.commit({"a": b"1"})
    await mine.fetch(repo.url, {MAIN: MAIN})
    repo.commit({"a": b"2"}, parents=())
    fetched = await mine.fetch(repo.url, {MAIN: MAIN})
    assert fetched.tips == {MAIN: first}
    assert "does not continue it" in fetched.refused[MAIN]
    assert await mine.tip(MAIN) == first


async def test_a_deleted_branch_keeps_its_old_tip_and_says_so(repo: Repo, mine: Mirror) -> None:
    first = repo.commit({"a": b"1"})
    await mine.fetch(repo.url, {MAIN: MAIN})
    repo.git("update-ref", "-d", MAIN)
    fetched = await mine.fetch(repo.url, {MAIN: MAIN})
    assert fetched.tips == {MAIN: first}
    assert "gone from the server" in fetched.refused[MAIN]


async def test_approvals_may_grow_on_another_history(repo: Repo, mine: Mirror) -> None:
    repo.commit({"x.json": b"1"}, ref=APPROVALS)
    await mine.fetch(repo.url, {APPROVALS: APPROVALS})
    grown = repo.commit({"x.json": b"1", "y.json": b"2"}, ref=APPROVALS, parents=())
    fetched = await mine.fetch(repo.url, {APPROVALS: APPROVALS})
    assert fetched.tips == {APPROVALS: grown}


@pytest.mark.parametrize("files", [{"y.json": b"2"}, {"x.json": b"changed", "y.json": b"2"}])
async def test_approvals_that_lose_a_file_keep_their_old_tip(
    repo: Repo, mine: Mirror, files: dict[str, bytes]
) -> None:
    """Or a rejection could be pushed away."""
    first = repo.commit({"x.json": b"1"}, ref=APPROVALS)
    await mine.fetch(repo.url, {APPROVALS: APPROVALS})
    repo.commit(files, ref=APPROVALS)
    fetched = await mine.fetch(repo.url, {APPROVALS: APPROVALS})
    assert fetched.tips == {APPROVALS: first}
    assert "lost or changed x.json" in fetched.refused[APPROVALS]


async def test_nothing_is_left_in_quarantine(repo: Repo, mine: Mirror, tmp_path: Path) -> None:
    repo.commit({"a": b"1"})
    await mine.fetch(repo.url, {MAIN: MAIN})
    repo.commit({"a": b"2"}, parents=())
    await mine.fetch(repo.url, {MAIN: MAIN})
    left = [path for path in (tmp_path / "mirror.git").rglob("quarantine/**/*") if path.is_file()]
    assert not left


async def test_what_is_not_there_is_refused_in_a_sentence(repo: Repo, mine: Mirror) -> None:
    commit = repo.commit({"a": b"1"})
    await mine.fetch(repo.url, {MAIN: MAIN})
    with pytest.raises(GitRefused, match="has no file b"):
        await mine.read(commit, "b")
    with pytest.raises(GitRefused, match="has no folder c"):
        await mine.tree(commit, "c")
    with pytest.raises(GitRefused, match="no commit id"):
        await mine.tree("HEAD")


async def test_a_server_that_is_not_there_is_unavailable(mine: Mirror, tmp_path: Path) -> None:
    with pytest.raises(GitUnavailable, match="could not be fetched"):
        await mine.fetch(f"file://{tmp_path}/nowhere.git", {MAIN: MAIN})


async def test_the_history_is_that_of_the_file_on_every_branch(repo: Repo, mine: Mirror) -> None:
    base = repo.commit({"f": b"1", "g": b"1"})
    other = repo.commit({"f": b"1", "g": b"2"})
    side = repo.commit({"f": b"2", "g": b"1"}, ref="refs/heads/side", parents=(base,))
    merged = repo.commit({"f": b"2", "g": b"2"}, parents=(other, side))
    await mine.fetch(repo.url, {MAIN: MAIN})
    assert {one.id for one in await mine.history(merged, "f", base)} == {side, merged}
    assert {one.id for one in await mine.history(merged, "f")} == {side, merged, base}
    assert await mine.history(base, "f", base) == []


def test_one_mirror_a_url_with_the_access_of_the_longest_prefix(tmp_path: Path) -> None:
    access = [Git(prefix="https://a.example/"), Git(prefix="https://a.example/x/")]
    first = mirror_for(tmp_path, "https://a.example/x/one.git", access)
    second = mirror_for(tmp_path, "https://a.example/y/two.git", access)
    assert first._dir != second._dir
    assert (first._access, second._access) == (access[1], access[0])


def test_a_token_reaches_git_by_environment_for_that_host_alone(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("interlock:s3cret\n")
    ca = tmp_path / "ca.pem"
    access = Git(prefix="https://git.example/", token_file=token, ca_file=ca)
    env = credentials(access, "https://git.example/a/b.git")
    header = base64.b64encode(b"interlock:s3cret").decode()
    assert env == {
        "GIT_CONFIG_COUNT": "2",
        "GIT_CONFIG_KEY_0": "http.sslCAInfo",
        "GIT_CONFIG_VALUE_0": str(ca),
        "GIT_CONFIG_KEY_1": "http.https://git.example/.extraHeader",
        "GIT_CONFIG_VALUE_1": f"Authorization: Basic {header}",
    }


def test_a_token_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    access = Git(prefix="https://git.example/", token_file=tmp_path / "none")
    with pytest.raises(GitUnavailable, match="cannot be read"):
        credentials(access, "https://git.example/a.git")
    (tmp_path / "none").write_text("a-token-alone")
    with pytest.raises(GitRefused, match="not of the form user:token"):
        credentials(access, "https://git.example/a.git")
