"""Broken glass on a real API server: who may, for how long, what moves, and what ends it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from support.documents import BASES, changed
from support.engine import Agent, Engine, until
from support.facts import approval, change
from support.kube import ADMISSION, OURS, Answer, Api, switched_off
from support.kube import until as wait
from support.policies import email

RBAC = "rbac.authorization.k8s.io"
COLLECTION = f"{OURS}/namespaces/default/agentbreakglasses"
Persons = Callable[[str], Api]


def soon(**delta: float) -> str:
    """A moment from now."""
    return (datetime.now(UTC) + timedelta(**delta)).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.fixture(scope="module")
def persons(admin: Api) -> Persons:
    """Gives people the role, each under the name that people.yaml has of them."""

    def person(name: str) -> Api:
        user = email(name)
        body = {
            "apiVersion": f"{RBAC}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": f"glass-{name}"},
            "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": "interlock-break-glass"},
            "subjects": [{"kind": "User", "name": user, "apiGroup": RBAC}],
        }
        assert admin.post(f"/apis/{RBAC}/v1/clusterrolebindings", body).code in (201, 409)
        api = admin.named(user)
        wait(lambda: ask(api).ok, f"the rights of {user}")
        return api

    return person


def ask(api: Api, **spec: Any) -> Answer:
    """What the door says of a request, without leaving one."""
    return api.post(COLLECTION, document(**spec), dryRun="All")


def document(**spec: Any) -> dict[str, Any]:
    base = changed(BASES["AgentBreakGlass"], "metadata.name", "asked")
    return base | {"spec": base["spec"] | spec}


# --- the door


def test_it_needs_its_own_role(admin: Api, controller: Api, syncer: Api) -> None:
    for api in (controller, syncer, admin.named("somebody@line-4.example")):
        assert ask(api).code == 403


def test_it_carries_the_name_of_who_asked(persons: Persons, admin: Api) -> None:
    sre = persons("sre-1")
    for said in ({}, {"requestedBy": email("quality-1")}):
        answer = ask(sre, **said)
        assert answer.body["spec"]["requestedBy"] == email("sre-1")
    binding = f"{ADMISSION}/mutatingadmissionpolicybindings/interlock-requests"
    with switched_off(admin, binding):
        wait(lambda: not ask(sre, requestedBy=email("quality-1")).ok, "the forgery refused")
    wait(lambda: ask(sre, requestedBy=email("quality-1")).ok, "the stamp back in force")


@pytest.mark.parametrize(
    ("expires", "good"),
    [
        ({"minutes": 5}, True),
        ({"hours": 23, "minutes": 59}, True),
        ({"hours": 24, "minutes": 1}, False),
        ({"days": 365}, False),
        ({"minutes": -1}, False),
    ],
    ids=str,
)
def test_it_lasts_a_day_at_most(persons: Persons, expires: dict[str, float], good: bool) -> None:
    answer = ask(persons("sre-1"), expires=soon(**expires))
    assert answer.ok is good
    assert good or "expected a moment within the next 24 hours" in answer.message


def test_nobody_makes_it_last_longer(persons: Persons, admin: Api) -> None:
    body = changed(document(), "metadata.name", "lasting")
    assert persons("sre-1").post(COLLECTION, body).code in (201, 409)
    answer = admin.patch(f"{COLLECTION}/lasting", {"spec": {"expires": soon(hours=22)}})
    assert answer.code == 422
    assert "never changes" in answer.message


def test_the_policy_type_checks(admin: Api) -> None:
    path = f"{ADMISSION}/validatingadmissionpolicies/interlock-break-glass"
    wait(lambda: "typeChecking" in (admin.get(path).body.get("status") or {}), "a type check")
    assert not admin.get(path).body["status"]["typeChecking"].get("expressionWarnings")


# --- what moves


def wanted(agent: Agent, tier: str, **spec: Any) -> tuple[str, str]:
    """Serve `a`, ask for an unapproved `b`; return what serves, and the whole digest of `b`."""
    before = agent.serves("a")
    agent.want("b", riskTier=tier, **spec)
    agent.until("waits for people", lambda s: s["candidate"] != "-" and s["gate"] == "Blocked")
    short = agent.status()["candidate"]
    found = agent.api.get(agent.place("AgentRevision", agent.revision(short))).body
    return before, found["spec"]["digest"]


def broken(agent: Agent, by: Api, name: str, digest: str) -> dict[str, Any]:
    """Break the glass as somebody, and return the controller's answer."""
    word = {"digest": digest, "ticket": "INC-4711", "expires": soon(hours=20)}
    return agent.answer(agent.ask("AgentBreakGlass", name, by, **word))


