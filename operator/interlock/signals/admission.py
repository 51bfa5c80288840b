"""The API server refuses pods of ours that it accepted in a dry run.

Then what was rendered and what the cluster allows have parted, and no waiting mends it. An API
server that merely cannot answer has refused nothing.
"""

from datetime import datetime, timedelta

from interlock.api.kinds.base import seconds
from interlock.api.observed import Vote
from interlock.policy.model import SignalPolicy
from interlock.signals.contract import Live
from interlock.signals.fields import condition, moment, sentence, text
from interlock.signals.pods import seen

NAME = "admission"
REFUSALS = ("is forbidden", "denied the request", "is invalid")
"""How the API server words a refusal, as opposed to a failure of its own."""


def vote(live: Live, policy: SignalPolicy, now: datetime) -> Vote | None:
    """Return whether pods are refused; None where all could be created."""
    state = condition(live.deployment, "ReplicaFailure")
    created = text(state, "reason") != "FailedCreate" or text(state, "status") != "True"
    if created or not seen(live.deployment):
        return None
    since, message = moment(state, "lastTransitionTime"), text(state, "message")
    refused = any(words in message for words in REFUSALS)
    limit = timedelta(seconds=seconds(policy.denied_within))
    late = since is not None and now - since >= limit
    words = sentence(f"pods cannot be created: {message}")
    return Vote(NAME, "bad" if refused and late else "none", words, since=since)
