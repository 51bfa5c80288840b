"""What stops automatic moves: fallback, forward-only content, freezes, and who lifts them."""

from support.engine import Agent, Pair, until

TOOLS = [
    {"name": "mes.read", "endpoint": "https://mes.lab.svc:8443", "effect": "read"},
    {"name": "mes.write", "endpoint": "https://mes.lab.svc:8443", "effect": "write"},
]
LONG = {"bake": "30s", "drain": "1s"}


def test_with_nothing_to_go_back_to_the_fallback_takes_over(fresh: Agent) -> None:
    less = {"tools": TOOLS, "fallback": {"tools": ["mes.read"]}}
    old = fresh.serves("a", **less)
    status = fresh.until("has a warm fallback", lambda s: s["rollback"] == "warm")
    answer = fresh.answer(fresh.ask("AgentRollback", "less", expect=old))
    assert answer["phase"] == "Committed", answer
    status = fresh.until("serves less", lambda s: s["serving"] not in ("-", old))
    revision = fresh.api.get(fresh.place("AgentRevision", fresh.revision(status["serving"]))).body
    assert [tool["name"] for tool in revision["spec"]["content"]["tools"]] == ["mes.read"]
    assert revision["spec"]["parent"] == fresh.revision(old)


def test_forward_only_content_freezes_and_waits_for_a_person(pair: Pair) -> None:
    agent = pair.agent
    agent.want("c", "turns-unready", rollout=LONG, rollback={"allowed": False})
    status = agent.until("is frozen", lambda s: "frozen" in s)
    assert "ForwardOnly" in status["frozen"]["reason"]
    assert agent.types()[-1] == "Freeze Committed"
    assert agent.pointer() not in (agent.revision(pair.old), agent.revision(pair.new))

    agent.want("d")  # a fix is not promoted while it is frozen
    agent.until("shows the freeze", lambda s: "--frozen" in s["reason"])
    answer = agent.answer(agent.ask("AgentRelease", "thaw", frozen=True))
    assert answer["phase"] == "Committed"
    agent.healthy(status["serving"])


def test_two_automatic_rollbacks_freeze_the_agent(pair: Pair) -> None:
    agent = pair.agent
    for wanted, mark in enumerate(("c", "d"), start=1):
        agent.want(mark, "turns-unready", rollout=LONG)
        agent.until("went back", lambda s: s["gate"] == "Held" and s["serving"] == pair.new)
        until(
            lambda: agent.types().count("Rollback Committed"),
            lambda count, wanted=wanted: count == wanted,
            "an automatic rollback",
        )
    status = agent.until("is frozen", lambda s: "frozen" in s)
    assert "too many automatic rollbacks" in status["frozen"]["reason"]

    answer = agent.answer(agent.ask("AgentRollback", "still", expect=pair.new))
    assert answer["phase"] == "Committed", "a person may still go back"


def test_the_preview_service_leads_to_the_candidate(pair: Pair) -> None:
    agent = pair.agent
    agent.want("c", "never-ready")
    name = agent.until("stages c", lambda s: s["candidate"] != "-")["candidate"]
    until(
        lambda: agent.api.get(agent.place("Service", "preview")).body["spec"]["selector"],
        lambda selector: selector["interlock.dev/revision"] == agent.revision(name),
        "the preview leads to c",
    )
    assert agent.pointer() == agent.revision(pair.new)
