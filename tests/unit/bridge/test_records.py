"""What the cluster's records say of an agent, and the verdict that follows from it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from interlock.api import names
from interlock.api.facts import Subject
from interlock.bridge.look import Watch
from interlock.bridge.records import KINDS, Records
from interlock.cli import manifest
from interlock.cli.manifest import AgentFile
from support import facts, policies
from support.documents import SIGNED, TIME
from support.forgetown import HEAD, Town, agent_file, documents, review, town

OLD = facts.subject(riskTier="safety")
HOME = names.agent_namespace(policies.NAMESPACE, facts.NAME)
AGENT = {"namespace": policies.NAMESPACE, "name": facts.NAME, "uid": "u"}


def stored(kind: str, name: str, spec: dict[str, Any], **more: Any) -> dict[str, Any]:
    meta = {"name": name, "namespace": HOME, "uid": name}
    meta |= {"resourceVersion": "1", "creationTimestamp": TIME}
    head = {"apiVersion": names.API_VERSION, "kind": kind, "metadata": meta}
    return head | {"spec": {"agent": AGENT, **spec, **SIGNED}, **more}


def revision(subject: Any) -> dict[str, Any]:
    spec = {"content": subject.spec, "digest": subject.digest, "behaviour": subject.behaviour}
    name = names.revision_name(facts.NAME, subject.digest)
    return stored("AgentRevision", name, spec | {"renderer": "1", "objects": []})


def promotion(subject: Any, number: int = 1) -> dict[str, Any]:
    name = names.revision_name(facts.NAME, subject.digest)
    spec = {"number": number, "type": "Promotion", "to": name, "digest": subject.digest}
    end = {"end": {"outcome": "Committed", "at": TIME, "signature": "s"}}
    return stored(
        "AgentTransition",
        names.transition_name(facts.NAME, number),
        spec | {"reason": "Promoted", "behaviour": subject.behaviour, "at": TIME},
        status=end,
    )


def decision(subject: Any, verdict: str, number: int = 1, **more: Any) -> dict[str, Any]:
    name = names.revision_name(facts.NAME, subject.digest)
    spec = {
        "revision": name,
        "digest": subject.digest,
        "number": number,
        "purpose": "promotion",
        "verdict": verdict,
        "outcomes": [{"gate": "pins", "outcome": "PASS", "message": "3 pins are true"}],
    }
    return stored("GateDecision", names.decision_name(name, number), spec | more)


class Client:
    """Lists what a cluster holds."""

    def __init__(self, *objects: dict[str, Any]) -> None:
        self.objects = objects

    async def list(self, kind: str, namespace: str | None = None) -> list[dict[str, Any]]:
        assert kind in KINDS
        return [dict(one) for one in self.objects if one["kind"] == kind and namespace == HOME]


def agent() -> AgentFile:
    return manifest.parse(Path(facts.PATH), agent_file())


async def test_what_the_last_promotion_brought_is_what_serves() -> None:
    client: Any = Client(revision(OLD), promotion(OLD))
    found = await Records(client).standing(agent())
    assert (found.serving, found.spec) == (OLD.digest, OLD.spec)
    assert found.known


async def test_where_there_are_no_records_nothing_serves() -> None:
    client: Any = Client()
    found = await Records(client).standing(agent())
    assert (found.serving, found.spec) == ("", None)


async def test_the_newest_decision_on_a_promotion_counts() -> None:
    good = facts.subject()
    client: Any = Client(
        decision(good, "Waiting", 9),
        decision(good, "Allowed", 10),
        decision(good, "Blocked", 11, purpose="rollback"),
    )
    found = await Records(client).standing(agent())
    assert found.decisions[good.digest]["verdict"] == "Allowed"


@pytest.fixture
def place(tmp_path: Path) -> Town:
    return town(tmp_path)


def with_records(place: Town, *objects: dict[str, Any]) -> None:
    client: Any = Client(*objects)
    bridge = replace(place.watch._bridge, records=Records(client))
    place.watch = Watch(bridge, place.forge)


async def test_an_approval_names_what_serves_by_the_cluster_as_predecessor(place: Town) -> None:
    with_records(place, revision(OLD), promotion(OLD))
    await place.look(review("quality-1"))
    (found,) = await place.recorded()
    assert found.predecessor == OLD.digest
    assert "riskTier  safety → high" in place.forge.comments[-1]


async def test_the_operators_decision_is_told_and_nothing_is_forecast(place: Town) -> None:
    made = {"policyDigest": place.policy.digest, "at": TIME}
    with_records(place, decision(facts.subject(), "Allowed", **made))
    await place.look(review("quality-1"))
    assert place.forge.statuses[-1].verdict == "success"
    assert "the operator's decision" in place.forge.comments[-1]
    assert place.verifier.asked == 0


@pytest.mark.parametrize("serving", [OLD, facts.subject()])
async def test_what_served_once_is_not_said_to_be_allowed_again(
    place: Town, serving: Subject
) -> None:
    """A pull request that goes back to it is judged anew, and so the check says."""
    made = {"policyDigest": place.policy.digest, "at": "2020-01-01T00:00:00Z"}
    old = decision(facts.subject(), "Allowed", **made)
    with_records(place, old, revision(serving), promotion(serving))
    await place.look(review("quality-1"))
    allowed = serving.digest == facts.CONTENT
    assert (place.forge.statuses[-1].verdict == "success") == allowed
    assert place.verifier.asked == (0 if allowed else 1)


async def test_a_decision_under_another_policy_is_none(place: Town) -> None:
    made = {"policyDigest": "0" * 64, "at": TIME}
    with_records(place, decision(facts.subject(), "Allowed", **made))
    await place.look(review("quality-1"))
    assert place.forge.statuses[-1].verdict == "pending"


async def test_one_file_for_two_namespaces_has_two_opinions(tmp_path: Path) -> None:
    made = documents()
    whole = made["namespaces"]["namespaces"]
    whole["lab"] = whole[policies.NAMESPACE] | {"minimumTier": "low", "environment": "test"}
    whole["lab"] = whole["lab"] | {"grants": {}}
    place = town(tmp_path, namespaces=made["namespaces"])
    text = agent_file().replace(f"  namespace: {policies.NAMESPACE}\n".encode(), b"")
    place.forge.commits[HEAD] = {facts.PATH: text}
    await place.look(review("quality-1"))
    said = {one.context: one.verdict for one in place.forge.statuses}
    assert said == {
        f"interlock/{policies.NAMESPACE}/{facts.NAME}": "pending",
        f"interlock/lab/{facts.NAME}": "failure",
    }


async def test_a_forecast_is_kept_while_nothing_changes(place: Town) -> None:
    await place.look(review("quality-1"))
    await place.look()
    assert place.verifier.asked == 1
    await place.look(review("quality-1"), review("ot-safety-1"))
    assert place.verifier.asked == 2


async def test_what_is_not_granted_is_not_asked_for(tmp_path: Path) -> None:
    place = town(tmp_path)
    image = f"evil.example/agents/press-scheduler@sha256:{'6c' * 32}"
    place.forge.commits[HEAD] = {facts.PATH: agent_file(image=image)}
    await place.look(review("quality-1"))
    assert place.verifier.asked == 0
    assert place.forge.statuses[-1].verdict == "failure"
    assert "grants" in place.forge.statuses[-1].text
