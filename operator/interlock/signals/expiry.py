"""Evidence ages: a scan, an approval or a signer's word holds until a moment, then no longer.

What ran with evidence that merely aged goes on; policy may ask for more, an hour later, so that a
late renewal never takes production down by itself.
"""

from datetime import datetime, timedelta

from interlock.api.observed import Vote
from interlock.policy.model import SignalPolicy
from interlock.signals.contract import Live

NAME = "expiry"
WARN_SHARE = 0.8
"""Share of its life after which evidence is called old."""
GRACE = timedelta(hours=1)
"""Between the end of the evidence of what serves and what policy does about it."""


def vote(live: Live, policy: SignalPolicy, now: datetime) -> Vote | None:
    """Return whether the evidence still holds; None where nothing in it ages."""
    ends = live.expires
    if ends is None:
        return None
    if now < ends:
        return Vote(NAME, "good", _warning(live, ends, now), action="hold")
    message = f"the evidence ended at {_shown(ends)}; have it renewed and judged again"
    if policy.expiry == "quarantine" and live.stand != "candidate" and now - ends >= GRACE:
        return Vote(NAME, "bad", message, action="quarantine", lasting=True, since=ends)
    return Vote(NAME, "bad", message, action="hold", since=ends)


def _warning(live: Live, ends: datetime, now: datetime) -> str:
    begun = live.accepted
    if begun is not None and now - begun >= (ends - begun) * WARN_SHARE:
        return f"the evidence ends soon, at {_shown(ends)}; have it renewed"
    return f"the evidence holds until {_shown(ends)}"


def _shown(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
