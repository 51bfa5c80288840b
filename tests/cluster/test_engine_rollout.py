"""Each action on the way forward, against a real API server with the controller's own rights."""

from interlock.api import names
from support.controller import image
from support.engine import Agent, Engine, Pair, until
from support.guest import refuse_pods


def test_admit_makes_a_namespace_that_is_closed_on_all_sides(fresh: Agent, engine: Engine) -> None:
    engine.verifier.delays[fresh.team] = 600.0
    fresh.want("a")
    until(fresh.pointer, lambda to: to == names.NO_REVISION, "a pointer at none")

    quota = fresh.objects("ResourceQuota")[0]
    assert quota["spec"]["hard"]["pods"] == "0"
    assert fresh.admitted() == {}
    policies = {one["metadata"]["name"] for one in fresh.objects("NetworkPolicy")}
    assert policies == {"default-deny", "allow-dns"}
    assert fresh.objects("AgentRevision") == []


def test_admit_leaves_a_foreign_namespace_alone(fresh: Agent) -> None:
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": fresh.home}}
    assert fresh.api.post("/api/v1/namespaces", body).ok
    fresh.want("a")

    until(fresh.reason, lambda reason: reason == "NamespaceTaken", "NamespaceTaken is shown")
    assert fresh.objects("Service") == []
    found = fresh.api.get(f"/api/v1/namespaces/{fresh.home}").body
    assert names.ANNOTATION_OWNER not in (found["metadata"].get("annotations") or {})


def test_an_ungranted_image_gets_no_namespace_and_no_question(fresh: Agent, engine: Engine) -> None:
    fresh.want("a", image="registry.example/others/agent@sha256:" + "a" * 64)
    fresh.until("is refused", lambda s: s.get("gate") == "Blocked" and "grants" in s["reason"])
    assert not fresh.api.get(f"/api/v1/namespaces/{fresh.home}").ok
    assert fresh.team not in engine.verifier.asked


def test_judging_again_on_the_same_inputs_writes_no_decision(fresh: Agent, engine: Engine) -> None:
    fresh.want("a", paused=True)
    until(fresh.decisions, bool, "a decision")
    before = [one["metadata"]["name"] for one in fresh.decisions()]

    for mark in ("unrelated 1", "unrelated 2"):  # a new list makes the controller judge again
        asked = engine.verifier.asked.count(fresh.team)
        engine.verifier.revoke(_digest(mark), mark)
        until(
            lambda asked=asked: engine.verifier.asked.count(fresh.team),
            lambda count, asked=asked: count > asked,
            "another question",
        )
    fresh.want("a", paused=True, replicas=2)  # operational: the same content
    fresh.until("has seen it", lambda s: s["observedGeneration"] == 2)
    assert [one["metadata"]["name"] for one in fresh.decisions()] == before


def test_a_pod_that_the_api_server_refuses_stalls_this_agent_only(
    fresh: Agent, engine: Engine
) -> None:
    # A guest policy of the cluster that Interlock knows nothing of refuses this team's pods.
    refuse_pods(fresh)
    fresh.want("a")
    other = engine.agent(fresh.team, "two")
    assert other.serves("a")
    until(fresh.reason, lambda reason: reason == "AdmissionRefused", "AdmissionRefused is shown")
    assert "guest policy" in fresh.status()["reason"]
    assert fresh.pointer() == names.NO_REVISION


def test_a_whole_rollout_moves_traffic_drains_and_stays_warm(fresh: Agent) -> None:
    old = fresh.serves("a", replicas=2)
    pods = fresh.pods(old)
    new = fresh.serves("b", replicas=2)

    assert fresh.pointer() == fresh.revision(new)
    assert fresh.types() == ["Promotion Committed", "Promotion Committed"]
    until(lambda: fresh.pods(old), lambda now: not set(now) & set(pods), "the left pods restarted")
    until(lambda: len(fresh.pods(old)), lambda count: count == 2, "the way back is warm")
    assert fresh.status()["rollback"] == "warm"
    assert set(fresh.admitted()) == {fresh.revision(old), fresh.revision(new)}
    until(fresh.admitted, lambda e: e.get(fresh.revision(old)), "the old one is eligible")


def test_images_that_never_get_ready_move_no_traffic_and_are_held(pair: Pair) -> None:
    agent = pair.agent
    agent.want("c", "never-ready")
    status = agent.until("is held", lambda s: s["gate"] == "Held")

    assert "NeverReady" in status["reason"]
    assert agent.pointer() == agent.revision(pair.new)
    assert agent.types()[-1] == "FailedStage Committed"
    held = agent.transitions()[-1]["spec"]["to"].rpartition("-")[2]
    until(lambda: agent.pods(held), lambda pods: pods == [], "its pods are gone")
    assert agent.replicas(held) == 0


def test_warm_none_retires_the_left_revision_and_says_cold(pair: Pair) -> None:
    agent = pair.agent
    agent.want("new", warm="none")
    until(lambda: agent.replicas(pair.old), lambda count: count == 0, "the left one is scaled down")
    agent.until("is cold", lambda s: s["rollback"] == "cold")

    request = agent.ask("AgentRollback", "cold", expect=pair.new)
    assert agent.answer(request)["phase"] == "Committed"
    assert agent.pointer() == agent.revision(pair.old)
    assert agent.replicas(pair.old) == 1


def test_paused_stops_a_promotion_and_nothing_else(pair: Pair) -> None:
    agent = pair.agent
    agent.want("c", paused=True)
    agent.until("is paused", lambda s: "paused" in s["reason"])
    assert agent.pointer() == agent.revision(pair.new)

    request = agent.ask("AgentRollback", "paused", expect=pair.new)
    assert agent.answer(request)["phase"] == "Committed"
    assert agent.pointer() == agent.revision(pair.old)


def test_more_replicas_get_their_pods_within_the_quota(pair: Pair) -> None:
    agent = pair.agent
    agent.want("new", replicas=4)
    until(lambda: len(agent.pods(pair.new)), lambda count: count == 4, "four pods serve")
    until(lambda: len(agent.pods(pair.old)), lambda count: count == 4, "four stand by")


def _digest(mark: str) -> str:
    return image("agent", mark).rpartition(":")[2]
