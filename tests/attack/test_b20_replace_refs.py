"""`refs/replace/*` makes plain git show other bytes under a good object's name."""

from pathlib import Path

from interlock.evidence.git import Mirror
from support.gitrepos import MAIN, Repo


async def test_replace_refs_swap_nothing(repo: Repo, mine: Mirror, tmp_path: Path) -> None:
    """refs/replace/<good> -> evil makes plain git show evil under good's name."""
    good = repo.commit({"f": b"good"})
    evil = repo.commit({"f": b"evil"}, ref="refs/heads/evil", parents=())
    await mine.fetch(repo.url, {MAIN: MAIN, "refs/heads/evil": "refs/heads/evil"})
    own = tmp_path / "mirror.git" / "refs" / "replace" / good
    own.parent.mkdir(parents=True)
    own.write_text(evil + "\n")
    assert await mine.read(good, "f") == b"good"
    assert [one.id for one in await mine.history(good, "f")] == [good]


async def test_a_remote_s_replace_refs_are_not_fetched(repo: Repo, mine: Mirror) -> None:
    good = repo.commit({"f": b"good"})
    evil = repo.commit({"f": b"evil"}, ref="refs/heads/evil", parents=())
    repo.git("update-ref", f"refs/replace/{good}", evil)
    await mine.fetch(repo.url, {MAIN: MAIN})
    assert await mine.tip(f"refs/replace/{good}") is None
