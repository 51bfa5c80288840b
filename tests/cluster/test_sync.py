"""The git syncer with its own account's rights, over HTTPS, against a real API server."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from interlock.api import digests, names
from interlock.api.config import Config, Git
from interlock.evidence.git import Limits, Mirror
from interlock.sync import loop, reconcile
from interlock_sandbox.gitserver import GitServer, create_repository
from interlock_sandbox.sandbox import Sandbox
from support.facts import spec
from support.gitrepos import Repo
from support.kube import OURS, Api
from support.parts import running

TEAM = "sync-line-4"
AGENTS = f"{OURS}/namespaces/{TEAM}/agentdeployments"
REPOSITORIES = f"{OURS}/namespaces/{TEAM}/agentrepositories"
CONFIG_MAPS = f"/api/v1/namespaces/{TEAM}/configmaps"
MANIFEST = "sync-test-manifest"


@pytest.fixture(scope="module")
def git(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    with running(GitServer(), tmp_path_factory.mktemp("git")) as outputs:
        yield outputs


@pytest.fixture(scope="module")
def url(git: Mapping[str, str]) -> str:
    return create_repository(git, "agents")


@pytest.fixture(scope="module")
def repo(git: Mapping[str, str], url: str) -> Repo:
    return Repo(Path(git["git_repositories"], url.rpartition("/")[2]))


@pytest.fixture(scope="module")
def rewritten(git: Mapping[str, str]) -> str:
    return create_repository(git, "rewritten")


@pytest.fixture(scope="module")
def hanging(git: Mapping[str, str]) -> str:
    return create_repository(git, "hang-agents")


@pytest.fixture(scope="module")
def team(admin: Api, url: str, hanging: str, rewritten: str) -> Api:
    """The team's namespace, and a policy that lets the repositories deliver to it."""
    kinds = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": TEAM}}
    assert admin.post("/api/v1/namespaces", kinds).ok
    grants = [{"url": u, "path": "agents", "approvals": u} for u in (url, hanging, rewritten)]
    entry = {"environment": "test", "repositories": grants}
    policy = yaml.safe_dump({"namespaces": {TEAM: entry}}).encode()
    digest = digests.sha256(policy)
    put(admin, f"governance-{digest[:40]}", {"blob": base64.b64encode(policy).decode()})
    manifest = json.dumps({"targets": {"namespaces.yaml": digest}})
    put(admin, MANIFEST, {"manifest": manifest})
    return admin


def put(admin: Api, name: str, data: Mapping[str, str]) -> None:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}
    answer = admin.post(f"/api/v1/namespaces/{names.SYSTEM_NAMESPACE}/configmaps", body)
    assert answer.ok, answer.message


@pytest.fixture
async def syncing(
    installed: Sandbox,
    git: Mapping[str, str],
    team: Api,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Api]:
    """The team's namespace while a syncer runs, as its own account."""
    monkeypatch.setattr(names, "GOVERNANCE_MANIFEST", MANIFEST)
    monkeypatch.setattr(loop, "LOOK_EVERY", 0.2)
    kubeconfig = installed.kubeconfig_for(names.SYSTEM_NAMESPACE, names.SYNCER_ACCOUNT)
    async with _running(config(git, tmp_path), kubeconfig):
        yield team


def config(git: Mapping[str, str], folder: Path) -> Config:
    token = folder / "token"
    token.write_text(f"syncer:{Path(git['git_syncer_token_file']).read_text()}")
    ca = Path(git["git_ca_file"])
    access = Git(prefix=git["git_url"], token_file=token, ca_file=ca)
    return Config(git=[access], state_dir=folder)


@asynccontextmanager
async def _running(config: Config, kubeconfig: Path) -> AsyncIterator[None]:
    stop = asyncio.Event()
    task = asyncio.create_task(loop.run(config, kubeconfig, stop))
    try:
        yield
    finally:
        stop.set()
        await task


def agent(**changes: Any) -> bytes:
    whole = {
        "apiVersion": "interlock.dev/v1alpha1",
        "kind": "AgentDeployment",
        "metadata": {"name": "press"},
        "spec": spec(health=None, **changes),
    }
    return yaml.safe_dump(whole).encode()