def events(agent: Agent) -> dict[str, str]:
    """Reason to type of the Events in the team's namespace."""
    found = agent.api.get(f"/api/v1/namespaces/{agent.team}/events").body["items"]
    return {one["reason"]: one["type"] for one in found}


def test_one_person_lets_it_in_and_it_leaves_by_itself(fresh: Agent, persons: Persons) -> None:
    old, new = wanted(fresh, "medium")
    answer = broken(fresh, persons("sre-1"), "now", new)
    assert answer["phase"] == "Committed", answer
    status = fresh.until("serves b", lambda s: s["serving"] == new[:10])
    status = fresh.until("shows it", lambda s: s["breakGlass"] == "Unratified")
    promotion = fresh.transitions()[-1]["spec"]
    asked = fresh.transitions()[-2]["spec"]
    assert promotion["breakGlass"] == [fresh.transitions()[-2]["metadata"]["name"]]
    assert (asked["requestedBy"], asked["ticket"]) == (email("sre-1"), "INC-4711")
    decision = fresh.api.get(fresh.place("GateDecision", promotion["decision"])).body["spec"]
    outcomes = {one["gate"]: one["outcome"] for one in decision["outcomes"]}
    assert outcomes["change-approval"] == "BYPASSED"

    status = fresh.until("went back", lambda s: s["serving"] == old)
    assert status["gate"] == "Held"
    left = fresh.transitions()[-1]
    assert left["spec"]["cause"] == "unratified"
    assert left["spec"]["at"] >= promotion["ratifyBy"]
    until(
        lambda: events(fresh),
        lambda found: {"BreakGlass", "LetInByBreakGlass", "Unratified"} <= found.keys(),
        "events",
    )
    again = broken(fresh, persons("sre-1"), "again", new)
    assert again["phase"] == "Refused"
    assert "break-glass lifts no hold" in again["message"]


def test_the_quorum_ratifies_it(fresh: Agent, engine: Engine, persons: Persons) -> None:
    _, new = wanted(fresh, "high")
    assert broken(fresh, persons("sre-1"), "now", new)["phase"] == "Committed"
    fresh.until("serves b", lambda s: s["breakGlass"] == "Unratified")
    replaced = fresh.api.get(fresh.place("AgentRevision", fresh.transitions()[0]["spec"]["to"]))
    given = approval(
        "quality-1",
        "quality",
        subject=new,
        clusters=["test"],
        environment="test",
        namespace=fresh.team,
        predecessor=replaced.body["spec"]["digest"],
        not_before=soon(minutes=-1),
        not_after=soon(hours=1),
    )
    engine.verifier.more[fresh.team] = {
        "approvals": [given.model_dump(mode="json", by_alias=True, exclude_none=True)],
        "change": change().model_dump(mode="json", by_alias=True, exclude_none=True),
    }
    status = fresh.until("is ratified", lambda s: s["breakGlass"] == "-")
    assert status["serving"] == new[:10]
    last = fresh.transitions()[-1]["spec"]
    assert (last["type"], last["nonces"]) == ("Ratification", [given.nonce])
    until(lambda: events(fresh), lambda found: found.get("Ratified") == "Normal", "an event")


def test_two_persons_let_it_in_for_good(fresh: Agent, persons: Persons) -> None:
    _, new = wanted(fresh, "medium", paused=True)
    for person in ("sre-1", "developer-1"):
        answer = broken(fresh, persons(person), person, new)
        assert answer["phase"] == "Committed", answer
    fresh.want("b", riskTier="medium", paused=False)
    status = fresh.until("serves b", lambda s: s["breakGlass"] == "LetIn")
    assert status["serving"] == new[:10]
    promotion = fresh.transitions()[-1]["spec"]
    assert len(promotion["breakGlass"]) == 2
    assert "ratifyBy" not in promotion


def test_somebody_whom_people_yaml_does_not_know_breaks_nothing(fresh: Agent) -> None:
    old, new = wanted(fresh, "medium")
    answer = broken(fresh, fresh.api, "stranger", new)
    assert answer["phase"] == "Refused"
    assert "people.yaml knows no person whose users name" in answer["message"]
    assert fresh.status()["serving"] == old
