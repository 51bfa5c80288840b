"""Deletion takes everything of an agent; a standby takes over; SIGTERM ends cleanly."""

from interlock.api import names
from support.engine import Engine, Pair, until

LEASE = "/apis/coordination.k8s.io/v1/namespaces/interlock-system/leases/interlock-controller"


def test_a_deleted_agent_takes_its_namespace_with_it(pair: Pair) -> None:
    agent = pair.agent
    finalizers = agent.api.get(agent.path).body["metadata"]["finalizers"]
    assert names.FINALIZER in finalizers
    assert agent.api.delete(agent.path).ok

    until(lambda: agent.api.get(agent.path).code, lambda code: code == 404, "it is gone")
    assert agent.api.get(f"/api/v1/namespaces/{agent.home}").code == 404
    assert agent.serves("old")  # and the name can be used again


def test_a_standby_takes_over_after_a_kill_and_rolls_back(pair: Pair, engine: Engine) -> None:
    agent = pair.agent
    engine.start("two")
    before = _holder(engine)
    engine.kill()
    engine.running["one"] = engine.running.pop("two")
    request = agent.ask("AgentRollback", "back", expect=pair.new)

    assert agent.answer(request)["phase"] == "Committed"
    assert agent.pointer() == agent.revision(pair.old)
    assert _holder(engine) != before


def test_sigterm_gives_the_lease_up_and_ends_with_zero(engine: Engine, pair: Pair) -> None:
    code = engine.stop()
    holder = _holder(engine)
    engine.start()
    assert (code, holder) == (0, "")
    agent = pair.agent
    assert agent.answer(agent.ask("AgentRollback", "back", expect=pair.new))["phase"] == "Committed"


def _holder(engine: Engine) -> str:
    return str(engine.api.get(LEASE).body["spec"].get("holderIdentity", ""))
