"""`why` reads like the notes on a machine: what serves, what is wanted, what stands between."""

from datetime import UTC, datetime
from typing import Any

from interlock.cli.why import Agent, explain
from support.facts import spec

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def outcome(gate: str, word: str, message: str, *unblock: str) -> dict[str, Any]:
    return {"gate": gate, "outcome": word, "message": message, "unblock": list(unblock)}


def decision(verdict: str = "Waiting", *outcomes: dict[str, Any]) -> dict[str, Any]:
    spec = {"verdict": verdict, "policyDigest": "7c2e51" * 8, "outcomes": list(outcomes)}
    return {"metadata": {"name": "press-a71e0c93d2-4"}, "spec": spec}


def deployment(**status: Any) -> dict[str, Any]:
    whole = {"ready": "True", "serving": "9f3c51b6e0", "candidate": "a71e0c93d2", "gate": "Waiting"}
    return {"metadata": {"name": "press"}, "spec": spec(), "status": whole | status}


def revision(**changes: Any) -> dict[str, Any]:
    return {"spec": {"content": spec(**changes)}}


def promotion() -> dict[str, Any]:
    end = {"outcome": "Committed", "at": "2026-11-08T12:00:00Z"}
    return {"spec": {"to": "press-9f3c51b6e0"}, "status": {"end": end}}


def test_the_headline_says_what_serves_and_what_changes() -> None:
    old = spec()["model"] | {"version": "11"}
    agent = Agent(deployment(), decision(), revision(model=old), revision(), (promotion(),))
    first = explain(agent, NOW)[0]
    assert first == "press serves 9f3c51b6e0 (healthy, 12d) and wants a71e0c93d2 (model 11 → 12)"


def test_each_gate_has_a_line_and_what_would_turn_it() -> None:
    rows = (
        outcome("pins", "PASS", "4 pins, all true", "never shown"),
        outcome("change-approval", "WAIT", "1 of 2, role ot-safety open", "interlock approve x"),
    )
    lines = explain(Agent(deployment(), decision("Waiting", *rows)), NOW)
    assert "  pass   pins                   4 pins, all true" in lines
    assert "         → interlock approve x" in lines
    assert not any("never shown" in line for line in lines)
    assert lines[-1] == (
        "Nothing moves until every line passes. Policy 7c2e517c2e. "
        "Decision press-a71e0c93d2-4, replayable."
    )


def test_the_policy_is_named_with_its_versions() -> None:
    whole = decision()
    whole["spec"]["policyVersions"] = {"root": 1, "targets": 7, "revocations": 12, "snapshot": 30}
    fresh = {"status": {"freshness": "Fresh"}}
    last = explain(Agent(deployment(), whole, governance=fresh), NOW)[-1]
    assert "Policy 7c2e517c2e (fresh, targets 7, revocations 12). " in last


def test_a_message_moves_no_cursor() -> None:
    row = outcome("pins", "FAIL", "CVE\x1b[2J", "do \x1b]0;x\x07")
    assert "\x1b" not in "\n".join(explain(Agent(deployment(), decision("Blocked", row)), NOW))


def test_a_stop_that_no_gate_explains_is_said() -> None:
    status = {"gate": "Held", "reason": "Requested: rejects up; kubectl interlock release lifts it"}
    hold = {"digest": "a7" * 32, "cause": "requested", "since": "2026-11-20T09:00:00Z"}
    agent = Agent(deployment(**status, holds=[hold | {"transition": "press-17"}]), decision())
    lines = explain(agent, NOW)
    assert "  Held: Requested: rejects up; kubectl interlock release lifts it" in lines
    assert "  held   a7a7a7a7a7: requested, 3h ago (press-17)" in lines


def test_nothing_serves_and_nothing_was_judged() -> None:
    agent = Agent(deployment(serving="-", candidate="a71e0c93d2", reason="not granted: image x"))
    lines = explain(agent, NOW)
    assert lines[0] == "press serves nothing and wants a71e0c93d2"
    assert "  Waiting: not granted: image x" in lines
    assert lines[-1] == "No decision was made about it yet."


def test_votes_are_shown_with_their_window() -> None:
    bad = {"name": "reject-rate", "vote": "bad", "message": "0.05, limit 0.02"}
    bad |= {"window": {"bad": 3, "of": 5}, "since": "2026-11-20T11:58:00Z"}
    good = {"name": "http", "vote": "good", "message": "200 in 3 ms"}
    lines = explain(Agent(deployment(signals=[bad, good]), decision()), NOW)
    assert "  bad    reject-rate            0.05, limit 0.02; bad 3 of 5, since 2m" in lines
    assert "  good   http                   200 in 3 ms" in lines


def test_why_promotions_wait_is_said() -> None:
    frozen = {"since": "2026-11-20T11:00:00Z", "reason": "2 rollbacks in 24 h"}
    whole = deployment(frozen=frozen, group="cell-4", drifted=["Service/preview"])
    whole["spec"]["paused"] = True
    whole["metadata"] |= {
        "namespace": "line-4",
        "annotations": {"interlock.dev/pause-reason": "stock-taking"},
    }
    lines = explain(Agent(whole, decision()), NOW)
    assert "  paused stock-taking; kubectl interlock resume press -n line-4" in lines
    assert "  frozen 2 rollbacks in 24 h; 1h ago" in lines
    assert '         → kubectl interlock release press -n line-4 --frozen --reason "…"' in lines
    assert "  group  cell-4" in lines
    assert "  drift  Service/preview" in lines
