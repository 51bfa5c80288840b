"""Kubernetes' own progress deadline. Slow is not broken.

The Deployment controller counts the wait for a node and the pull of an image against its deadline.
Here they count nothing: a pod has the whole deadline from the moment its container runs.
"""

from datetime import datetime, timedelta

from interlock.api.observed import Vote
from interlock.policy.model import SignalPolicy
from interlock.signals.contract import Live
from interlock.signals.fields import Object, condition, field, moment, number, sentence, text
from interlock.signals.pods import containers, is_ready, seen
from interlock.signals.pulls import FAILING

NAME = "progress"
SLOW = FAILING | {"ContainerCreating", "PodInitializing"}
"""Reasons to wait that are not the agent's doing, or that another signal judges."""
DEADLINE_SECONDS = 600
"""What Kubernetes takes where a Deployment names no deadline."""


def vote(live: Live, policy: SignalPolicy, now: datetime) -> Vote | None:
    """Return whether the Deployment gets on; None where its controller has not said."""
    state = condition(live.deployment, "Progressing")
    if state is None or not seen(live.deployment):
        return None
    exceeded = text(state, "reason") == "ProgressDeadlineExceeded"
    if not exceeded or text(state, "status") != "False":
        return Vote(NAME, "good", "the Deployment is within its progress deadline")
    since = moment(state, "lastTransitionTime")
    if not _stuck(live, now):
        return Vote(NAME, "none", "pods wait for a node or an image, or just started", since=since)
    message = text(state, "message") or "the Deployment makes no progress"
    return Vote(NAME, "bad", sentence(f"ProgressDeadlineExceeded: {message}"), since=since)


def _stuck(live: Live, now: datetime) -> bool:
    """Whether pods are missing, or one that is not ready had all its time."""
    spec = field(live.deployment, "spec")
    if len(live.pods) < number(spec, "replicas", absent=1):
        return True
    limit = timedelta(seconds=number(spec, "progressDeadlineSeconds", absent=DEADLINE_SECONDS))
    waiting = [pod for pod in live.pods if not is_ready(pod)]
    return any(not _slow(container, limit, now) for pod in waiting for container in containers(pod))


def _slow(container: Object, limit: timedelta, now: datetime) -> bool:
    if text(container, "state", "waiting", "reason") in SLOW:
        return True
    started = moment(container, "state", "running", "startedAt")
    fresh = started is not None and now - started < limit
    return fresh and not number(container, "restartCount")
