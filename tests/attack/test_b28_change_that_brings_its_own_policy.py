"""The change edits who may approve it, or what its tier asks for, along with the agent.

Policy is signed data of another repository; a delivering repository and an AgentDeployment have no
words for it, and what is edited there counts once its own quorum has signed it.
"""

from pathlib import Path
from typing import Any

import pytest
import yaml

from interlock.api.values import Outcome
from interlock.gates.change_approval import evaluate
from interlock.policy.parse import parse as parse_policy
from interlock.sync import documents as synced
from support import policies
from support.facts import NAME, PATH, approval, change, good_facts, safety, spec, subject
from support.govrepo import govrepo
from support.policies import documents, good_policy


def delivered(path: str, document: dict[str, Any]) -> Any:
    """What the syncer makes of a repository with this file."""
    data = yaml.safe_dump(document).encode()
    return synced.parse({path: data}, policies.NAMESPACE, "agents")


def manifest(**more: Any) -> dict[str, Any]:
    metadata = {"name": NAME, "namespace": policies.NAMESPACE}
    whole = {"apiVersion": "interlock.dev/v1alpha1", "kind": "AgentDeployment"}
    return whole | {"metadata": metadata, "spec": spec(**more)}


def lax_people() -> dict[str, Any]:
    """The people, and the author with every role."""
    people = documents()["people"]
    people["people"][4]["roles"] = ["quality", "ot-safety", "developer"]
    return dict(people)


@pytest.mark.parametrize("stem", ["people", "tiers", "namespaces", "trust"])
def test_policy_beside_the_agent_is_refused_and_not_read(stem: str) -> None:
    assert delivered(PATH, manifest()).found
    found = delivered(f"agents/{stem}.yaml", documents()[stem])
    assert not found.found
    assert len(found.refused) == 1


@pytest.mark.parametrize(
    "field",
    [
        {"quorum": []},
        {"environment": "test"},
        {"approvers": ["developer-1"]},
        {"tier": "low"},
        {"gates": ["grants"]},
    ],
)
def test_a_manifest_has_no_words_for_policy(field: dict[str, Any]) -> None:
    found = delivered(PATH, manifest(**field))
    assert not found.found
    assert next(iter(field)) in found.refused[0].message


def test_an_edit_of_the_people_counts_when_their_quorum_signed_it(tmp_path: Path) -> None:
    repo = govrepo(tmp_path)
    repo.edit("people.yaml", yaml.safe_dump(lax_people()).encode())
    people = parse_policy(repo.load().targets, 1).people
    assert next(p for p in people.people if p.id == "developer-1").roles == ["developer"]


def test_the_policy_in_force_judges_whatever_the_approval_says_of_policy() -> None:
    """By the next policy the author may approve; the present one knows nothing of that."""
    lax = good_policy(people=lax_people())
    mine = approval("developer-1", "quality")
    facts = good_facts(approvals=[mine, safety()], policy_digest=lax.digest)
    assert evaluate(facts, good_policy()).outcome is Outcome.WAIT


def test_the_author_of_a_change_gains_nothing_by_a_role_of_yesterday() -> None:
    """Even in force the next policy excludes who made the change."""
    mine = approval("developer-1", "quality")
    facts = good_facts(approvals=[mine, safety()], change=change(), subject=subject())
    assert evaluate(facts, good_policy(people=lax_people())).outcome is Outcome.WAIT
