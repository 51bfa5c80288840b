"""Images that the node cannot get. A slow pull is no failing pull.

The kubelet does not say since when a pull fails, so the time counts from when it took the pod: a
pull that was slow first and then fails is given no second minute.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from interlock.api.kinds.base import seconds
from interlock.api.observed import Vote
from interlock.policy.model import SignalPolicy
from interlock.signals.contract import Live
from interlock.signals.fields import moment, sentence, text
from interlock.signals.pods import containers, label, starting

NAME = "pulls"
FAILING = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "RegistryUnavailable",
        "SignatureValidationFailed",
    }
)
"""What the kubelet calls a pull that failed."""


def vote(live: Live, policy: SignalPolicy, now: datetime) -> Vote | None:
    """Return the pull that fails longest; None where none fails."""
    limit = timedelta(seconds=seconds(policy.pull_within))
    failing = sorted(_failing(live), key=lambda one: one[0] or now)
    if not failing:
        return None
    since, message = failing[0]
    late = since is not None and now - since >= limit
    return Vote(NAME, "bad" if late else "none", sentence(message), since=since)


def _failing(live: Live) -> Iterator[tuple[datetime | None, str]]:
    for pod in live.pods:
        for container in (*starting(pod), *containers(pod)):
            reason = text(container, "state", "waiting", "reason")
            if reason in FAILING:
                detail = text(container, "state", "waiting", "message")
                message = f"{label(pod, container)} has no image: {reason}: {detail}"
                yield moment(pod, "status", "startTime"), message
