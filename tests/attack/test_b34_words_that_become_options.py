"""A URL, ref or path that git would read as an option, a pattern or a revision.

Bindings that build command lines of foreign words ran programs (CVE-2022-24439, CVE-2023-40267).
"""

import ast
from pathlib import Path

import pytest
import yaml

import interlock
from interlock.cluster.client import NotFound
from interlock.evidence.git import GitRefused, Mirror
from support.gitrepos import MAIN, Repo
from support.synced import Cluster, LocalSyncer, agent, repository


@pytest.mark.parametrize(
    "ref",
    [
        "main",
        "-x",
        "--upload-pack=touch OWNED",
        "refs/heads/*",
        "refs/heads/../x",
        "refs/heads/a:b",
        "refs/heads/a b",
        "refs/heads/a\\nrefs/heads/b",
        "refs/heads/a\\0b",
        "refs/heads/a~1",
        "refs/heads/a^{tree}",
        "refs/heads/a@{0}",
        "refs/heads/.a",
        "refs/heads/a.lock/b",
        "refs/heads/a.",
        "refs/heads//a",
        "refs/heads/",
        "refs/heads/\\u0430",
        "refs/heads/" + "a" * 300,
        "HEAD",
    ],
)
async def test_a_ref_that_is_an_option_or_a_pattern(repo: Repo, mine: Mirror, ref: str) -> None:
    with pytest.raises(GitRefused, match="full ref name"):
        await mine.fetch(repo.url, {ref: MAIN})
    with pytest.raises(GitRefused, match="full ref name"):
        await mine.fetch(repo.url, {MAIN: ref})


@pytest.mark.parametrize("commit", ["HEAD", "main", "--help", "-n1", "ab" * 19, f"{'ab' * 20}^"])
async def test_a_commit_that_is_a_revision_or_an_option(mine: Mirror, commit: str) -> None:
    with pytest.raises(GitRefused, match="no commit id"):
        await mine.tree(commit)
    with pytest.raises(GitRefused, match="no commit id"):
        await mine.history(commit, "f")
    with pytest.raises(GitRefused, match="no commit id"):
        await mine.history("ab" * 20, "f", commit)
    with pytest.raises(GitRefused, match="no commit id"):
        await mine.is_ancestor("ab" * 20, commit)


@pytest.mark.parametrize("path", ["--output=OWNED", ":(top)x", ":!f", "*", "f^{tree}"])
async def test_a_path_that_is_magic_is_a_file_that_is_not_there(
    repo: Repo, mine: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.chdir(tmp_path)
    commit = repo.commit({"f": b"1"})
    await mine.fetch(repo.url, {MAIN: MAIN})
    with pytest.raises(GitRefused):
        await mine.read(commit, path)
    assert await mine.history(commit, path) == []
    assert not (tmp_path / "OWNED").exists()


def test_no_binding_to_git_is_part_of_the_operator() -> None:
    """GitPython says itself that it is not made for repositories of strangers."""
    imported = set()
    for path in Path(interlock.__path__[0]).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {name.name.partition(".")[0] for name in node.names}
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                imported.add(node.module.partition(".")[0])
    assert not imported & {"git", "pygit2", "dulwich"}


@pytest.mark.parametrize(
    "name",
    ["a/status", "../../../interlock-system/configmaps/x", "a?dryRun=All", "a%2fb", "", "a" * 300],
)
async def test_a_name_that_becomes_a_path_of_the_api(tmp_path: Path, name: str) -> None:
    """It would be asked elsewhere; and as nothing is found there, the other files would wait."""
    cluster = Cluster()
    cluster.refuse[name] = NotFound(404, "the server could not find the requested resource")
    syncer = LocalSyncer(cluster, tmp_path)
    named = {"metadata": {"name": name}, "immutable": True, "data": {}}
    bad = yaml.safe_dump({"apiVersion": "v1", "kind": "ConfigMap"} | named).encode()
    syncer.remote.commit({"agents/a.yaml": agent("a"), "agents/bad.yaml": bad})
    await syncer.sync(repository())
    assert cluster.names() == {"a"}
    assert cluster.writes == ["apply a"]
    (refused,) = cluster.status["refused"]
    assert "expected a DNS subdomain" in refused["message"]
