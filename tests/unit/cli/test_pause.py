"""A pause says whether git will put the field back, and what to write there."""

from typing import Any

from interlock.api import names
from interlock.cli.pause import put_back

REPOSITORY = {
    "spec": {"url": "https://git.example/agents.git", "path": "line-4", "interval": "30s"}
}


def agent(*, said: bool = False, synced: bool = True, paused: bool = False) -> dict[str, Any]:
    fields: dict[str, Any] = {"f:spec": {"f:image": {}} | ({"f:paused": {}} if said else {})}
    meta: dict[str, Any] = {"name": "press", "labels": {}}
    meta["managedFields"] = [{"manager": names.SYNC_FIELD_MANAGER, "fieldsV1": fields}]
    if synced:
        meta["labels"][names.LABEL_SYNCED_BY] = "line-4-agents"
    return {"metadata": meta, "spec": {"paused": paused}}


def said(whole: dict[str, Any], *, paused: bool = True) -> list[str]:
    return list(put_back(whole, REPOSITORY, paused=paused))


def test_a_file_that_says_otherwise_wins_within_the_interval() -> None:
    (line,) = said(agent(said=True))
    assert "says spec.paused: false, and the syncer puts that back within 30s" in line
    assert "write spec.paused: true there and push" in line
    assert "AgentRepository line-4-agents: https://git.example/agents.git, folder line-4" in line


def test_a_file_that_is_silent_leaves_the_pause() -> None:
    (line,) = said(agent(said=False))
    assert "says nothing of spec.paused, so git leaves this as it is" in line


def test_a_file_that_says_the_same_is_not_mentioned() -> None:
    assert said(agent(said=True, paused=True)) == []


def test_an_agent_that_a_person_applied_is_nobodys_to_put_back() -> None:
    assert said(agent(synced=False)) == []


def test_other_tools_are_named() -> None:
    whole = agent(synced=False)
    whole["metadata"]["labels"]["argocd.argoproj.io/instance"] = "agents"
    whole["metadata"]["annotations"] = {"argocd.argoproj.io/tracking-id": "x"}
    assert said(whole) == [
        "Argo CD delivers it and may put the field back; say spec.paused: true in git."
    ]
