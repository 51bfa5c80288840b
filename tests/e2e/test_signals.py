"""What agents do is measured from outside, and what they say of themselves is not believed."""

from typing import Any

from interlock.api import names
from support.container import SLOW, Live
from support.engine import until
from support.load import load

LONG = {"bake": "10m", "drain": "5s"}
WRITES = {"to": {"namespace": "mes"}, "port": 8443, "effect": "write", "reason": "orders"}
DECIDED: dict[str, Any] = {"network": {"egress": [WRITES]}}
"""An agent that writes is decided about, and so its decisions are counted."""


def vote(live: Live, signal: str) -> tuple[str, str]:
    """What a signal says of the revision that is watched, and why."""
    rows = live.agent.status().get("signals") or []
    return next(((row["vote"], row["message"]) for row in rows if row["name"] == signal), ("", ""))


def test_a_candidate_that_says_ready_is_held_for_what_the_probe_is_answered(live: Live) -> None:
    old = live.serves("1.0.0")
    # Its first answer is good: the kubelet calls it ready until three in a row, 5 s apart, are bad.
    live.want("1.1.0", "errors=0.95", health={"http": "/"})
    record = until(lambda: live.last("FailedStage"), bool, "the candidate is held", SLOW)
    assert "http-probe" in record["spec"]["message"]
    assert "answered 500" in record["spec"]["message"]
    assert live.agent.pointer() == old


def test_acts_against_policy_lead_back(live: Live) -> None:
    old = live.serves("1.0.0", **DECIDED)
    live.want("1.1.0", rollout=LONG, **DECIDED)
    live.moved(old)
    new = live.agent.pointer()
    until(lambda: vote(live, "violations"), lambda row: row[0] == "good", "it is counted", SLOW)
    live.tell(new, "violate=policy@10/s")
    until(live.agent.pointer, lambda name: name == old, "traffic went back", SLOW)
    assert "violations" in live.last("Rollback")["spec"]["message"]


def test_an_act_against_safety_isolates_at_once(live: Live) -> None:
    serving = live.serves("1.0.0", **DECIDED)
    live.tell(serving, "violate=safety")
    until(live.agent.pointer, lambda name: name == names.NO_REVISION, "traffic is off", SLOW)
    assert "safety-violations" in live.last("Quarantine")["spec"]["message"]
    until(lambda: live.agent.objects("Pod"), lambda pods: pods == [], "no pod is left", SLOW)


def test_silence_of_the_decision_log_stops_promotions_and_leaves_what_serves(live: Live) -> None:
    serving = live.serves("1.0.0", **DECIDED)
    with load(*live.address(), rate=20, kept=0, streams=0):
        live.tell(serving, "silence")
        until(lambda: vote(live, "decision-log"), lambda row: row[0] == "bad", "it is seen", SLOW)
        live.want("1.1.0", **DECIDED)
        live.agent.until(
            "is held back", lambda status: "decision-log" in str(status["reason"]), SLOW
        )
        assert live.agent.types() == ["Promotion Committed"]
        assert live.agent.pointer() == serving
        live.tell(serving, "")
        live.moved(serving)
