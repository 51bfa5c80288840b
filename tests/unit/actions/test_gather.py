from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from interlock.actions import gather
from interlock.api import digests, names
from interlock.api.facts import NOT_FAST_FORWARD, Denied, Findings, Unresolved
from interlock.audit.records import Signer
from interlock.cluster.client import ClusterError
from interlock.evidence.wire import SeenTip
from support.facts import CONTENT, approval, change, good_facts, quality, safety
from support.gathering import KEY, Cluster, Controller, Verifier

VETO = safety(decision="reject", reason="not on my line")
MOVED = Denied(bundle="a" * 64, location="r", code=NOT_FAST_FORWARD, got="g", expected="e")
PLACE = names.vetoes(KEY.home)


def said(*approvals: Any, **fields: Any) -> Findings:
    return Findings(approvals=list(approvals), **fields)


def decide(at: Controller, moment: str, signer: Signer, **fields: Any) -> None:
    """Put a decision into the cache, about a change."""
    facts = good_facts(change=change(**fields)).canonical().decode()
    spec = signer.sign("GateDecision", {"at": moment, "facts": facts})
    meta = {"name": moment, "namespace": KEY.home, "uid": moment, "resourceVersion": "1"}
    at.cache.merge({"kind": "GateDecision", "metadata": meta, "spec": spec})


async def test_without_a_veto_nothing_is_written(cluster: Cluster) -> None:
    found = said(quality(), safety())
    assert await Controller(Verifier(found), cluster).gather() == found.model_copy(
        update={"approvals": sorted(found.approvals, key=lambda one: one.envelope)}
    )
    assert cluster.config_maps == {}


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


@pytest.mark.parametrize("decision", ["reject", "revoke"])
async def test_a_veto_is_remembered_across_restarts(cluster: Cluster, decision: str) -> None:
    key, veto = Ed25519PrivateKey.generate(), safety(decision=decision)
    await Controller(Verifier(said(quality(), veto)), cluster, key).gather()
    again = Controller(Verifier(said(quality())), cluster, key)
    assert {one.decision for one in await again.approvals()} == {"approve", decision}
    assert len(await again.approvals()) == 2
    assert cluster.gets == 2  # one look a process


async def test_a_veto_that_could_not_be_stored_is_stored_at_the_next_look(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def down(obj: Any) -> None:
        raise ClusterError(503, "unavailable")

    at = Controller(Verifier(said(VETO)), cluster)
    with monkeypatch.context() as broken:
        broken.setattr(cluster, "apply", down)
        with pytest.raises(ClusterError):
            await at.gather()
    await at.gather()
    assert PLACE in cluster.config_maps


async def test_what_a_stranger_says_is_not_kept(cluster: Cluster) -> None:
    stranger = approval("quality-1", "quality", decision="reject", key="SHA256:nobody")
    await Controller(Verifier(said(stranger)), cluster).gather()
    assert cluster.config_maps == {}


async def test_the_vetoes_of_the_newest_contents_are_kept(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gather, "MAX_CONTENTS", 2)
    at = Controller(Verifier(said(VETO)), cluster)
    at.ports.memory(KEY).vetoes = {"1": {}, "2": {}}
    await at.gather()
    kept = at.ports.memory(KEY).vetoes
    assert kept is not None
    assert [*kept][:1] == ["2"]
    assert len(kept) == 2


async def test_long_vetoes_leave_room_for_newer_ones(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = Controller(Verifier(said(VETO)), cluster)
    size = len(VETO.model_dump_json())
    for room, kept in ((2 * size, ["2", CONTENT]), (size, [CONTENT]), (1, [CONTENT])):
        monkeypatch.setattr(gather, "MAX_BYTES", room)
        at.ports.memory(KEY).vetoes = {"1": {"e": VETO}, "2": {"e": VETO}}
        await at.gather()
        assert [*(at.ports.memory(KEY).vetoes or {})] == kept


@pytest.mark.parametrize("how", ["another key", "another agent", "no JSON", "changed", "nothing"])
async def test_a_memory_that_is_not_ours_stops_the_agent(cluster: Cluster, how: str) -> None:
    key = Ed25519PrivateKey.generate()
    await Controller(Verifier(said(VETO)), cluster, key).gather()
    stored = cluster.config_maps[PLACE]["data"]
    other = Signer(key).sign(gather.KIND, {"agent": "agent-x", "contents": []})
    stored["vetoes"] = {
        "another key": stored["vetoes"],
        "another agent": digests.canonical(other).decode(),
        "no JSON": "{",
        "changed": stored["vetoes"].replace('"reject"', '"approve"'),
        "nothing": "[]",
    }[how]
    key = Ed25519PrivateKey.generate() if how == "another key" else key
    found = await Controller(Verifier(said(quality())), cluster, key).gather()
    assert isinstance(found, Unresolved)
    assert found.reason == "BadRecord"
    assert f"ConfigMap interlock-system/{PLACE}" in found.message


async def test_what_cannot_be_asked_is_said(cluster: Cluster) -> None:
    why = Unresolved(reason="SourceUnavailable", message="away")
    assert await Controller(Verifier(why), cluster).gather() == why


async def test_the_verifier_is_told_where_the_newest_decision_saw_the_branch(
    cluster: Cluster,
) -> None:
    verifier = Verifier(said())
    at = Controller(verifier, cluster)
    decide(at, "2026-11-20T10:00:00Z", at.signer, commit="0a" * 20)
    decide(at, "2026-11-20T11:00:00Z", at.signer, commit="0b" * 20)
    decide(at, "2026-11-20T12:00:00Z", at.signer, commit="")
    decide(at, "2026-11-20T13:00:00Z", Signer(Ed25519PrivateKey.generate()), commit="0c" * 20)
    await at.gather()
    known = change()
    tip = SeenTip(repository=known.repository, ref=known.ref, commit="0b" * 20)
    assert verifier.asked[0]["seen"] == [tip]


async def test_only_a_commit_that_an_agent_repository_names_may_follow_a_rewritten_history(
    cluster: Cluster,
) -> None:
    verifier = Verifier(said(denied=[MOVED]), said(quality()))
    at = Controller(verifier, cluster)
    assert await at.approvals() == []
    cluster.repositories = [{"spec": {"rewrittenTo": "0d" * 20}}, {"spec": {}}]
    verifier.says = [said(denied=[MOVED]), said(quality())]
    assert len(await at.approvals()) == 1
    assert verifier.asked[-1]["rewritten"] == ["0d" * 20]


async def test_a_commit_that_was_let_in_once_may_not_be_gone_back_to(cluster: Cluster) -> None:
    """The field stays in the AgentRepository; what it allowed has happened."""
    verifier = Verifier(said(denied=[MOVED]))
    at = Controller(verifier, cluster)
    cluster.repositories = [{"spec": {"rewrittenTo": "0a" * 20}}]
    decide(at, "2026-11-20T10:00:00Z", at.signer, commit="0a" * 20)
    await at.gather()
    assert verifier.asked[-1]["rewritten"] == ["0a" * 20]  # another mirror may be behind
    decide(at, "2026-11-20T11:00:00Z", at.signer, commit="0b" * 20)
    await at.gather()
    assert [one.get("rewritten", []) for one in verifier.asked[2:]] == [[]]
