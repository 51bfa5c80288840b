"""Agents that act by themselves: the old one ends before the new one begins (I14)."""

from interlock.api import names
from support.engine import Agent, until
from support.kube import Api

POLL = 0.01


def revisions_with_pods(agent: Agent) -> set[str]:
    """The revisions of which a pod object exists, in one look."""
    return {str(pod["metadata"]["labels"][names.LABEL_REVISION]) for pod in agent.objects("Pod")}


def never_two(agent: Agent, done: str) -> None:
    """Look without pause until `done` serves: there must never be pods of two revisions."""

    def look() -> str:
        both = revisions_with_pods(agent)
        assert len(both) <= 1, f"I14: pods of {sorted(both)} exist at once"
        return agent.pointer()

    until(look, lambda pointer: pointer == done, f"{done} serves")


def test_i14_a_promotion_stops_the_old_sees_it_gone_and_starts_the_new(fresh: Agent) -> None:
    old = fresh.serves("a", mode="autonomous", replicas=2)
    assert fresh.status()["rollback"] == "none"
    fresh.want("b", mode="autonomous", replicas=2)
    new = fresh.until("wants b", lambda s: s["candidate"] not in ("-", old))["candidate"]
    never_two(fresh, fresh.revision(new))

    assert fresh.healthy(old) == new
    assert fresh.types() == ["Promotion Committed", "Promotion Committed"]
    assert len(fresh.pods(new)) == 2
    fresh.until("goes back cold only", lambda s: s["rollback"] == "cold")
    assert fresh.replicas(old) == 0


def test_i14_a_rollback_is_a_cut_plus_a_start(fresh: Agent) -> None:
    old = fresh.serves("a", mode="autonomous")
    new = fresh.serves("b", mode="autonomous")
    fresh.until("can go back", lambda s: s["rollback"] == "cold")

    request = fresh.ask("AgentRollback", "back", expect=new)
    never_two(fresh, fresh.revision(old))
    assert fresh.answer(request)["phase"] == "Committed"
    until(lambda: len(fresh.pods(old)), lambda count: count == 1, "the old one started again")
    assert fresh.pods(new) == []


def test_what_never_gets_ready_alone_is_left_for_what_was_there(fresh: Agent) -> None:
    old = fresh.serves("a", mode="autonomous")
    fresh.want("b", "never-ready", mode="autonomous")
    status = fresh.until("is held", lambda s: s["gate"] == "Held")
    assert "readiness" in status["reason"]
    moves = ["Promotion Committed", "Rollback Committed"]
    until(lambda: fresh.types()[-2:], moves.__eq__, "the way back is over")
    until(lambda: len(fresh.pods(old)), lambda count: count == 1, "the old one runs again")
    assert fresh.pointer() == fresh.revision(old)


def test_a_pod_that_does_not_end_keeps_the_new_one_from_starting(fresh: Agent) -> None:
    old = fresh.serves("a", mode="autonomous")
    (pod,) = fresh.pods(old)
    hold_back(fresh.api, fresh, pod, ["test.example/wait"])
    fresh.want("b", mode="autonomous")
    fresh.until("waits", lambda s: "have ended" in s["reason"])
    assert revisions_with_pods(fresh) == {fresh.revision(old)}

    hold_back(fresh.api, fresh, pod, [])
    fresh.healthy(old)


def hold_back(api: Api, agent: Agent, pod: str, finalizers: list[str]) -> None:
    """A pod with a finalizer of somebody else's does not end, as on a node that is gone."""
    body = {"metadata": {"finalizers": finalizers}}
    answer = api.patch(agent.place("Pod", pod), body)
    assert answer.ok, answer.message
