"""Gauges are derived from what the caches hold, when somebody asks."""

from prometheus_client import REGISTRY

from interlock.handlers.metrics import count_agents


def counted(reason: str) -> float | None:
    return REGISTRY.get_sample_value("interlock_agents", {"reason": reason})


def saying(reason: str) -> dict[str, object]:
    conditions = [
        {"type": "Ready", "reason": reason},
        {"type": "Accepted", "reason": "Admitted"},
    ]
    return {"status": {"conditions": conditions}}


def test_agents_are_counted_by_what_their_status_says_first() -> None:
    count_agents([saying("Serving"), saying("Serving"), saying("Held"), {}])
    assert (counted("Serving"), counted("Held"), counted("Admitted")) == (2, 1, None)


def test_agents_are_counted_by_why_what_serves_would_not_be_let_in_today() -> None:
    degraded = {"type": "Degraded", "status": "True", "reason": "PinMismatch"}
    agent = {"status": {"conditions": [{"type": "Ready", "reason": "Serving"}, degraded]}}
    labels = {"reason": "PinMismatch"}
    count_agents([agent, agent, saying("Serving")])
    assert REGISTRY.get_sample_value("interlock_degraded_agents", labels) == 2
    count_agents([])
    assert REGISTRY.get_sample_value("interlock_degraded_agents", labels) is None


def test_a_reason_that_nobody_says_any_more_is_gone() -> None:
    count_agents([saying("Held")])
    count_agents([])
    assert counted("Held") is None
