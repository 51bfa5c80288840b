"""What one team's repository may take of the syncer, which all teams share."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from interlock.api.config import Config
from interlock.sync import documents, reconcile
from interlock.sync.reconcile import Syncer
from support.synced import URL, Cluster, LocalSyncer, agent, repository


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


@pytest.fixture
def syncer(cluster: Cluster, tmp_path: Path) -> LocalSyncer:
    return LocalSyncer(cluster, tmp_path)


async def test_more_files_than_are_read_are_refused_as_a_whole(
    syncer: LocalSyncer, cluster: Cluster
) -> None:
    repo = syncer.remote
    blob = repo.blob(b"{}")
    inner = repo.tree(*(("100644", f"{n:03}.yaml", blob) for n in range(257)))
    repo.commit_tree(repo.tree(("040000", "agents", inner)))
    await syncer.sync(repository())
    assert "257 YAML files, at most 256" in cluster.status["reason"]


async def test_more_bytes_than_are_read_are_refused_as_a_whole(
    syncer: LocalSyncer, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconcile, "MAX_BYTES", 1000)
    files = {f"agents/{n}.yaml": bytes(600) for n in range(2)}
    syncer.remote.commit(files | {"agents/readme": bytes(5000)})
    await syncer.sync(repository())
    assert "agents holds 1200 bytes of YAML files, at most 1000" in cluster.status["reason"]


async def test_reading_many_files_holds_up_nobody_else(
    syncer: LocalSyncer, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or whoever may push stops health checks and the syncs of all teams."""
    others = threading.Event()
    parse = documents.parse

    def slow(*args: Any) -> Any:
        assert others.wait(10), "nobody else had a turn"
        return parse(*args)

    monkeypatch.setattr(documents, "parse", slow)
    syncer.remote.commit({"agents/a.yaml": agent("a")})
    asyncio.get_running_loop().call_later(0.05, others.set)
    await syncer.sync(repository())
    assert cluster.names() == {"a"}


async def test_mirrors_of_repositories_that_are_gone_take_no_place(
    cluster: Cluster, tmp_path: Path
) -> None:
    """Or whoever may make and delete AgentRepositories fills the disk of all."""
    syncer = Syncer(cluster, Config(state_dir=tmp_path))  # type: ignore[arg-type]
    for name in ("agents", "gone"):
        (tmp_path / "sync" / "line-4" / name / "m.git").mkdir(parents=True)
    gone = syncer._mirror("line-4", "gone", URL)
    await syncer.forget([repository()])
    assert [path.name for path in (tmp_path / "sync" / "line-4").iterdir()] == ["agents"]
    assert syncer._mirror("line-4", "gone", URL) is not gone
    (tmp_path / "sync" / "line-4" / "gone").mkdir()
    await syncer.forget([repository()])  # nothing has changed since, and nobody looks
    assert (tmp_path / "sync" / "line-4" / "gone").exists()
