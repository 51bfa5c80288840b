"""Health and policy signals: what is seen of a revision, as votes.

The order is the one in which people read them: whether it runs, then whether it may.
"""

from collections.abc import Sequence
from datetime import datetime

from interlock.api.observed import Vote
from interlock.policy.model import SignalPolicy
from interlock.signals import (
    admission,
    crashes,
    digests,
    expiry,
    progress,
    pulls,
    readiness,
    window,
)
from interlock.signals.contract import KubeSignal, Live, Samples

KUBE: tuple[KubeSignal, ...] = (
    readiness.vote,
    crashes.vote,
    pulls.vote,
    progress.vote,
    admission.vote,
    digests.vote,
    expiry.vote,
)
"""The signals that the caches alone answer, in order."""


def votes(
    live: Live,
    samples: Samples,
    signals: Sequence[window.Sampled],
    policy: SignalPolicy,
    now: datetime,
) -> tuple[Vote, ...]:
    """Return the votes of one revision; `signals` are those sampled ones that apply to it."""
    seen = [vote for signal in KUBE if (vote := signal(live, policy, now))]
    asked = [
        window.vote(signal, samples.get(signal.name, ()), policy, live.stand, now)
        for signal in signals
    ]
    return (*seen, *asked)