def config_map(text: str = "{}") -> bytes:
    whole = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "mes-tools-1f09c2"},
        "immutable": True,
        "data": {"schema.json": text},
    }
    return yaml.safe_dump(whole).encode()


def deliver(team: Api, name: str, url: str, **fields: object) -> None:
    body = {
        "apiVersion": "interlock.dev/v1alpha1",
        "kind": "AgentRepository",
        "metadata": {"name": name},
        "spec": {"url": url, "path": "agents", "interval": "1s", **fields},
    }
    answer = team.post(REPOSITORIES, body)
    assert answer.ok or answer.code == 409, answer.message


async def status(team: Api, name: str, **wanted: object) -> dict[str, Any]:
    """The repository's status once it says what is wanted."""
    found: dict[str, Any] = {}
    try:
        async with asyncio.timeout(30):
            while any(found.get(key) != value for key, value in wanted.items()):
                await asyncio.sleep(0.05)
                found = team.get(f"{REPOSITORIES}/{name}").body.get("status", {})
    except TimeoutError:
        raise AssertionError(f"{name} is {found}, wanted {wanted}") from None
    return found


async def test_a_commit_becomes_objects_and_goes_with_its_files(
    syncing: Api, repo: Repo, url: str
) -> None:
    first = repo.commit({"agents/press.yaml": agent(), "agents/tools.yaml": config_map()})
    deliver(syncing, "agents", url)
    seen = await status(syncing, "agents", commit=first, ready="True")
    assert seen["applied"] == 2
    stored = syncing.get(f"{AGENTS}/press").body
    assert stored["metadata"]["labels"][names.LABEL_SYNCED_BY] == "agents"
    entries = stored["metadata"]["managedFields"]
    writers = {one["manager"] for one in entries if "f:spec" in one["fieldsV1"]}
    assert writers == {names.SYNC_FIELD_MANAGER}  # a controller beside it may add its finalizer
    second = repo.commit({"agents/press.yaml": agent(env={"LOG_LEVEL": "debug"})})
    await status(syncing, "agents", commit=second, ready="True")
    assert syncing.get(f"{AGENTS}/press").body["spec"]["env"] == {"LOG_LEVEL": "debug"}
    assert syncing.get(f"{CONFIG_MAPS}/mes-tools-1f09c2").code == 404
    assert syncing.get(f"{CONFIG_MAPS}/kube-root-ca.crt").ok


async def test_what_somebody_changed_by_hand_is_what_git_says_again(
    syncing: Api, repo: Repo, url: str
) -> None:
    commit = repo.commit({"agents/press.yaml": agent(replicas=2)})
    deliver(syncing, "agents", url)
    await status(syncing, "agents", commit=commit, ready="True")
    assert syncing.patch(f"{AGENTS}/press", {"spec": {"replicas": 7}}).ok
    async with asyncio.timeout(30):
        while syncing.get(f"{AGENTS}/press").body["spec"]["replicas"] != 2:
            await asyncio.sleep(0.05)


async def test_content_that_somebody_added_by_hand_goes_and_a_pause_stays(
    syncing: Api, repo: Repo, url: str
) -> None:
    """Server-side apply alone leaves what the file does not name."""
    commit = repo.commit({"agents/press.yaml": agent()})
    deliver(syncing, "agents", url)
    await status(syncing, "agents", commit=commit, ready="True")
    edited = {"port": 9999, "paused": True}
    assert syncing.patch(f"{AGENTS}/press", {"spec": edited}).ok
    async with asyncio.timeout(30):
        while "port" in (now := syncing.get(f"{AGENTS}/press").body["spec"]):
            await asyncio.sleep(0.05)
    assert now["paused"] is True


