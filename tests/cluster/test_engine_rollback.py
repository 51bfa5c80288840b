"""The ways back, against a real API server: asked for, by itself, cut, quarantined, released."""

from interlock.api import names
from support.controller import image
from support.engine import Engine, Pair, until
from support.guest import refuse_pods
from support.kube import Api


def test_a_rollback_moves_traffic_holds_the_content_and_names_who_asked(pair: Pair) -> None:
    agent = pair.agent
    request = agent.ask("AgentRollback", "back", expect=pair.new)
    answer = agent.answer(request)

    assert answer["phase"] == "Committed"
    assert agent.pointer() == agent.revision(pair.old)
    record = agent.transitions()[-1]
    assert record["metadata"]["name"] == answer["transition"]
    assert record["spec"]["type"] == "Rollback"
    who = agent.api.get(request).body["spec"]["requestedBy"]
    assert record["spec"]["requestedBy"] == who != ""
    agent.until("shows the hold", lambda s: s["gate"] == "Held" and "release" in s["reason"])
    until(lambda: agent.pods(pair.new), lambda pods: pods == [], "the left one is drained away")
    assert agent.pointer() == agent.revision(pair.old)


def test_a_rollback_that_expects_something_else_is_refused(pair: Pair) -> None:
    agent = pair.agent
    answer = agent.answer(agent.ask("AgentRollback", "stale", expect=pair.old))
    assert answer["phase"] == "Refused"
    assert f"{pair.new} serves, the request expected {pair.old}" in answer["message"]
    assert agent.pointer() == agent.revision(pair.new)
    assert agent.types() == ["Promotion Committed"] * 2


def test_a_rollback_to_what_never_served_is_refused(pair: Pair) -> None:
    agent = pair.agent
    answer = agent.answer(agent.ask("AgentRollback", "odd", expect=pair.new, to="0" * 10))
    assert answer["phase"] == "Refused"
    assert "0 kept revisions" in answer["message"]


def test_a_release_lifts_the_hold_and_the_gates_run_again(pair: Pair) -> None:
    agent = pair.agent
    agent.answer(agent.ask("AgentRollback", "back", expect=pair.new))
    agent.until("is held", lambda s: s["gate"] == "Held")
    asked = agent.engine.verifier.asked.count(agent.team)

    answer = agent.answer(agent.ask("AgentRelease", "free", digest=pair.new))
    assert answer["phase"] == "Committed"
    assert agent.healthy(pair.old) == pair.new
    assert agent.engine.verifier.asked.count(agent.team) > asked
    kinds = ["Promotion", "Promotion", "Rollback", "Release", "Promotion"]
    assert agent.types() == [f"{kind} Committed" for kind in kinds]


def test_a_cut_leaves_no_pod_and_no_entry_of_what_is_left(pair: Pair) -> None:
    agent = pair.agent
    agent.answer(agent.ask("AgentRollback", "cut", expect=pair.new, cut=True))
    until(lambda: agent.pods(pair.new), lambda pods: pods == [], "the cut one has no pod")
    assert agent.revision(pair.new) not in agent.admitted()
    assert agent.replicas(pair.new) == 0
    assert agent.pointer() == agent.revision(pair.old)


def test_what_turns_unready_inside_its_bake_is_left_by_itself(pair: Pair) -> None:
    agent = pair.agent
    agent.want("c", "turns-unready", rollout={"bake": "30s", "drain": "1s"})
    status = agent.until("is held", lambda s: s["gate"] == "Held", seconds=20)

    assert "Unhealthy" in status["reason"]
    assert agent.pointer() == agent.revision(pair.new)
    assert agent.types()[-2:] == ["Promotion Committed", "Rollback Committed"]
    before = agent.types()
    agent.want("c", "turns-unready", rollout={"bake": "30s", "drain": "1s"})  # a re-sync
    agent.until("has looked again", lambda s: s["gate"] == "Held")
    assert agent.types() == before


def test_a_revoked_digest_is_cut_and_cannot_come_back(pair: Pair, engine: Engine) -> None:
    agent = pair.agent
    bad = agent.serves(f"revoked of {agent.team}")
    digest = image("agent", f"revoked of {agent.team}").rpartition(":")[2]
    engine.verifier.revoke(digest, "stolen key")

    until(agent.pointer, lambda to: to == agent.revision(pair.new), "traffic left the revoked one")
    until(lambda: agent.pods(bad), lambda pods: pods == [], "the revoked one has no pod")
    record = agent.transitions()[-1]["spec"]
    assert (record["type"], record["cause"], record["cut"]) == ("Rollback", "revoked", True)
    agent.until("says why", lambda s: s["gate"] == "Blocked" and "stolen key" in s["reason"])
    assert agent.revision(bad) not in agent.admitted()

    answer = agent.answer(agent.ask("AgentRollback", "b", expect=pair.new, to=bad))
    assert answer["phase"] == "Refused"
    assert "stolen key" in answer["message"]


