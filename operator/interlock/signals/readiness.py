"""Readiness, as the Deployment counts it: a serving revision without a ready pod is broken.

An agent decides itself when it says ready, so this is never enough to promote it. A candidate that
is not ready yet is only not done; how long that may take is its tier's `readyWithin`.
"""

from datetime import datetime

from interlock.api.observed import Vote
from interlock.policy.model import SignalPolicy
from interlock.signals.contract import Live
from interlock.signals.pods import workload

NAME = "readiness"


def vote(live: Live, policy: SignalPolicy, now: datetime) -> Vote | None:
    """Return whether the pods are ready: all of a candidate, one of what serves."""
    facts = workload(live.deployment, live.pods)
    message = f"{facts.ready} of {facts.replicas} pods are ready"
    if not facts.replicas:
        return Vote(NAME, "none", "no pods are asked for")
    if live.stand == "candidate":
        done = facts.updated and facts.ready >= facts.replicas
        return Vote(NAME, "good" if done else "none", message)
    return Vote(NAME, "good" if facts.ready > 0 else "bad", message)
