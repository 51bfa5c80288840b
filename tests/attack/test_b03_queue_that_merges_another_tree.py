"""A merge queue that reports success and writes another tree than was reviewed (as in 2026-04)."""

from pathlib import Path

import pytest

from interlock.api.facts import Subject
from interlock.evidence import agentfile
from support import facts, policies
from support.approver import manifest
from support.gitrepos import Repo, mirror

OLD, NEW, OTHER = (facts.subject(port=port) for port in (8081, 8082, 8083))


@pytest.mark.parametrize("written", [OLD, OTHER], ids=["a revert of it", "somebody else's change"])
async def test_what_lies_on_the_branch_is_what_needs_approval(
    tmp_path: Path, written: Subject
) -> None:
    """The commit message, the merge's parents and the forge's green tick say NEW."""
    repo = Repo(tmp_path / "agents.git")
    base = repo.commit({facts.PATH: manifest(OLD.spec)})
    head = repo.commit({facts.PATH: manifest(NEW.spec)}, ref="refs/pull/7/head", parents=(base,))
    repo.commit(
        {facts.PATH: manifest(written.spec)}, parents=(base, head), message="Merge pull request 7"
    )
    mine = mirror(tmp_path / "mirror.git")
    fetched = await mine.fetch(repo.url, {"refs/heads/main": "refs/heads/main"})
    assert not fetched.refused
    tip = await mine.tip("refs/heads/main")
    for one in (OLD, NEW, OTHER):
        wanted = agentfile.Wanted(policies.NAMESPACE, facts.NAME, one.digest)
        found = await agentfile.find(mine, tip or "", "agents", wanted)
        assert (found == facts.PATH) == (one.digest == written.digest)
