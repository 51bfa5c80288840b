import base64
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from interlock.api import digests
from interlock.api.config import Config
from interlock.cluster.client import ClusterError, Forbidden, Object
from interlock.evidence.git import Mirror
from interlock.sync.reconcile import Syncer
from support.facts import spec
from support.gitrepos import Repo, mirror
from support.policies import documents

URL = "https://git.example/line-4/agents.git"
OURS = {"interlock.dev/repository": "agents"}


class Cluster:
    """What the syncer needs of an API server, in a dict; `refuse` names objects it says no to."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], Object] = {}
        self.status: Object = {}
        self.writes: list[str] = []
        self.refuse: dict[str, ClusterError] = {}
        self.govern(documents()["namespaces"])

    def govern(self, namespaces: Any) -> None:
        data = yaml.safe_dump(namespaces).encode()
        digest = digests.sha256(data)
        manifest = json.dumps({"targets": {"namespaces.yaml": digest}})
        self.put("ConfigMap", "governance-manifest", data={"manifest": manifest})
        blob = base64.b64encode(data).decode()
        self.put("ConfigMap", f"governance-{digest[:40]}", data={"blob": blob})

    def put(self, kind: str, name: str, labels: Object | None = None, **fields: Any) -> None:
        meta = {"name": name, "namespace": "line-4", "labels": labels or {}, "uid": f"uid-{name}"}
        self.objects[kind, name] = {"kind": kind, "metadata": meta, **fields}

    def names(self) -> set[str]:
        return {n for _, n in self.objects if not n.startswith("governance-")}

    async def get(self, kind: str, _: str, name: str) -> Object | None:
        return self.objects.get((kind, name))

    async def list(self, kind: str, _: str, labels: str = "") -> list[Object]:
        return [
            o
            for (k, _), o in self.objects.items()
            if k == kind and labels in o["metadata"]["labels"]
        ]

    async def apply(self, obj: Object, manager: str) -> None:
        assert manager == "interlock-sync"
        name = obj["metadata"]["name"]
        if name in self.refuse:
            raise self.refuse[name]
        self.writes.append(f"apply {name}")
        self.put(obj["kind"], name, obj["metadata"]["labels"], spec=obj.get("spec"))

    async def delete(self, kind: str, _: str, name: str, uid: str) -> None:
        assert uid == f"uid-{name}"
        self.writes.append(f"delete {name}")
        del self.objects[kind, name]

    async def merge_patch(self, *_: Any, subresource: str) -> Object:
        assert subresource == "status"
        self.status = _[3]["status"]
        return self.status


class LocalSyncer(Syncer):
    """Reads the remote from a local path."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        super().__init__(cluster, Config(state_dir=folder))  # type: ignore[arg-type]
        self.remote = Repo(folder / "remote.git")
        self.mine = mirror(folder / "mirror.git")

    def _mirror(self, *_: str) -> Mirror:
        remote, mine = self.remote, self.mine

        class Local(Mirror):
            async def fetch(self, _: str, refspecs: Any) -> Any:
                return await mine.fetch(remote.url, refspecs)

        return Local(mine._dir, allow_file=True)


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


@pytest.fixture
def syncer(cluster: Cluster, tmp_path: Path) -> LocalSyncer:
    return LocalSyncer(cluster, tmp_path)


def agent(name: str, **changes: Any) -> bytes:
    whole = {
        "apiVersion": "interlock.dev/v1alpha1",
        "kind": "AgentDeployment",
        "metadata": {"name": name},
        "spec": spec(health=None, **changes),
    }
    return yaml.safe_dump(whole).encode()


def repository(**changes: Any) -> Object:
    return {
        "apiVersion": "interlock.dev/v1alpha1",
        "kind": "AgentRepository",
        "metadata": {"name": "agents", "namespace": "line-4", "uid": "u", "generation": 3},
        "spec": {"url": URL, "path": "agents"} | changes,
    }


