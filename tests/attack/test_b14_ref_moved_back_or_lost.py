"""A branch is forced back, deleted, or moved; an approval ref loses a rejection.

Whoever saw a tip holds the server to it, also after a restart, and after the AgentRepository was
deleted and made anew.
"""

from pathlib import Path

import pytest

from interlock.evidence.git import Mirror, Seen
from support.gitrepos import MAIN, Repo, mirror
from support.synced import Cluster, LocalSyncer, agent, repository

APPROVALS = f"refs/approvals/{'ab' * 32}"
TAG = "refs/tags/v1"


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


async def test_a_branch_that_is_forced_back_stays(repo: Repo, mine: Mirror) -> None:
    old = repo.commit({"f": b"1"})
    new = repo.commit({"f": b"2"})
    await mine.fetch(repo.url, {MAIN: MAIN})
    repo.git("update-ref", MAIN, old)
    fetched = await mine.fetch(repo.url, {MAIN: MAIN})
    assert fetched.tips == {MAIN: new}
    assert "does not continue it" in fetched.refused[MAIN]


async def test_a_tag_that_is_moved_stays(repo: Repo, mine: Mirror) -> None:
    first = repo.commit({"f": b"1"})
    second = repo.commit({"f": b"2"}, ref="refs/heads/side", parents=())
    repo.git("tag", "-m", "v1", "v1", first)
    assert (await mine.fetch(repo.url, {TAG: TAG})).tips == {TAG: first}
    repo.git("tag", "-f", "-m", "v1", "v1", second)
    assert (await mine.fetch(repo.url, {TAG: TAG})).tips == {TAG: first}


async def test_a_rejection_that_is_pushed_away_stays(repo: Repo, mine: Mirror) -> None:
    repo.commit({"approve": b"1"}, ref=APPROVALS)
    vetoed = repo.commit({"approve": b"1", "reject": b"2"}, ref=APPROVALS)
    await mine.fetch(repo.url, {APPROVALS: APPROVALS})
    repo.commit({"approve": b"1"}, ref=APPROVALS, parents=())
    fetched = await mine.fetch(repo.url, {APPROVALS: APPROVALS})
    assert fetched.tips == {APPROVALS: vetoed}
    repo.git("update-ref", "-d", APPROVALS)
    fetched = await mine.fetch(repo.url, {APPROVALS: APPROVALS})
    assert fetched.tips == {APPROVALS: vetoed}


async def test_a_mirror_that_is_new_is_held_to_what_others_saw(
    repo: Repo, mine: Mirror, tmp_path: Path
) -> None:
    old = repo.commit({"f": b"1"})
    new = repo.commit({"f": b"2"})
    seen = Seen({MAIN: new})
    assert (await mine.fetch(repo.url, {MAIN: MAIN}, seen)).tips == {MAIN: new}
    repo.git("update-ref", MAIN, old)
    fresh = mirror(tmp_path / "fresh.git")
    fetched = await fresh.fetch(repo.url, {MAIN: MAIN}, seen)
    assert fetched.tips == {MAIN: None}
    assert "does not continue it" in fetched.refused[MAIN]
    repo.git("update-ref", "-d", MAIN)
    fetched = await fresh.fetch(repo.url, {MAIN: MAIN}, seen)
    assert "gone from the server" in fetched.refused[MAIN]


async def test_a_syncer_that_starts_anew_takes_no_older_history(
    cluster: Cluster, tmp_path: Path
) -> None:
    """Also for an AgentRepository that was deleted and made anew: its mirror and status are new."""
    first = LocalSyncer(cluster, tmp_path / "first")
    old = first.remote.commit({"agents/a.yaml": agent("a")})
    first.remote.commit({"agents/a.yaml": agent("a"), "agents/b.yaml": agent("b")})
    await first.sync(repository())
    assert cluster.names() == {"a", "b"}
    first.remote.git("update-ref", MAIN, old)
    second = LocalSyncer(cluster, tmp_path / "second", first.remote)
    await second.sync(repository())
    assert cluster.names() == {"a", "b"}
    assert cluster.status["conditions"][0]["reason"] == "NotFastForward"
    assert "spec.rewrittenTo" in cluster.status["reason"]


async def test_a_person_may_say_that_this_one_commit_follows(
    cluster: Cluster, tmp_path: Path
) -> None:
    syncer = LocalSyncer(cluster, tmp_path)
    syncer.remote.commit({"agents/a.yaml": agent("a")})
    await syncer.sync(repository())
    other = syncer.remote.commit({"agents/b.yaml": agent("b")}, parents=())
    await syncer.sync(repository(rewrittenTo="ab" * 20))
    assert cluster.names() == {"a"}
    await syncer.sync(repository(rewrittenTo=other))
    assert cluster.names() == {"b"}
    assert cluster.status["ready"] == "True"
    syncer.remote.commit({"agents/c.yaml": agent("c")}, parents=())
    await syncer.sync(repository(rewrittenTo=other))
    assert cluster.names() == {"b"}


async def test_a_permission_to_rewrite_is_used_up(cluster: Cluster, tmp_path: Path) -> None:
    """Left in place, it would let the server move the ref back to that commit for ever."""
    first = LocalSyncer(cluster, tmp_path / "first")
    first.remote.commit({"agents/a.yaml": agent("a")})
    await first.sync(repository())
    files = {"agents/a.yaml": agent("a")}
    named = first.remote.commit(files, parents=(), message="purged")
    await first.sync(repository(rewrittenTo=named))
    assert cluster.status["ready"] == "True"
    first.remote.commit(files | {"agents/b.yaml": agent("b")})
    await first.sync(repository(rewrittenTo=named))
    first.remote.git("update-ref", MAIN, named)
    for syncer in (first, LocalSyncer(cluster, tmp_path / "second", first.remote)):
        await syncer.sync(repository(rewrittenTo=named))
        assert cluster.names() == {"a", "b"}
        assert cluster.status["conditions"][0]["reason"] == "NotFastForward"
