"""An image of the right builder and repository, built of a commit that no approved change contains.

The provenance is honest; the commit lies on somebody's branch, where nobody reviewed it.
"""

from pathlib import Path
from typing import Any

import pytest
import yaml

from interlock.api.facts import Change, Findings
from interlock.api.reasons import Reason
from interlock.evidence import findings
from interlock.evidence.git import Mirror
from interlock.gates.provenance import evaluate
from interlock.policy.parse import parse
from support import facts, gitrepos, plant, policies, proofs, proven
from support.gitrepos import Repo
from support.plant import Plant

FILE = "agents/press-scheduler.yaml"


@pytest.fixture
def good(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Plant:
    def local(folder: Path, url: str, access: object) -> Mirror:
        return gitrepos.mirror(tmp_path / "mirror.git")

    monkeypatch.setattr(findings, "mirror_for", local)
    return plant.plant(monkeypatch, tmp_path)


def agent_file(good: Plant) -> bytes:
    kind = {"apiVersion": "interlock.dev/v1alpha1", "kind": "AgentDeployment"}
    metadata = {"name": facts.NAME, "namespace": policies.NAMESPACE}
    return yaml.safe_dump(kind | {"metadata": metadata, "spec": good.spec()}).encode()


def governed(repo: Repo) -> dict[str, bytes]:
    documents = policies.documents()
    source = {"url": repo.url, "path": "agents", "approvals": repo.url}
    documents["namespaces"]["namespaces"][policies.NAMESPACE]["repositories"] = [source]
    documents["gates"]["provenance"] = {"approvedCommit": True}
    return plant.targets(namespaces=documents["namespaces"], gates=documents["gates"])


async def judged(good: Plant, repo: Repo, commit: str) -> tuple[Change, Any]:
    proof = proven.honest()["provenance"]
    dependency = {"uri": proofs.SOURCE, "digest": {"gitCommit": commit}}
    proof.predicate = proofs.slsa(resolvedDependencies=[dependency])
    good.image_bundles.append(proof.bundle())
    targets = governed(repo)
    found = await good.findings(targets={name: data.decode() for name, data in targets.items()})
    assert isinstance(found, Findings), found
    assert found.change
    image = facts.subject(**good.spec())
    said = facts.good_facts(subject=image, evidence=found.evidence, change=found.change)
    return found.change, evaluate(said, parse(targets, 1))


async def test_only_a_commit_that_the_change_contains_may_have_been_built(
    good: Plant, tmp_path: Path
) -> None:
    repo = Repo(tmp_path / "remote.git")
    built = repo.commit({"code.py": b"1"})
    approved = repo.commit({"code.py": b"1", FILE: agent_file(good)})
    aside = repo.commit({"code.py": b"evil"}, ref="refs/heads/aside", parents=(built,))
    change, result = await judged(good, repo, built)
    assert (change.commit, change.contains) == (approved, [built])
    assert result.reason is Reason.PASSED
    good.image_bundles.pop()
    change, result = await judged(good, repo, aside)
    assert (change.contains, result.reason) == (None, Reason.PROVENANCE_MISMATCH)
    assert result.got == aside
