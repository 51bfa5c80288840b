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


def test_a_reason_that_nobody_says_any_more_is_gone() -> None:
    count_agents([saying("Held")])
    count_agents([])
    assert counted("Held") is None
