"""Something bad is committed and reverted, so that the sum of the changes shows nothing.

Only the file at the tip is ever delivered or judged; whoever touched it in between took part.
"""

from pathlib import Path

from interlock.api import digests
from interlock.api.kinds.deployment import AgentDeploymentSpec
from interlock.evidence import agentfile, authors
from interlock.evidence.agentfile import Wanted
from support.facts import spec
from support.gitrepos import MAIN, Repo, mirror
from support.policies import email
from support.synced import Cluster, LocalSyncer, agent, repository

FILE = "agents/a.yaml"


async def test_only_what_the_tip_says_is_delivered(tmp_path: Path) -> None:
    cluster = Cluster()
    syncer = LocalSyncer(cluster, tmp_path)
    syncer.remote.commit({FILE: agent("a")})
    syncer.remote.commit({FILE: agent("a", port=6666), "agents/evil.yaml": agent("evil")})
    tip = syncer.remote.commit({FILE: agent("a")})
    await syncer.sync(repository())
    assert cluster.names() == {"a"}
    assert "port" not in cluster.objects["AgentDeployment", "a"]["spec"]
    assert cluster.status["commit"] == tip


async def test_whoever_made_both_took_part(tmp_path: Path) -> None:
    repo, mine = Repo(tmp_path / "remote.git"), mirror(tmp_path / "mirror.git")
    before = repo.commit({FILE: b"1"})
    repo.commit({FILE: b"bad"}, person="quality-1")
    after = repo.commit({FILE: b"1"}, person="quality-1")
    await mine.fetch(repo.url, {MAIN: MAIN})
    change = await authors.change(mine, repo.url, MAIN, FILE, after, before)
    assert ("author", email("quality-1")) in {(one.kind, one.id) for one in change.people}


async def test_content_that_only_history_holds_is_nobody_s_file(tmp_path: Path) -> None:
    repo, mine = Repo(tmp_path / "remote.git"), mirror(tmp_path / "mirror.git")
    bad = AgentDeploymentSpec.model_validate(spec(health=None, port=6666)).dump()
    wanted = Wanted("line-4", "a", digests.content("line-4", "a", bad))
    once = repo.commit({FILE: agent("a", port=6666)})
    tip = repo.commit({FILE: agent("a")})
    await mine.fetch(repo.url, {MAIN: MAIN})
    assert await agentfile.find(mine, once, "agents", wanted) == FILE
    assert await agentfile.find(mine, tip, "agents", wanted) is None