async def test_a_syncer_that_starts_anew_takes_no_rewritten_history(
    installed: Sandbox,
    git: Mapping[str, str],
    syncing: Api,
    rewritten: str,
    tmp_path: Path,
) -> None:
    """Also for an AgentRepository that was deleted and made again; a person may name the commit."""
    remote = Repo(Path(git["git_repositories"], rewritten.rpartition("/")[2]))
    remote.commit({"agents/mixer.yaml": agent().replace(b"press", b"mixer")})
    deliver(syncing, "rewritten", rewritten)
    await status(syncing, "rewritten", ready="True")
    assert syncing.delete(f"{REPOSITORIES}/rewritten").ok
    other = remote.commit({"agents/oven.yaml": agent().replace(b"press", b"oven")}, parents=())
    (tmp_path / "anew").mkdir()
    kubeconfig = installed.kubeconfig_for(names.SYSTEM_NAMESPACE, names.SYNCER_ACCOUNT)
    async with _running(config(git, tmp_path / "anew"), kubeconfig):
        deliver(syncing, "rewritten", rewritten)
        seen = await status(syncing, "rewritten", ready="False")
        assert seen["conditions"][0]["reason"] == "NotFastForward"
        told = syncing.get(f"/api/v1/namespaces/{TEAM}/events").body["items"]
        about = [(one["type"], one["reason"], one["involvedObject"]["name"]) for one in told]
        assert ("Warning", "NotFastForward", "rewritten") in about
        assert syncing.get(f"{AGENTS}/oven").code == 404
        assert syncing.get(f"{AGENTS}/mixer").ok
    named = {"spec": {"rewrittenTo": other, "suspend": False}}
    assert syncing.patch(f"{REPOSITORIES}/rewritten", named).ok
    await status(syncing, "rewritten", commit=other, ready="True")
    assert syncing.get(f"{AGENTS}/oven").ok
    assert syncing.get(f"{AGENTS}/mixer").code == 404
    assert syncing.delete(f"{REPOSITORIES}/rewritten").ok


async def test_where_another_tool_delivers_nothing_is_written(
    syncing: Api, git: Mapping[str, str], rewritten: str
) -> None:
    remote = Repo(Path(git["git_repositories"], rewritten.rpartition("/")[2]))
    commit = remote.commit({"agents/saw.yaml": agent().replace(b"press", b"saw")})
    deliver(syncing, "beside", rewritten, mode="EvidenceOnly")
    seen = await status(syncing, "beside", commit=commit, ready="False")
    assert seen["conditions"][0]["reason"] == "Drift"
    assert "saw in the cluster is not there" in seen["reason"]
    assert syncing.get(f"{AGENTS}/saw").code == 404
    said = yaml.safe_load(agent().replace(b"press", b"saw"))
    assert syncing.post(AGENTS, said).ok
    assert (await status(syncing, "beside", commit=commit, ready="True"))["applied"] == 1
    assert names.LABEL_SYNCED_BY not in syncing.get(f"{AGENTS}/saw").body["metadata"].get(
        "labels", {}
    )
    assert syncing.delete(f"{AGENTS}/saw").ok
    assert syncing.delete(f"{REPOSITORIES}/beside").ok


async def test_bad_files_are_named_and_the_good_one_is_applied(
    syncing: Api, repo: Repo, url: str
) -> None:
    deliver(syncing, "agents", url)
    before = repo.commit({"agents/press.yaml": agent(), "agents/tools.yaml": config_map()})
    await status(syncing, "agents", commit=before, ready="True")
    bad = {"agents/broken.yaml": b"kind: [", "agents/tools.yaml": config_map('{"changed": 1}')}
    commit = repo.commit({"agents/press.yaml": agent(env={"A": "b"}), **bad})
    seen = await status(syncing, "agents", commit=commit, ready="False")
    assert [one["path"] for one in seen["refused"]] == ["agents/broken.yaml", "agents/tools.yaml"]
    assert "immutable" in seen["refused"][1]["message"]
    assert syncing.get(f"{AGENTS}/press").body["spec"]["env"] == {"A": "b"}


async def test_a_git_server_that_hangs_is_said_and_delays_nobody(
    syncing: Api, repo: Repo, url: str, hanging: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def impatient(folder: Path, _: str, access: Sequence[Git]) -> Mirror:
        return Mirror(folder / "m.git", access[0], limits=Limits(fetch_seconds=3.0))

    monkeypatch.setattr(reconcile, "mirror_for", impatient)
    deliver(syncing, "hangs", hanging)
    deliver(syncing, "agents", url)
    for n in range(3):
        commit = repo.commit({"agents/press.yaml": agent(env={"N": str(n)})})
        await status(syncing, "agents", commit=commit, ready="True")
    seen = await status(syncing, "hangs", ready="False")
    assert seen["conditions"][0]["reason"] == "FetchFailed"
    assert "gave no result within 3 s" in seen["reason"]