async def test_a_commit_is_applied_and_named(syncer: LocalSyncer, cluster: Cluster) -> None:
    commit = syncer.remote.commit({"agents/a.yaml": agent("a"), "agents/x/b.yml": agent("b")})
    await syncer.sync(repository())
    assert cluster.names() == {"a", "b"}
    assert cluster.status["commit"] == commit
    assert cluster.status["applied"] == 2
    assert (cluster.status["ready"], cluster.status["reason"]) == ("True", "-")
    assert cluster.status["observedGeneration"] == 3
    assert [c["type"] for c in cluster.status["conditions"]] == ["Ready"]


async def test_what_lies_outside_the_folder_is_not_read(
    syncer: LocalSyncer, cluster: Cluster
) -> None:
    syncer.remote.commit({"agents/a.yaml": agent("a"), "other/b.yaml": b"{", "agents/README": b"{"})
    await syncer.sync(repository())
    assert cluster.names() == {"a"}
    assert cluster.status["ready"] == "True"


async def test_what_is_no_longer_declared_goes(syncer: LocalSyncer, cluster: Cluster) -> None:
    syncer.remote.commit({"agents/a.yaml": agent("a"), "agents/b.yaml": agent("b")})
    await syncer.sync(repository())
    syncer.remote.commit({"agents/a.yaml": agent("a")})
    await syncer.sync(repository())
    assert cluster.names() == {"a"}
    assert cluster.writes[-1] == "delete b"


async def test_what_others_made_is_never_removed(syncer: LocalSyncer, cluster: Cluster) -> None:
    cluster.put("AgentDeployment", "by-hand")
    cluster.put("AgentDeployment", "by-team", {"interlock.dev/repository": "other"})
    syncer.remote.commit({"agents/a.yaml": agent("a")})
    await syncer.sync(repository())
    assert cluster.names() == {"a", "by-hand", "by-team"}


async def test_what_another_repository_delivers_is_not_taken_over(
    syncer: LocalSyncer, cluster: Cluster
) -> None:
    cluster.put("AgentDeployment", "a", {"interlock.dev/repository": "other"})
    syncer.remote.commit({"agents/a.yaml": agent("a")})
    await syncer.sync(repository())
    assert cluster.writes == []
    assert "belongs to the AgentRepository other" in cluster.status["reason"]


async def test_a_folder_that_declares_nothing_any_more_removes_nothing(
    syncer: LocalSyncer, cluster: Cluster
) -> None:
    """A wrong path, or a cleaned branch, must not take a factory down."""
    cluster.put("AgentDeployment", "a", OURS)
    syncer.remote.commit({"agents/README": b"moved"})
    await syncer.sync(repository())
    assert cluster.names() == {"a"}
    assert "1 objects that came from it are kept" in cluster.status["reason"]


async def test_a_bad_file_is_named_the_others_are_applied_and_nothing_goes(
    syncer: LocalSyncer, cluster: Cluster
) -> None:
    cluster.put("AgentDeployment", "maybe-in-the-bad-file", OURS)
    commit = syncer.remote.commit({"agents/a.yaml": agent("a"), "agents/bad.yaml": b"{"})
    await syncer.sync(repository())
    assert cluster.names() == {"a", "maybe-in-the-bad-file"}
    assert cluster.status["commit"] == commit
    assert [one["path"] for one in cluster.status["refused"]] == ["agents/bad.yaml"]
    assert cluster.status["conditions"][0]["reason"] == "FileRefused"
    assert "agents/bad.yaml" in cluster.status["reason"]


async def test_what_the_api_server_refuses_is_a_refused_file(
    syncer: LocalSyncer, cluster: Cluster
) -> None:
    cluster.refuse["a"] = Forbidden(403, "not like this")
    syncer.remote.commit({"agents/a.yaml": agent("a"), "agents/b.yaml": agent("b")})
    await syncer.sync(repository())
    assert cluster.names() == {"b"}
    assert cluster.status["refused"] == [{"path": "agents/a.yaml", "message": "not like this"}]


async def test_an_api_server_that_is_away_is_asked_again(
    syncer: LocalSyncer, cluster: Cluster
) -> None:
    cluster.refuse["a"] = ClusterError(0, "no answer")
    syncer.remote.commit({"agents/a.yaml": agent("a")})
    with pytest.raises(ClusterError):
        await syncer.sync(repository())


