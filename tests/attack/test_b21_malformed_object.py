"""An object that two readers read differently is refused on arrival (CVE-2026-44309)."""

import pytest

from interlock.evidence.git import GitRefused, Mirror
from support.gitrepos import MAIN, Repo

_HANDS = "author a <a@b.example> 1700000000 +0000\ncommitter a <a@b.example> 1700000000 +0000\n"


async def test_a_malformed_object_is_refused_on_arrival(repo: Repo, mine: Mirror) -> None:
    """Two trees in one commit: which of them counts depends on the reader."""
    first = repo.tree(("100644", "f", repo.blob(b"shown")))
    second = repo.tree(("100644", "f", repo.blob(b"hidden")))
    raw = f"tree {first}\ntree {second}\n{_HANDS}\nx\n".encode()
    commit = repo.git("hash-object", "-w", "-t", "commit", "--literally", "--stdin", stdin=raw)
    repo.git("update-ref", MAIN, commit)
    with pytest.raises(GitRefused, match="malformed"):
        await mine.fetch(repo.url, {MAIN: MAIN})
    assert await mine.tip(MAIN) is None


@pytest.mark.parametrize("name", [".git", ".GIT", "..", ".", "git~1", ".gi\u200ct"])
async def test_a_tree_whose_names_leave_their_folder(repo: Repo, mine: Mirror, name: str) -> None:
    blob = bytes.fromhex(repo.blob(b"[core]\n\tfsmonitor = x"))
    inner = repo.git(
        *("hash-object", "-w", "-t", "tree", "--literally", "--stdin"),
        stdin=b"100644 " + name.encode() + b"\0" + blob,
    )
    repo.commit_tree(inner)
    with pytest.raises(GitRefused, match="malformed"):
        await mine.fetch(repo.url, {MAIN: MAIN})


async def test_two_entries_of_one_name(repo: Repo, mine: Mirror) -> None:
    """A reviewer's tool shows the first, another reads the last."""
    entries = b"".join(
        b"100644 agent.yaml\0" + bytes.fromhex(repo.blob(data)) for data in (b"shown", b"hidden")
    )
    tree = repo.git("hash-object", "-w", "-t", "tree", "--literally", "--stdin", stdin=entries)
    repo.commit_tree(tree)
    with pytest.raises(GitRefused, match="malformed"):
        await mine.fetch(repo.url, {MAIN: MAIN})


async def test_a_refused_fetch_leaves_what_was_known(repo: Repo, mine: Mirror) -> None:
    good = repo.commit({"f": b"1"})
    await mine.fetch(repo.url, {MAIN: MAIN})
    tree = f"tree {repo.tree()}\n"
    raw = f"{tree}{tree}parent {good}\n{_HANDS}\nx\n".encode()
    bad = repo.git("hash-object", "-w", "-t", "commit", "--literally", "--stdin", stdin=raw)
    repo.git("update-ref", MAIN, bad)
    with pytest.raises(GitRefused, match="malformed"):
        await mine.fetch(repo.url, {MAIN: MAIN})
    assert await mine.tip(MAIN) == good
