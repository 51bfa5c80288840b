"""A server shows one reader a history, and another reader another one, or an old one.

What one of ours has taken from a ref is a floor for all that read it for that namespace; a server
that shows each reader a branch of its own is found out by the second.
"""

from pathlib import Path

import pytest

from interlock.evidence.git import Seen
from support.gitrepos import MAIN, Repo, mirror
from support.synced import Cluster, LocalSyncer, agent, repository


@pytest.mark.parametrize("shown", ["a fork of it", "an older state", "nothing in common"])
async def test_the_second_reader_finds_out(tmp_path: Path, shown: str) -> None:
    truth = Repo(tmp_path / "truth.git")
    base = truth.commit({"f": b"1"})
    tip = truth.commit({"f": b"2"})
    lie = {
        "a fork of it": lambda: truth.commit({"f": b"evil"}, parents=(base,)),
        "an older state": lambda: truth.git("update-ref", MAIN, base),
        "nothing in common": lambda: truth.commit({"f": b"evil"}, parents=()),
    }
    lie[shown]()
    reader = mirror(tmp_path / "reader.git")
    fetched = await reader.fetch(truth.url, {MAIN: MAIN}, Seen({MAIN: tip}))
    assert fetched.tips == {MAIN: None}
    assert fetched.refused[MAIN].endswith(f"commit {tip[:10]}, seen before, stays in force")


async def test_a_stale_mirror_does_not_hide_that_the_server_went_back(tmp_path: Path) -> None:
    """Our mirror was at the old state too, so nothing seems to have moved."""
    repo, reader = Repo(tmp_path / "remote.git"), mirror(tmp_path / "reader.git")
    old = repo.commit({"f": b"1"})
    await reader.fetch(repo.url, {MAIN: MAIN})
    tip = repo.commit({"f": b"2"})
    repo.git("update-ref", MAIN, old)
    fetched = await reader.fetch(repo.url, {MAIN: MAIN}, Seen({MAIN: tip}))
    assert fetched.tips == {MAIN: old}
    assert "does not continue it" in fetched.refused[MAIN]


async def test_two_syncers_of_one_namespace_see_one_history(tmp_path: Path) -> None:
    cluster = Cluster()
    first = LocalSyncer(cluster, tmp_path / "first")
    base = first.remote.commit({"agents/a.yaml": agent("a")})
    first.remote.commit({"agents/a.yaml": agent("a"), "agents/b.yaml": agent("b")})
    await first.sync(repository())
    first.remote.commit({"agents/evil.yaml": agent("evil")}, parents=(base,))
    second = LocalSyncer(cluster, tmp_path / "second", first.remote)
    await second.sync(repository())
    assert cluster.names() == {"a", "b"}
    assert cluster.status["conditions"][0]["reason"] == "NotFastForward"