async def test_a_link_is_refused(syncer: LocalSyncer, cluster: Cluster) -> None:
    repo = syncer.remote
    inner = repo.tree(("120000", "a.yaml", repo.blob(b"/etc/passwd")))
    repo.commit_tree(repo.tree(("040000", "agents", inner)))
    await syncer.sync(repository())
    assert "mode 120000" in cluster.status["refused"][0]["message"]


async def test_more_files_than_are_read_are_refused_as_a_whole(
    syncer: LocalSyncer, cluster: Cluster
) -> None:
    repo = syncer.remote
    blob = repo.blob(b"{}")
    inner = repo.tree(*(("100644", f"{n:03}.yaml", blob) for n in range(257)))
    repo.commit_tree(repo.tree(("040000", "agents", inner)))
    await syncer.sync(repository())
    assert "257 YAML files, at most 256" in cluster.status["reason"]


async def test_a_rewritten_branch_stays_where_it_was_and_says_so(
    syncer: LocalSyncer, cluster: Cluster
) -> None:
    first = syncer.remote.commit({"agents/a.yaml": agent("a")})
    await syncer.sync(repository())
    syncer.remote.commit({"agents/evil.yaml": agent("evil")}, parents=())
    await syncer.sync(repository())
    assert cluster.names() == {"a"}
    assert cluster.status["commit"] == first
    assert cluster.status["conditions"][0]["reason"] == "NotFastForward"


async def test_a_git_server_that_is_away_keeps_what_is_known(
    syncer: LocalSyncer, cluster: Cluster, tmp_path: Path
) -> None:
    known = repository() | {"status": {"commit": "ab" * 20, "applied": 2}}
    syncer.remote.path.rename(tmp_path / "away")
    await syncer.sync(known)
    assert (cluster.status["commit"], cluster.status["applied"]) == ("ab" * 20, 2)
    conditions = {c["type"]: c["reason"] for c in cluster.status["conditions"]}
    assert conditions == {"Ready": "FetchFailed", "Reconciling": "FetchFailed"}


async def test_a_branch_that_is_not_there_is_said(syncer: LocalSyncer, cluster: Cluster) -> None:
    await syncer.sync(repository(ref="refs/heads/none"))
    assert cluster.status["ready"] == "False"


@pytest.mark.parametrize(
    "changes",
    [
        {"url": "https://git.example/line-5/agents.git"},
        {"ref": "refs/heads/mine"},
        {"path": ""},
        {"path": "agents-of-others"},
    ],
)
async def test_what_governance_does_not_name_is_not_fetched(
    syncer: LocalSyncer, cluster: Cluster, changes: Object
) -> None:
    """Or our credentials would read another team's repository for whoever asks."""
    syncer.remote.commit({"agents/a.yaml": agent("a")})
    await syncer.sync(repository(**changes))
    assert cluster.names() == set()
    assert cluster.status["conditions"][0]["reason"] == "NotGranted"
    assert not syncer.mine._dir.exists()


async def test_without_a_policy_nothing_is_fetched(syncer: LocalSyncer, cluster: Cluster) -> None:
    del cluster.objects["ConfigMap", "governance-manifest"]
    await syncer.sync(repository())
    assert cluster.status["conditions"][0]["reason"] == "PolicyMissing"


async def test_policy_bytes_that_are_not_those_of_the_manifest_count_nothing(
    syncer: LocalSyncer, cluster: Cluster
) -> None:
    for (_, name), one in cluster.objects.items():
        if name != "governance-manifest":
            one["data"]["blob"] = base64.b64encode(b"namespaces: {}").decode()
    await syncer.sync(repository())
    assert cluster.status["conditions"][0]["reason"] == "PolicyMissing"


async def test_a_second_sync_of_the_same_commit_writes_no_status(
    syncer: LocalSyncer, cluster: Cluster
) -> None:
    syncer.remote.commit({"agents/a.yaml": agent("a")})
    await syncer.sync(repository())
    known = repository() | {"status": cluster.status}
    cluster.status = {}
    await syncer.sync(known)
    assert cluster.status == {}
