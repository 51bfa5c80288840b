import base64
import json
from pathlib import Path

import pytest
import yaml

from interlock.cluster.client import ClusterError, Forbidden, Object
from support.facts import spec
from support.synced import OURS, URL, Cluster, LocalSyncer, agent, repository


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


@pytest.fixture
def syncer(cluster: Cluster, tmp_path: Path) -> LocalSyncer:
    return LocalSyncer(cluster, tmp_path)


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
    await syncer.sync(repository())
    (event,) = cluster.events.values()  # it is told once
    assert (event["type"], event["reason"]) == ("Warning", "NotFastForward")
    assert event["involvedObject"] == {
        "apiVersion": "interlock.dev/v1alpha1",
        "kind": "AgentRepository",
        "namespace": "line-4",
        "name": "agents",
        "uid": "u",
    }
    assert f"commit {first[:10]}, seen before, stays in force" in event["message"]
    syncer.remote.commit({"agents/evil.yaml": agent("evil", port=1)}, parents=())
    await syncer.sync(repository())
    assert len(cluster.events) == 2


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


async def test_a_folder_without_its_last_agent_removes_nothing(
    syncer: LocalSyncer, cluster: Cluster
) -> None:
    """What is left of a folder that was cleaned may be a ConfigMap."""
    cluster.put("AgentDeployment", "a", OURS)
    config_map = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "left"},
        "immutable": True,
    }
    syncer.remote.commit({"agents/left.yaml": yaml.safe_dump(config_map).encode()})
    await syncer.sync(repository())
    assert cluster.names() == {"a", "left"}
    assert "declares no agent any more" in cluster.status["reason"]


async def test_a_commit_that_takes_most_agents_away_removes_none(
    syncer: LocalSyncer, cluster: Cluster
) -> None:
    """A bad merge, or whoever may push; one agent left, or ones of the pusher's, change nothing."""
    syncer.remote.commit({f"agents/{name}.yaml": agent(name) for name in "abcde"})
    await syncer.sync(repository())
    new = {f"agents/{name}.yaml": agent(name) for name in "vwxyz"}
    syncer.remote.commit({"agents/a.yaml": agent("a"), "agents/b.yaml": agent("b")} | new)
    await syncer.sync(repository())
    assert cluster.names() == {*"abcde", *"vwxyz"}
    assert "3 of 5 agents would go at once" in cluster.status["reason"]
    assert cluster.status["conditions"][0]["reason"] == "SourceRefused"
    await syncer.sync(repository(prune=False))
    assert cluster.status["ready"] == "True"


async def test_half_of_the_agents_may_go(syncer: LocalSyncer, cluster: Cluster) -> None:
    syncer.remote.commit({f"agents/{name}.yaml": agent(name) for name in "abcd"})
    await syncer.sync(repository())
    syncer.remote.commit({f"agents/{name}.yaml": agent(name) for name in "ab"})
    await syncer.sync(repository())
    assert cluster.names() == {"a", "b"}


async def test_who_wants_to_keep_what_git_forgot_says_so(
    syncer: LocalSyncer, cluster: Cluster
) -> None:
    cluster.put("AgentDeployment", "old", OURS)
    syncer.remote.commit({"agents/a.yaml": agent("a")})
    await syncer.sync(repository(prune=False))
    assert cluster.names() == {"a", "old"}
    assert cluster.status["ready"] == "True"


async def test_what_is_suspended_is_left_as_it_is(syncer: LocalSyncer, cluster: Cluster) -> None:
    known = repository(suspend=True) | {"status": {"commit": "ab" * 20, "applied": 2}}
    syncer.remote.commit({"agents/a.yaml": agent("a")})
    await syncer.sync(known)
    assert cluster.names() == set()
    assert (cluster.status["commit"], cluster.status["applied"]) == ("ab" * 20, 2)
    assert [(c["type"], c["status"]) for c in cluster.status["conditions"]] == [
        ("Ready", "Unknown")
    ]
    assert "spec.suspend" in cluster.status["reason"]
    assert not syncer.mine._dir.exists()


