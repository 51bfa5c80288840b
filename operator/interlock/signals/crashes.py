"""Containers that end again and again, as the kubelet counts them.

The count alone is as old as the pod, so the last end must be young: a pod that restarted thrice in
a month does not loop.
"""

from datetime import datetime, timedelta

from interlock.api.kinds.base import seconds
from interlock.api.observed import Vote
from interlock.policy.model import SignalPolicy
from interlock.signals.contract import Live
from interlock.signals.fields import Object, field, moment, number, sentence, text
from interlock.signals.pods import containers, label, starting

NAME = "crashes"


def vote(live: Live, policy: SignalPolicy, now: datetime) -> Vote | None:
    """Return whether a container restarts in a loop; None before any container exists."""
    found = [
        (pod, container) for pod in live.pods for container in (*starting(pod), *containers(pod))
    ]
    for pod, container in found:
        ended = _last_end(container)
        if ended and _loops(container, ended, policy, now):
            return Vote(NAME, "bad", _message(pod, container, ended))
    return Vote(NAME, "good", "no container restarts in a loop") if found else None


def _loops(container: Object, ended: Object, policy: SignalPolicy, now: datetime) -> bool:
    at = moment(ended, "finishedAt")
    if at is None or number(container, "restartCount") < policy.restarts:
        return False
    return now - at < timedelta(seconds=seconds(policy.restarts_within))


def _last_end(container: Object) -> Object | None:
    """Return how the container ended last: as it lies there, or before it was restarted."""
    for state in ("state", "lastState"):
        ended = field(container, state, "terminated")
        if isinstance(ended, dict):
            return ended
    return None


def _message(pod: Object, container: Object, ended: Object) -> str:
    times, code = number(container, "restartCount"), number(ended, "exitCode")
    why = text(ended, "reason") or "an unknown reason"
    said = text(ended, "message") if container in starting(pod) else ""
    return sentence(
        f"{label(pod, container)} restarted {times} times, at last for {why} (exit code {code})"
        + (f": {said}" if said else "")
    )
