"""Agents that depend on one another: order, all or none, and going back together."""

import pytest

from support.engine import Agent, Engine, until

ROLLOUT = {"bake": "1s", "drain": "1s", "group": "cell"}


@pytest.fixture
def cell(fresh: Agent, engine: Engine) -> tuple[Agent, Agent]:
    """Two agents of a group, `top` depends on `base`; both serve."""
    base, top = fresh, engine.agent(fresh.team, "top")
    base.want("a", rollout=ROLLOUT)
    top.want("a", rollout=ROLLOUT, dependsOn=["one"])
    base.healthy()
    top.healthy()
    return base, top


def test_an_agent_waits_for_what_it_depends_on(fresh: Agent, engine: Engine) -> None:
    top = engine.agent(fresh.team, "top")
    top.want("a", dependsOn=["one"])
    top.until("waits", lambda s: "depends on one, which does not exist" in s.get("reason", ""))
    fresh.serves("a")
    top.healthy()


def test_what_depends_on_itself_says_so(fresh: Agent, engine: Engine) -> None:
    top = engine.agent(fresh.team, "top")
    top.want("a", dependsOn=["one"])
    fresh.want("a", dependsOn=["top"])
    fresh.until("says so", lambda s: "leads back to one" in s.get("reason", ""))
    assert fresh.pointer() == "none"


def test_a_group_switches_all_or_none_and_dependencies_first(cell: tuple[Agent, Agent]) -> None:
    base, top = cell
    before = base.status()["serving"], top.status()["serving"]
    base.want("b", rollout=ROLLOUT)
    top.want("b", "never-ready", rollout=ROLLOUT, dependsOn=["one"])
    top.until("is held", lambda s: s["gate"] == "Held")
    base.until("waits", lambda s: "top of group cell is not ready" in s["reason"])
    assert (base.status()["serving"], top.status()["serving"]) == before

    top.want("c", rollout=ROLLOUT, dependsOn=["one"])
    new = base.healthy(before[0]), top.healthy(before[1])
    records = base.transitions()[-1], top.transitions()[-1]
    assert records[0]["spec"]["switch"] == records[1]["spec"]["switch"] != ""
    assert records[0]["spec"]["at"] < records[1]["spec"]["at"]
    assert new[0] != before[0]


def test_a_group_goes_back_together_dependents_first(cell: tuple[Agent, Agent]) -> None:
    base, top = cell
    before = base.status()["serving"], top.status()["serving"]
    base.want("b", rollout=ROLLOUT)
    top.want("b", rollout=ROLLOUT, dependsOn=["one"])
    new = base.healthy(before[0]), top.healthy(before[1])
    for agent in cell:
        agent.until("can go back", lambda s: s["rollback"] == "warm")

    request = base.ask("AgentRollback", "back", expect=new[0])
    assert base.answer(request)["phase"] == "Committed"
    until(lambda: top.status()["serving"], lambda s: s == before[1], "top went back, too")
    record = top.transitions()[-1]["spec"]
    assert (record["reason"], record["cause"]) == ("GroupLeft", "")
    top.until("waits for its group", lambda s: "one of group cell is not ready" in s["reason"])