async def test_content_that_was_added_by_hand_goes(syncer: LocalSyncer, cluster: Cluster) -> None:
    """Server-side apply leaves what a file does not name."""
    syncer.remote.commit({"agents/a.yaml": agent("a")})
    await syncer.sync(repository())
    cluster.objects["AgentDeployment", "a"]["spec"] |= {"port": 9999, "paused": True}
    await syncer.sync(repository())
    spec_now = cluster.objects["AgentDeployment", "a"]["spec"]
    assert "port" not in spec_now
    assert spec_now["paused"] is True  # it is not content, and the file says nothing of it
    assert cluster.writes[-1] == "replace a"
    await syncer.sync(repository())
    assert cluster.writes[-1] == "apply a"


async def test_what_somebody_deleted_is_there_again(syncer: LocalSyncer, cluster: Cluster) -> None:
    syncer.remote.commit({"agents/a.yaml": agent("a")})
    await syncer.sync(repository())
    del cluster.objects["AgentDeployment", "a"]
    await syncer.sync(repository())
    assert cluster.names() == {"a"}


async def test_the_tip_of_each_ref_is_remembered(syncer: LocalSyncer, cluster: Cluster) -> None:
    commit = syncer.remote.commit({"agents/a.yaml": agent("a")})
    await syncer.sync(repository())
    kept = list(cluster.objects["ConfigMap", "sync-tips-line-4"]["data"].values())
    assert [json.loads(one) for one in kept] == [
        {"commit": commit, "ref": "refs/heads/main", "url": URL}
    ]


@pytest.mark.parametrize("text", ["[]", "{", '{"commit": 1}', '{"commit": "--help"}'])
async def test_a_memory_that_cannot_be_read_stops_that_namespace(
    syncer: LocalSyncer, cluster: Cluster, text: str
) -> None:
    syncer.remote.commit({"agents/a.yaml": agent("a")})
    await syncer.sync(repository())
    tips = cluster.objects["ConfigMap", "sync-tips-line-4"]
    tips["data"] = dict.fromkeys(tips["data"], text)
    await syncer.sync(repository())
    assert "ConfigMap interlock-system/sync-tips-line-4 says no commit" in cluster.status["reason"]


async def test_a_memory_that_is_full_is_said(syncer: LocalSyncer, cluster: Cluster) -> None:
    cluster.put("ConfigMap", "sync-tips-line-4", data={str(n): "{}" for n in range(500)})
    syncer.remote.commit({"agents/a.yaml": agent("a")})
    await syncer.sync(repository())
    assert "remembers 500 refs already" in cluster.status["reason"]
    assert cluster.names() == set()


async def test_evidence_only_writes_nothing_and_says_what_runs_as_declared(
    syncer: LocalSyncer, cluster: Cluster
) -> None:
    cluster.put("AgentDeployment", "a", spec=spec(health=None, replicas=7))
    cluster.put("AgentDeployment", "by-hand", spec=spec(health=None))
    commit = syncer.remote.commit({"agents/a.yaml": agent("a")})
    await syncer.sync(repository(mode="EvidenceOnly"))
    assert cluster.writes == []
    assert cluster.names() == {"a", "by-hand"}
    assert (cluster.status["commit"], cluster.status["applied"]) == (commit, 1)
    assert cluster.status["ready"] == "True"


async def test_evidence_only_names_what_runs_otherwise(
    syncer: LocalSyncer, cluster: Cluster
) -> None:
    cluster.put("AgentDeployment", "a", spec=spec(health=None, port=9999))
    cluster.put("AgentDeployment", "c", spec=spec(health=None))
    files = {f"agents/{name}.yaml": agent(name) for name in "abc"}
    syncer.remote.commit(files)
    await syncer.sync(repository(mode="EvidenceOnly"))
    assert cluster.writes == []
    assert cluster.status["applied"] == 1
    said = {one["path"]: one["message"] for one in cluster.status["refused"]}
    assert "says something else" in said["agents/a.yaml"]
    assert "is not there" in said["agents/b.yaml"]
    conditions = {c["type"]: c["reason"] for c in cluster.status["conditions"]}
    assert conditions == {"Ready": "Drift", "Reconciling": "Drift"}