def test_a_quarantine_takes_everything_off_until_it_is_lifted(pair: Pair) -> None:
    agent = pair.agent
    answer = agent.answer(agent.ask("AgentQuarantine", "off"))
    assert answer["phase"] == "Committed"
    assert agent.pointer() == names.NO_REVISION
    until(lambda: agent.objects("Pod"), lambda pods: pods == [], "no pod is left")
    assert agent.admitted() == {}
    agent.until("says who", lambda s: "quarantined by" in s["reason"])
    agent.api.delete(f"{agent.path.rpartition('/agent')[0]}/agentquarantines/off")
    assert agent.answer(agent.ask("AgentQuarantine", "again"))["phase"] == "Refused"

    restore = agent.ask("AgentRelease", "on", quarantine=True)
    assert agent.answer(restore)["phase"] == "Committed"
    until(agent.pointer, lambda to: to == agent.revision(pair.new), "it serves again")


def test_a_rollback_wins_against_retiring_its_target(pair: Pair) -> None:
    agent = pair.agent
    # Interlock was about to scale the target down when the request came: marked, not yet scaled.
    mark = {"metadata": {"annotations": {names.ANNOTATION_RETIRING: "true"}}}
    place = agent.place("Deployment", agent.revision(pair.old))
    assert agent.api.patch(place, mark).ok
    answer = agent.answer(agent.ask("AgentRollback", "race", expect=pair.new))

    assert answer["phase"] == "Committed"
    assert agent.pointer() == agent.revision(pair.old)
    found = agent.api.get(place).body
    assert names.ANNOTATION_RETIRING not in (found["metadata"].get("annotations") or {})
    assert agent.replicas(pair.old) == 1


def _cold(pair: Pair) -> None:
    """The way back is cold, and cannot get warm."""
    agent = pair.agent
    agent.want("new", warm="none")
    until(lambda: agent.replicas(pair.old), lambda count: count == 0, "the left one is scaled down")
    agent.until("is cold", lambda s: s["rollback"] == "cold")
    refuse_pods(agent)


def test_a_cut_to_a_cold_target_does_not_wait_for_it(pair: Pair) -> None:
    agent = pair.agent
    _cold(pair)
    agent.ask("AgentRollback", "cut", expect=pair.new, cut=True)

    until(agent.pointer, lambda to: to == names.NO_REVISION, "traffic left at once")
    until(lambda: agent.pods(pair.new), lambda pods: pods == [], "the cut one has no pod")
    assert agent.revision(pair.new) not in agent.admitted()
    assert agent.types()[-1] == "Rollback open"
    assert agent.replicas(pair.old) == 1
    # It waits, and does not spin: here it looks once a second.
    assert agent.engine.log().read_text().count(f"{agent.revision(pair.old)} is cold") < 20


def test_a_quarantine_does_not_wait_behind_a_cold_rollback(pair: Pair) -> None:
    agent = pair.agent
    _cold(pair)
    rollback = agent.ask("AgentRollback", "back", expect=pair.new)
    until(agent.types, lambda types: types[-1] == "Rollback open", "the rollback waits")
    assert agent.pointer() == agent.revision(pair.new)

    quarantine = agent.ask("AgentQuarantine", "off")
    assert agent.answer(quarantine)["phase"] == "Committed"
    assert agent.pointer() == names.NO_REVISION
    assert agent.answer(rollback)["phase"] == "Refused"
    assert agent.types()[-2:] == ["Rollback Abandoned", "Quarantine Committed"]


def test_a_revoked_revision_does_not_serve_on_behind_a_cold_rollback(
    pair: Pair, engine: Engine
) -> None:
    agent = pair.agent
    _cold(pair)
    agent.ask("AgentRollback", "back", expect=pair.new)
    until(agent.types, lambda types: types[-1] == "Rollback open", "the rollback waits")
    content = agent.transitions()[-2]["spec"]["digest"]
    engine.verifier.revoke(content, "found out")

    until(agent.pointer, lambda to: to == names.NO_REVISION, "traffic left the revoked one")
    until(lambda: agent.pods(pair.new), lambda pods: pods == [], "the revoked one has no pod")


def test_an_emergency_write_is_recorded_and_holds_what_was_left(pair: Pair, admin: Api) -> None:
    agent = pair.agent
    write = {
        "metadata": {"annotations": {names.ANNOTATION_EMERGENCY: "interlock is down"}},
        "spec": {"selector": {names.LABEL_REVISION: agent.revision(pair.old)}},
    }
    until(agent.admitted, lambda e: e.get(agent.revision(pair.old)), "the old one is eligible")
    assert admin.patch(agent.place("Service", names.POINTER_SERVICE), write).ok

    until(agent.types, lambda types: types[-1] == "Rollback Committed", "it is recorded")
    assert "interlock is down" in agent.transitions()[-1]["spec"]["message"]
    agent.until("holds what was left", lambda s: s["gate"] == "Held")
    assert agent.pointer() == agent.revision(pair.old)
