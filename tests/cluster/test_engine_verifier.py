"""The verifier parses foreign bytes: away or slow, it stops promotions and nothing else."""

from interlock.handlers.engine import WORK_SHARE
from support.engine import Engine, Pair, until
from support.kube import OURS


def test_without_the_verifier_the_agent_says_so_and_a_rollback_works(
    pair: Pair, engine: Engine
) -> None:
    agent = pair.agent
    with engine.verifier.away():
        agent.want("c")
        until(agent.reason, lambda why: why == "VerifierUnavailable", "VerifierUnavailable")
        answer = agent.answer(agent.ask("AgentRollback", "back", expect=pair.new))
        assert answer["phase"] == "Committed"
        assert agent.pointer() == agent.revision(pair.old)
    agent.healthy(pair.old)  # and goes on when it is back


def test_a_slow_verifier_delays_nobodys_rollback(
    pair: Pair, ready_pairs: list[Pair], engine: Engine
) -> None:
    slow = [engine.agent(pair.agent.team, f"slow-{number}") for number in range(20)]
    engine.verifier.delays[pair.agent.team] = 600.0
    for agent in slow:
        agent.want("a")
    until(
        lambda: engine.verifier.asked.count(pair.agent.team),
        lambda count: count >= WORK_SHARE,
        "every worker that the team may have waits",
    )
    agent = pair.agent
    assert agent.answer(agent.ask("AgentRollback", "back", expect=pair.new))["phase"] == "Committed"
    assert agent.pointer() == agent.revision(pair.old)


def test_jobs_that_eat_loop_and_die_delay_nobodys_rollback_and_are_asked_again(
    pair: Pair, engine: Engine
) -> None:
    """The jobs are real processes behind real walls; each does what it is named after."""
    spoilt = {deed: engine.agent(pair.agent.team, deed) for deed in ("loops", "eats", "dies")}
    engine.verifier.deeds |= {deed: deed for deed in spoilt}
    for agent in spoilt.values():
        agent.want("a")
    for deed in ("eats", "dies"):
        until(spoilt[deed].reason, lambda why: why == "VerifierUnavailable", f"{deed} is said")
    until(lambda: [*engine.verifier.rooms.iterdir()], bool, "a job loops")
    agent = pair.agent
    assert agent.answer(agent.ask("AgentRollback", "back", expect=pair.new))["phase"] == "Committed"
    assert agent.pointer() == agent.revision(pair.old)
    engine.verifier.deeds.clear()
    for deed in ("eats", "dies"):
        spoilt[deed].healthy()


def test_a_controller_that_starts_without_the_verifier_has_the_last_good_policy(
    pair: Pair, engine: Engine
) -> None:
    agent = pair.agent
    digest = _policy_digest(engine)
    with engine.verifier.away():
        engine.kill()
        engine.start()
        answer = agent.answer(agent.ask("AgentRollback", "back", expect=pair.new))
        assert answer["phase"] == "Committed"
        status = engine.api.get(f"{OURS}/governances/default").body["status"]
        assert status["policyDigest"] == digest
        assert status["freshness"] == "Fresh"
        assert "verifier" in until(
            lambda: engine.api.get(f"{OURS}/governances/default").body["status"]["reason"],
            lambda reason: reason != "-",
            "Governance says why it is not asked",
        )


def _policy_digest(engine: Engine) -> str:
    status = engine.api.get(f"{OURS}/governances/default").body["status"]
    return str(status["policyDigest"])
