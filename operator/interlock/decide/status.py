"""What a tired person sees: one pure function from what is observed to the status of an agent.

The reason of a stop is in the default columns; conditions follow kstatus (`Reconciling` and
`Stalled` are present only when true).
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from interlock.api import digests, names
from interlock.api.observed import Observed, Transition, Verdict
from interlock.api.reasons import Reason
from interlock.api.values import Purpose
from interlock.decide import arrive, health, view

State = Literal["done", "moving", "waiting", "stopped"]


@dataclass(frozen=True, slots=True)
class Summary:
    """How far the wish is from what runs, in one word and one sentence."""

    state: State
    gate: str
    reason: Reason
    message: str = ""


def summarize(seen: Observed, now: datetime) -> Summary:
    """Return the one thing that a reader should know first."""
    for ask in (
        _stalled,
        _admitting,
        _quarantine,
        _frozen,
        _current,
        _clock,
        _held,
        _switching,
        _judged,
        _arriving,
    ):
        if summary := ask(seen, now):
            return summary
    return Summary("moving", "-", Reason.JUDGING, "the gates have not run yet")


def status(seen: Observed, now: datetime, previous: dict[str, Any]) -> dict[str, Any]:
    """Return the whole status; times of conditions that did not change are kept."""
    wanted = seen.wanted
    if wanted is None:
        return {}
    summary = summarize(seen, now)
    serving = view.serving(seen)
    asked = view.candidate(seen)
    ready = bool(serving and health.well(seen, serving.name))
    namespace = names.agent_namespace(wanted.namespace, wanted.name)
    generation = wanted.generation
    conditions = [*_conditions(seen, summary, ready=ready), *_broken(seen, now)]
    text = summary.message if summary.state != "done" else _worse(seen, now)
    decision = seen.verdicts.get((asked, Purpose.PROMOTION))
    last = seen.transitions[-1] if seen.transitions else None
    return {
        "observedGeneration": generation,
        "conditions": _stamped(conditions, generation, now, previous.get("conditions") or []),
        "address": f"http://{names.POINTER_SERVICE}.{namespace}.svc" if seen.pointer else "",
        "namespace": namespace,
        "ready": "True" if ready else "False",
        "serving": digests.short(serving.digest if serving else None),
        "candidate": "-" if asked == seen.pointer else digests.short(wanted.digest),
        "gate": summary.gate,
        "reason": (text or summary.reason.value)[:1024],
        "rollback": _rollback_kind(seen),
        "breakGlass": _glass(seen, now)[0],
        "decision": decision.name if decision else "",
        "transition": last.name if last else "",
        "holds": _holds(seen),
        "signals": _signals(seen),
        "drifted": [one[:317] for one in seen.drift[:16]],
        **_frozen_since(seen),
    }


def _stalled(seen: Observed, now: datetime) -> Summary | None:
    move = view.last_move(seen)
    expected = move.to if move else names.NO_REVISION
    if seen.bad_records:
        listed = ", ".join(seen.bad_records[:3])
        return _stop(Reason.BAD_RECORD, f"records with a bad signature are ignored: {listed}")
    if seen.pointer not in (None, expected) and view.open_record(seen) is None:
        return _stop(Reason.UNKNOWN_POINTER, f"the Service names {seen.pointer}, not {expected}")
    if not seen.policy:
        return _stop(Reason.POLICY_MISSING, "no governance was ever verified")
    if seen.namespace == "foreign":
        return _stop(Reason.NAMESPACE_TAKEN, "the agent's namespace exists and is not ours")
    return None


def _admitting(seen: Observed, now: datetime) -> Summary | None:
    if seen.wanted and seen.wanted.deleting:
        return Summary("moving", "-", Reason.DELETING, "the agent is being removed")
    if seen.granted:
        return Summary("stopped", "Blocked", Reason.NOT_GRANTED, seen.granted)
    if seen.pointer is None:
        return Summary("moving", "-", Reason.ADMITTED, "the agent's namespace is being made")
    return None


def _quarantine(seen: Observed, now: datetime) -> Summary | None:
    if not view.quarantined(seen):
        return None
    last = next(t for t in reversed(seen.transitions) if t.type == "Quarantine")
    who = f" by {last.requested_by}" if last.requested_by else ""
    return Summary("stopped", "Held", Reason.QUARANTINED, f"quarantined{who}: {last.message}")


def _frozen(seen: Observed, now: datetime) -> Summary | None:
    since, wanted = view.frozen(seen), seen.wanted
    if since is None or wanted is None:
        return None
    way = f'kubectl interlock release {wanted.name} --frozen --reason "…" lifts it'
    return Summary("stopped", "Held", Reason.FROZEN, f"frozen: {_why_frozen(since)}; {way}")


def _clock(seen: Observed, now: datetime) -> Summary | None:
    ahead = view.clock_behind(seen, now)
    if ahead is None:
        return None
    text = f"the controller's clock says {now:%Y-%m-%d %H:%M:%S}Z, and its newest decision"
    why = f"{text} was made at {ahead:%Y-%m-%d %H:%M:%S}Z: nothing is promoted by such a clock"
    return _stop(Reason.CLOCK_BEHIND, why)


def _current(seen: Observed, now: datetime) -> Summary | None:
    serving = view.serving(seen)
    if serving is None or view.candidate(seen) != serving.name:
        return None
    vote = next(health.bad(seen, serving.name, *health.LEAVING), None)
    load = seen.workloads.get(serving.name)
    if vote or load is None or not load.warm:
        why = f"{vote.signal}: {vote.message}" if vote else "no pod of it is ready"
        halted = f"; no automatic rollback: {seen.fleet.halted}" if seen.fleet.halted else ""
        return _stop(Reason.UNHEALTHY, f"what serves is unhealthy: {why}{halted}")
    if view.open_record(seen) or view.baking(seen):
        return Summary("moving", "-", Reason.BAKING, _bake(seen, serving.name))
    return Summary("done", "-", Reason.SERVING)


def _bake(seen: Observed, name: str) -> str:
    silent = [vote.signal for vote in seen.votes.get(name, ()) if vote.verdict == "none"]
    waits = f"; no data yet from {', '.join(silent)}" if silent else ""
    return f"serving, and watched until the bake ends{waits}"


def _switching(seen: Observed, now: datetime) -> Summary | None:
    """A switch of agents that must not run beside one another takes as long as pods take to end."""
    record = view.open_record(seen)
    if record is None or record.type not in ("Promotion", "Rollback"):
        return None
    if not view.alone(seen, record.origin, record.to):
        return None
    pods = sum(load.pods for name, load in seen.workloads.items() if name != record.to)
    return Summary("moving", "-", Reason.STOPPING, f"waits until {pods} pods of others have ended")


def _held(seen: Observed, now: datetime) -> Summary | None:
    if seen.wanted is None:
        return None
    name = view.candidate(seen)
    if name in seen.revoked:
        return Summary("stopped", "Blocked", Reason.REVOKED, seen.revoked[name])
    hold = view.holds(seen).get(seen.wanted.behaviour)
    if hold is None or view.may_stage(seen, name):
        return None
    way = (
        f'kubectl interlock release {seen.wanted.name} --reason "…" lifts it'
        if hold.cause == "requested"
        else "new approvals, or another content, lift it"
    )
    return Summary("stopped", "Held", Reason.HELD, f"{hold.reason}: {hold.message}; {way}")


def _judged(seen: Observed, now: datetime) -> Summary | None:
    name = view.candidate(seen)
    judged = seen.judged.get((name, Purpose.PROMOTION))
    if judged and judged.trouble[0]:
        reason, message = judged.trouble
        return Summary("stopped", "Error", Reason(reason), message)
    verdict = seen.verdicts.get((name, Purpose.PROMOTION))
    if judged is None or verdict is None or verdict.verdict == "Allowed":
        return None
    return _not_allowed(verdict)


def _not_allowed(verdict: Verdict) -> Summary:
    text = f"{verdict.gate}: {verdict.message}"
    if verdict.verdict == "Waiting":
        return Summary("waiting", "Waiting", Reason.GATE_WAITING, text)
    reason = Reason.GATE_FAILED if verdict.verdict == "Blocked" else Reason.GATE_ERROR
    return Summary("stopped", "Blocked" if reason is Reason.GATE_FAILED else "Error", reason, text)


def _arriving(seen: Observed, now: datetime) -> Summary | None:
    name = view.candidate(seen)
    if seen.wanted is None or not view.may_stage(seen, name):
        return None
    if not seen.fresh:
        return Summary("stopped", "Blocked", Reason.POLICY_STALE, "governance's timestamp expired")
    if seen.wanted.spec.paused:
        return Summary("waiting", "Allowed", Reason.PAUSED, "allowed; spec.paused stops it")
    if name in seen.staged:
        return _stop(Reason(seen.staged[name][0]), seen.staged[name][1])
    if vote := health.holding(seen):
        return Summary("waiting", "Allowed", Reason.PROVING, f"{vote.signal}: {vote.message}")
    if arrive.ready(seen, now) and (wait := arrive.waits(seen, now)):
        return Summary("waiting", "Allowed", wait[0], wait[1])
    load, replicas = seen.workloads.get(name), seen.wanted.spec.replicas
    if load and load.ready >= replicas and (unproven := _unproven(seen, name)):
        return Summary("moving", "Allowed", Reason.PROVING, unproven)
    ready = f"{load.ready if load else 0} of {replicas} pods are ready"
    return Summary("moving", "Allowed", Reason.WARMING, ready)


def _unproven(seen: Observed, name: str) -> str:
    votes = [vote for vote in seen.votes.get(name, ()) if vote.verdict != "good"]
    return f"{votes[0].signal}: {votes[0].message}" if votes else ""


def _stop(reason: Reason, message: str) -> Summary:
    return Summary("stopped", "Stalled", reason, message)


def _conditions(
    seen: Observed, summary: Summary, *, ready: bool
) -> list[tuple[str, bool, str, str]]:
    name = view.candidate(seen)
    verdict = seen.verdicts.get((name, Purpose.PROMOTION))
    allowed = name == seen.pointer or bool(verdict and verdict.verdict == "Allowed")
    load = seen.workloads.get(name)
    staged = bool(load and load.ready)
    done = summary.state == "done" or summary.reason is Reason.BAKING
    rows = [
        ("Ready", ready and done, summary.reason.value, summary.message),
        (
            "Accepted",
            not seen.granted,
            Reason.NOT_GRANTED if seen.granted else Reason.ADMITTED,
            seen.granted,
        ),
        ("Approved", allowed, Reason.PASSED if allowed else summary.reason, ""),
        ("Staged", staged, Reason.STAGING if staged else summary.reason, ""),
        ("Serving", ready, Reason.SERVING if ready else summary.reason, ""),
        ("Drifted", bool(seen.drift), Reason.DRIFT if seen.drift else Reason.SERVING, _drift(seen)),
    ]
    if found := view.degraded(seen):
        rows.append(("Degraded", True, found.reason, f"{found.gate}: {found.message}"))
    if summary.state == "moving":
        rows.append(("Reconciling", True, summary.reason, summary.message))
    if summary.state == "stopped":
        rows.append(("Stalled", True, summary.reason, summary.message))
    return rows


def _stamped(
    rows: list[tuple[str, bool, str, str]],
    generation: int,
    now: datetime,
    previous: list[dict[str, Any]],
) -> list[dict[str, Any]]:
    before = {old["type"]: old for old in previous}
    stamped = []
    for type_, true, reason, message in rows:
        text = "True" if true else "False"
        old = before.get(type_, {})
        moment = _moment(now)
        changed = old.get("status") != text or "lastTransitionTime" not in old
        stamped.append(
            {
                "type": type_,
                "status": text,
                "reason": str(reason),
                "message": message[:4096],
                "observedGeneration": generation,
                "lastTransitionTime": moment if changed else old["lastTransitionTime"],
            }
        )
    return stamped


def _rollback_kind(seen: Observed) -> str:
    target = next(iter(view.targets(seen)), None)
    if target is None:
        return "none"
    load = seen.workloads.get(target)
    return "warm" if load and load.warm else "cold"


def _drift(seen: Observed) -> str:
    return f"put right: {', '.join(seen.drift)}" if seen.drift else ""


def _glass(seen: Observed, now: datetime) -> tuple[str, str]:
    """Return what people let past the gates, in a word and a sentence; a dash where nothing."""
    serving, wanted = view.serving(seen), seen.wanted
    promotion = view.last_promotion(seen, serving.name) if serving else None
    if promotion and promotion.break_glass and view.ratification(seen, promotion) is None:
        let_in = f"{promotion.name} let it in by {', '.join(promotion.break_glass)}"
        if promotion.ratify_by is None:
            return "LetIn", let_in
        until = f"{promotion.ratify_by:%Y-%m-%d %H:%M:%S}Z"
        return "Unratified", f"{let_in}; it is left at {until} unless the quorum approves it"
    asked = view.broken_glass(seen, wanted.digest) if wanted else []
    open_ = [one for one in asked if one.expires and now < one.expires]
    said = (f"{one.name} by {one.requested_by} ({one.ticket}): {one.message}" for one in open_)
    return ("Open", "; ".join(said)) if open_ else ("-", "")


def _broken(seen: Observed, now: datetime) -> list[tuple[str, bool, str, str]]:
    word, said = _glass(seen, now)
    return [("BreakGlass", True, word, said)] if said else []


def _worse(seen: Observed, now: datetime) -> str:
    """Return what is wrong with what serves well: people let it in, or a gate says no today."""
    word, said = _glass(seen, now)
    if word in ("Unratified", "LetIn"):
        return f"{word}: {said}"
    found = view.degraded(seen)
    return f"Degraded: {found.gate}: {found.message}" if found else "-"


def _signals(seen: Observed) -> list[dict[str, Any]]:
    """Return what the signals say of the candidate while it is proven, else of what serves."""
    asked = view.candidate(seen)
    watched = asked if seen.votes.get(asked) else seen.pointer or ""
    return [
        {
            "name": vote.signal,
            "vote": vote.verdict,
            "message": vote.message[:1024],
            "window": {"bad": vote.bad, "of": vote.of},
            "since": _moment(vote.since) if vote.since else "",
        }
        for vote in seen.votes.get(watched, ())[:32]
    ]


def _frozen_since(seen: Observed) -> dict[str, Any]:
    since = view.frozen(seen)
    if since is None:
        return {}
    return {"frozen": {"since": _moment(since.at), "reason": _why_frozen(since)[:1024]}}


def _why_frozen(since: Transition) -> str:
    if since.type == "Freeze":
        return f"{since.reason}: {since.message}"
    return f"too many automatic rollbacks, the last is {since.name}"


def _moment(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def _holds(seen: Observed) -> list[dict[str, Any]]:
    return [
        {
            "digest": hold.digest,
            "cause": hold.cause,
            "since": _moment(hold.at),
            "transition": hold.name,
        }
        for hold in list(view.holds(seen).values())[-16:]
        if hold.digest
    ]
