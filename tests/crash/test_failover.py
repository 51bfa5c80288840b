"""The leader is killed; what the standby does first is the rollback that somebody waits for."""

from interlock_sandbox.process import free_port
from support.controller import CASES
from support.engine import Engine, pairs, role, until


def test_the_standby_commits_the_rollback_that_was_asked_of_a_dead_leader(engine: Engine) -> None:
    engine.start("leader")
    pair = pairs(engine, CASES[-10:-9])[0]
    agent = pair.agent
    port = free_port()
    engine.start("standby", "--port", str(port))
    until(lambda: role(port), "standby".__eq__, "the standby's caches are warm")
    assert engine.holder() == "leader"
    engine.kill("leader")
    answer = agent.answer(agent.ask("AgentRollback", "back", expect=pair.new))

    assert answer["phase"] == "Committed"
    assert engine.holder() == "standby"
    assert agent.pointer() == agent.revision(pair.old)
    assert agent.types() == [*["Promotion Committed"] * 2, "Rollback Committed"]
    engine.kill("standby")
