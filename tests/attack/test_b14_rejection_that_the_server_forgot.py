"""The git server drops a rejection, or goes back, when our mirror and caches are new.

The veto lies with us, signed, and outlives mirrors, restarts and the AgentRepository.
"""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from interlock.api.facts import Findings
from interlock.api.values import Outcome
from interlock.evidence import findings
from interlock.evidence.git import Mirror
from interlock.gates.change_approval import evaluate
from support import facts, gitrepos, plant, policies
from support.gathering import Cluster, Controller, Verifier
from support.gitrepos import MAIN, Repo


@pytest.mark.parametrize("decision", ["reject", "revoke"])
async def test_a_veto_that_was_seen_once_counts_for_ever(decision: str) -> None:
    cluster, key = Cluster(), Ed25519PrivateKey.generate()
    both = [facts.quality(), facts.safety()]
    veto = facts.approval("quality-2", "quality", decision=decision, nonce="quality-2-veto-0")
    people = [*both, veto]
    await Controller(Verifier(Findings(approvals=people)), cluster, key).gather()
    after = Controller(Verifier(Findings(approvals=both)), cluster, key)
    judged = facts.good_facts(approvals=list(await after.approvals()))
    honest = evaluate(facts.good_facts(approvals=people), policies.good_policy())
    assert evaluate(judged, policies.good_policy()).outcome is honest.outcome
    if decision == "reject":
        assert honest.outcome is Outcome.FAIL


async def test_a_branch_that_went_back_is_told_to_who_asks(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A verifier that is new would take the older history, and whoever it names."""
    good = plant.plant(monkeypatch, tmp_path)

    def local(folder: Path, url: str, access: object) -> Mirror:
        return gitrepos.mirror(tmp_path / "mirror.git")

    monkeypatch.setattr(findings, "mirror_for", local)
    repo = Repo(tmp_path / "remote.git")
    old = repo.commit({"agents/README": b"1"})
    tip = repo.commit({"agents/README": b"2"})
    repo.git("update-ref", MAIN, old)
    namespaces = policies.documents()["namespaces"]
    source = {"url": repo.url, "path": "agents", "approvals": repo.url}
    namespaces["namespaces"][policies.NAMESPACE]["repositories"] = [source]
    targets = {name: data.decode() for name, data in plant.targets(namespaces=namespaces).items()}
    seen = [{"repository": repo.url, "ref": MAIN, "commit": tip}]
    found = await good.findings(targets=targets, seen=seen)
    assert isinstance(found, Findings), found
    (denied,) = [one for one in found.denied if one.code == "NotFastForward"]
    assert denied.location == f"{MAIN} of {repo.url}"
    assert f"commit {tip[:10]}, seen before" in denied.got
    allowed = await good.findings(targets=targets, seen=seen, rewritten=[old])
    assert isinstance(allowed, Findings), allowed
    assert not [one for one in allowed.denied if one.code == "NotFastForward"]
